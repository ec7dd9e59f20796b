"""QUIC flows get their name from the ClientHello in the client's Initials, however they are cut up."""

from __future__ import annotations

from itertools import pairwise

import pytest
import quic_packets as qp
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from quic_handshakes import V1, V2, Handshake, shake

from dpi.dissect.quic import STATE_SIZE, Flow
from dpi.dissect.quic_header import looks

NO, MORE, YES = range(3)
MANY = tuple(f"protocol-number-{i:04}" for i in range(120))  # a ClientHello of about 2.6 KB
HOST = "www.example.com"
RETRY = {  # key and nonce: RFC 9001, 5.8; RFC 9369, 3.3.3
    V1: ("be0c690b9f66575a1d766b54e368c84e", "461599d35d632bf2239825bb"),
    V2: ("8fb4b01b56ac48e260fbcbcead7ccc92", "d86969bc2d7c6d9990efb04a"),
}


def run(handshake: Handshake) -> tuple[Flow, int, int]:
    """The flow, its last answer, and how many datagrams that took."""
    flow = Flow()
    answer, n = MORE, 0
    for client, data in handshake.datagrams:
        answer, n = flow.feed(data, client), n + 1
        if answer != MORE:
            break
    return flow, answer, n


def named(flow: Flow) -> tuple[str, str, int]:
    return flow.host, flow.alpn, flow.version


def test_the_first_datagram_of_a_handshake_names_it() -> None:
    handshake = shake()
    assert handshake.done
    flow, answer, n = run(handshake)
    assert (answer, n) == (YES, 1)
    assert named(flow) == (HOST, "h3", 1)
    assert flow.ja4.startswith("q13d")
    assert flow.held == 0 and flow.opener_is_client


def test_version_2_is_named() -> None:
    flow, answer, n = run(shake(versions=(V2,)))
    assert (answer, n) == (YES, 1)
    assert named(flow) == (HOST, "h3", 0x6B3343CF)


def test_a_version_that_changes_on_the_way_does_not_matter() -> None:
    hello = qp.client_hello(extra=600)
    flow = Flow()
    assert flow.feed(qp.initial(qp.crypto(hello, 0, 500), dcid=b"original")) == MORE
    rest = qp.initial(qp.crypto(hello, 500), dcid=b"servers", key_dcid=b"original", version=V2, number=1)
    assert flow.feed(rest) == MORE
    again = qp.initial(qp.crypto(hello, 0, 500), dcid=b"servers", key_dcid=b"original", version=V2, number=2)
    assert flow.feed(again) == YES
    assert named(flow) == (HOST, "h3", V2)


@pytest.mark.parametrize("alpn", [MANY[:60], MANY])
def test_a_client_hello_of_several_datagrams_is_put_together(alpn: tuple[str, ...]) -> None:
    handshake = shake(alpn=alpn)
    flow, answer, n = run(handshake)
    assert (answer, n) == (YES, 2 if len(alpn) == 60 else 3)
    assert flow.host == HOST and flow.alpn == alpn[0]
    assert flow.client_cid


@pytest.mark.parametrize("alpn", [("h3",), MANY])
@pytest.mark.parametrize("version", [V1, V2])
def test_a_retry_changes_the_keys(alpn: tuple[str, ...], version: int) -> None:
    handshake = shake(alpn=alpn, retry=True, versions=(V1,) if version == V1 else (V2,))
    assert handshake.done
    datagrams = handshake.datagrams
    retried_at = [client for client, _ in datagrams].index(False)
    # Wherever up to there the flow is joined, a whole ClientHello follows.
    for start in range(retried_at + 2):
        flow = Flow()
        answer = MORE
        for client, data in datagrams[start:]:
            if (answer := flow.feed(data, client)) != MORE:
                break
        assert (answer, flow.host) == (YES, HOST), start


@pytest.mark.parametrize("version", [V1, V2, 0xFF00001D])
def test_an_initial_that_a_retry_has_overtaken_is_no_new_start(version: int) -> None:
    """Of a draft's Retry no key is known: there the client's first Initial with the new id shows it."""
    hello = qp.client_hello(extra=1200)
    before, after = (
        [
            qp.initial(qp.crypto(hello, start, start + 500), version=version, dcid=dcid, token=token, number=start)
            for start in range(0, len(hello), 500)
        ]
        for dcid, token in ((b"original", b""), (b"servers!", b"token"))
    )
    flow = Flow()
    flow.feed(before[0])
    if version != 0xFF00001D:
        key, nonce = RETRY[version]
        head = qp.long_header(version, qp.RETRY, b"client", b"servers!") + b"token"
        tag = AESGCM(bytes.fromhex(key)).encrypt(bytes.fromhex(nonce), b"", b"\x08original" + head)
        flow.feed(head + tag, False)
    assert flow.feed(after[0]) == MORE
    assert flow.feed(before[1]) == MORE  # late
    assert [flow.feed(data) for data in after[1:]][-1] == YES
    assert named(flow) == (HOST, "h3", version)


def test_without_the_first_half_of_its_client_hello_a_flow_is_quic_without_a_name() -> None:
    handshake = shake(alpn=MANY)
    flow = Flow()
    answer = MORE
    for client, data in handshake.datagrams[1:]:
        if (answer := flow.feed(data, client)) != MORE:
            break
    assert (answer, flow.host, flow.version) == (YES, "", 1)


def test_a_flow_whose_server_only_is_seen_is_quic_without_a_name() -> None:
    flow = Flow()
    answers = [flow.feed(data, True) for data in shake().from_server]
    assert flow.version == 1 and flow.host == ""
    assert NO not in answers
    while (last := flow.feed(b"\x40" + bytes(40), True)) == MORE:
        answers.append(last)
        assert len(answers) < 30
    assert last == YES


def test_the_servers_datagrams_may_come_first() -> None:
    handshake = shake()
    flow = Flow()
    assert flow.feed(handshake.from_server[0], True) == MORE
    assert flow.version == 1
    assert flow.feed(handshake.from_client[0], False) == YES
    assert flow.host == HOST and not flow.opener_is_client


def test_both_connection_ids_are_remembered() -> None:
    handshake = shake(alpn=MANY, ids=11)
    flow = Flow()
    flow.feed(handshake.from_client[0], True)
    flow.feed(handshake.from_server[0], False)
    scid_at = 7 + handshake.from_client[0][5]
    assert flow.client_cid == handshake.from_client[0][scid_at : scid_at + 11]
    server = handshake.from_server[0]
    assert flow.server_cid == server[7 + server[5] :][: server[6 + server[5]]]


@pytest.mark.parametrize("version", qp.SALTS)
def test_every_version_is_opened(version: int) -> None:
    flow = Flow()
    assert flow.feed(qp.initial(qp.crypto(qp.client_hello("a.example")), version=version)) == YES
    assert (flow.host, flow.version) == ("a.example", version)


@pytest.mark.parametrize("version", [0x1A2A3A4A, 0xFAFAFAFA, 0x51474F01, 0x00000099])
@pytest.mark.parametrize("salt", [qp.SALTS[1], qp.SALTS[0xFF00001D], qp.SALTS[0xFF000017]])
def test_versions_nobody_knows_are_tried(version: int, salt: str) -> None:
    flow = Flow()
    hello = qp.client_hello("a.example", extra=1200)
    first = qp.initial(qp.crypto(hello, 0, 1000), version=version, salt=salt)
    assert looks(first)
    assert flow.feed(first) == MORE
    assert flow.version == version
    assert flow.feed(qp.initial(qp.crypto(hello, 1000), version=version, salt=salt, number=1)) == YES
    assert flow.host == "a.example"


def test_a_number_like_version_1_is_not_enough() -> None:
    for length in (0xC0, 0xE4, 0x8C):  # little-endian, before a kind of message 1, as many protocols have it
        assert not looks(length.to_bytes(4, "little") + b"\1\0\0\0" + bytes(range(1, length - 7)))
    assert not looks(b"\x80" + bytes(4) + b"\0\0" + bytes.fromhex("00000001") * 4)


def test_a_greased_fixed_bit_does_not_hide_an_initial() -> None:
    header = bytearray(qp.long_header(1, qp.INITIAL, b"12345678", b"client"))
    header[0] &= 0xBF  # RFC 9287
    frames = qp.crypto(qp.client_hello()).ljust(1200, b"\0")
    header += b"\0" + (1217 | 0x4000).to_bytes(2, "big") + b"\0"
    packet = qp.seal(bytes(header), frames, 1, 0, qp.keys(1, b"12345678"))
    assert looks(packet)
    flow = Flow()
    assert flow.feed(packet) == YES
    assert flow.host == HOST


def test_a_version_negotiation_is_followed() -> None:
    flow = Flow()
    dcid, scid = b"12345678", b"client"
    refused = qp.long_header(0x1A2A3A4A, qp.INITIAL, dcid, scid).ljust(1200, b"\x33")
    offer = b"\x80" + bytes(4) + bytes([6]) + scid + bytes([8]) + dcid + bytes.fromhex("0a1a2a3a00000001")
    assert looks(offer)
    assert flow.feed(refused, True) == MORE
    assert flow.feed(offer, False) == MORE
    assert flow.feed(qp.initial(qp.crypto(qp.client_hello()), dcid=dcid), True) == YES
    assert named(flow) == (HOST, "h3", 1)
    alone = Flow()
    assert alone.feed(offer, True) == MORE
    assert alone.version == 1


def test_other_frames_and_packets_around_the_client_hello_are_skipped() -> None:
    hello = qp.client_hello()
    ack = b"\x02\x05\x00\x01\x00\x00\x01"
    ack_ecn = b"\x03\x05\x00\x00\x00\x01\x02\x03"
    parts = qp.chopped(hello, [50, 90, 130])
    frames = b"\0\x01" + parts[3] + ack + parts[1] + b"\0\0\0" + parts[0] + ack_ecn + b"\x01" + parts[2]
    zero_rtt = qp.long_header(1, qp.ZERO_RTT, b"\x83\x94\xc8\xf0\x3e\x51\x57\x08", b"client") + b"\x20" + bytes(32)
    flow = Flow()
    assert flow.feed(zero_rtt + qp.initial(frames, token=b"t" * 100) + b"\x40rest") == YES
    assert flow.host == HOST


def test_a_connection_close_ends_nothing_as_another_may_begin() -> None:
    flow = Flow()
    assert flow.feed(qp.initial(qp.crypto(qp.client_hello(), 0, 60))) == MORE
    assert flow.feed(qp.initial(b"\x1c\x00\x00\x00", number=1)) == MORE
    assert (flow.host, flow.version) == ("", 1)
    assert flow.feed(qp.initial(qp.crypto(qp.client_hello("two.example")), dcid=b"22222222")) == YES
    assert flow.host == "two.example"


def test_two_connections_on_the_same_ports_are_not_mixed() -> None:
    one, two = qp.client_hello("one.example", extra=600), qp.client_hello("two.example", extra=600)
    assert len(one) == len(two)
    flow = Flow()
    assert flow.feed(qp.initial(qp.crypto(one, 0, 500), dcid=b"11111111")) == MORE
    assert flow.feed(qp.initial(qp.crypto(two, 500), dcid=b"22222222")) == MORE
    assert flow.feed(qp.initial(qp.crypto(two, 0, 500), dcid=b"22222222", number=1)) == YES
    assert flow.host == "two.example"


def test_later_initials_keep_the_keys_of_the_first_id() -> None:
    hello = qp.client_hello(extra=600)
    flow = Flow()
    assert flow.feed(qp.initial(qp.crypto(hello, 500), dcid=b"original", number=3)) == MORE
    assert flow.feed(qp.initial(qp.crypto(hello, 0, 500), dcid=b"servers", key_dcid=b"original", number=4)) == YES
    assert flow.host == HOST


@pytest.mark.parametrize("number_len", [1, 2, 3, 4])
def test_packet_numbers_go_on_beyond_their_length(number_len: int) -> None:
    hello = qp.client_hello(extra=900)
    flow = Flow()
    at = [0, 200, 400, 600, 800, None]
    base = 256**number_len - 3
    flow.feed(qp.initial(b"\x01", number=base // 2 if number_len < 4 else base, number_len=4))
    for i, (a, b) in enumerate(pairwise(at)):
        assert a is not None
        answer = flow.feed(qp.initial(qp.crypto(hello, a, b), number=base + i, number_len=number_len))
    assert (answer, flow.host) == (YES, HOST)


def test_more_memory_than_the_budget_is_not_taken() -> None:
    flow = Flow(budget=1000)
    hello = qp.client_hello(extra=1200)
    assert flow.feed(qp.initial(qp.crypto(hello, 0, 1000))) == MORE
    assert flow.held == 0
    assert flow.feed(qp.initial(qp.crypto(hello, 1000), number=1)) == MORE
    assert flow.host == ""


def test_the_wait_is_bounded() -> None:
    flow = Flow()
    for i in range(100):
        if flow.feed(qp.initial(b"\x01", number=i)) != MORE:
            break
    assert i < 30
    assert flow.version == 1


def test_what_is_not_quic_is_not_taken_for_it() -> None:
    others = {
        "dns": bytes.fromhex("12340100000100000000000003777777076578616d706c6503636f6d0000010001"),
        "dtls": bytes.fromhex("16fefd0000000000000000006001000054") + bytes(84),
        "stun": bytes.fromhex("000100002112a442") + bytes(12),
        "rtp": bytes.fromhex("80000001000000a0deadbeef") + bytes(160),
        "rtp from zero": bytes.fromhex("8000000000000000deadbeef") + bytes(160),
        "wireguard": bytes.fromhex("0100000012345678") + bytes(140),
        "ones": b"\xff" * 1300,
        "zeros": bytes(1300),
        "empty": b"",
    }
    for name, data in others.items():
        assert not looks(data), name
        assert Flow().feed(data) == NO, name


def test_the_state_is_small() -> None:
    assert STATE_SIZE <= 200
