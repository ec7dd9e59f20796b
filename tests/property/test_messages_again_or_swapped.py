"""Where a name comes with a side's second message or later, no packet that is sent twice or overtaken hides it."""

from __future__ import annotations

import ssl
import struct
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import first_bytes
from hypothesis import given
from hypothesis import strategies as st

from dpi.dissect.protocols import IDS
from tests.cores import ACK, SECOND, SYN, UDP, VIDEO, Connection, core, datagram, ended, method
from tests.cores import CLIENT as HERE
from tests.cores import SERVER as THERE
from tests.handshakes import openssl_hello, self_signed, server_flight, ssh_offer

CLIENT, SERVER = 0, 1
BEGIN = b"\1\1\0\1\0\x08\0\0" + b"\0\1" + bytes(6)
PARAMETERS = b"\1\4\0\1\0\x1c\0\0" + b"\x09\x11HTTP_HOST" + b"www.video.example"
SESSION = b"\x81\0\0\x44\x20" + b"CK" * 16 + b"\0\x20" + b"EE" * 16 + b"\0"
SOFTWARE = struct.pack(">HH", 0x8022, 44) + b"a server's name " * 2 + b"and version "
REALM = struct.pack(">HH", 0x14, 17) + b"www.video.example" + bytes(3)
Packets = list[tuple[int, int, bytes, int]]  # side, offset, payload, bytes of the other side's that it acknowledges


def flight() -> bytes:
    """A server's answer, up to TLS 1.2, with a certificate."""
    with TemporaryDirectory() as folder:
        return server_flight(Path(folder), ssl.TLSVersion.TLSv1_2, *self_signed("x", ["mail.video.example"]))


def packets(*messages: tuple[int, bytes], most: int = 500) -> Packets:
    """What is said in turn, in segments of so many bytes."""
    sent = [0, 0]
    out = []
    for side, message in messages:
        for start in range(0, len(message), most):
            piece = message[start : start + most]
            out.append((side, sent[side], piece, sent[1 - side]))
            sent[side] += len(piece)
    return out


CONVERSATIONS: dict[str, tuple[int, Packets]] = {
    "fastcgi": (9000, packets((CLIENT, BEGIN), (CLIENT, PARAMETERS), (CLIENT, b"\1\4\0\1" + bytes(4)))),
    "http": (
        8545,
        packets(
            (CLIENT, b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 63\r\n\r\n"),
            (CLIENT, b'{"jsonrpc":"2.0","method":"eth_blockNumber","params":[],"id":1}'),
        ),
    ),
    "ssh": (
        2222,
        packets(
            (SERVER, b"SSH-2.0-dropbear_2022.83\r\n"),
            (CLIENT, b"SSH-2.0-OpenSSH_9.2p1\r\n"),
            (CLIENT, ssh_offer()),
            (SERVER, ssh_offer(b"sntrup761x25519-sha512")),
            most=90,
        ),
    ),
    "stun": (
        3478,
        packets(
            (CLIENT, struct.pack(">HHI", 3, 8, 0x2112A442) + b"identity.one" + b"\0\x19\0\4\x11\0\0\0"),
            (SERVER, struct.pack(">HHI", 0x113, 72, 0x2112A442) + b"identity.one" + SOFTWARE + REALM),
            most=60,
        ),
    ),
    "netbios": (
        139,
        packets((CLIENT, SESSION), (SERVER, b"\x82\0\0\0"), (CLIENT, b"\0\0\0\x2f\xffSMBr" + bytes(42))),
    ),
    "socks": (
        1080,
        packets(
            (CLIENT, b"\x05\x02\0\2"),
            (SERVER, b"\x05\2"),
            (CLIENT, b"\1\2me\6secret"),
            (SERVER, b"\1\0"),
            (CLIENT, b"\x05\1\0\3\x11www.video.example\1\xbb"),
            (SERVER, b"\x05\0\0\1" + bytes(6)),
        ),
    ),
    "smtps": (
        25,
        packets(
            (SERVER, b"220 ESMTP\r\n"),
            (CLIENT, b"STARTTLS\r\n"),
            (SERVER, b"220 go ahead\r\n"),
            (CLIENT, openssl_hello(None, highest=ssl.TLSVersion.TLSv1_2)),
            (SERVER, flight()),
        ),
    ),
}


def told(port: int, said: Packets) -> dict[str, Any]:
    connection = Connection(core(), dport=port).shake()
    for side, offset, payload, acked in said:
        connection.segment(side, offset, payload, ack=(connection.isn[1 - side] + 1 + acked) & 0xFFFFFFFF)
    (flow,) = ended(connection.core)
    return {field: flow[field] for field in ("protocol", "app", "host", "ja4", "hassh", "hassh_server")}


WHOLE = {what: told(*conversation) for what, conversation in CONVERSATIONS.items()}


def test_in_order_they_tell() -> None:
    assert [WHOLE[what]["protocol"] for what in WHOLE] == [IDS[what] for what in WHOLE]
    assert WHOLE["fastcgi"]["host"] == WHOLE["stun"]["host"] == "www.video.example"
    assert (WHOLE["http"]["app"], WHOLE["netbios"]["app"]) == (IDS["jsonrpc"], IDS["smbv1"])
    assert WHOLE["ssh"]["hassh"] != WHOLE["ssh"]["hassh_server"] is not None
    assert WHOLE["smtps"]["app"] == WHOLE["socks"]["app"] == VIDEO
    assert WHOLE["socks"]["host"] == "www.video.example"


@given(st.sampled_from(sorted(CONVERSATIONS)), st.data())
def test_packets_sent_again_change_nothing(what: str, data: st.DataObject) -> None:
    port, said = CONVERSATIONS[what]
    said = list(said)
    for _ in range(data.draw(st.integers(1, 4))):
        first = data.draw(st.integers(0, len(said) - 1))
        said.insert(data.draw(st.integers(first + 1, len(said))), said[first])
    assert told(port, said) == WHOLE[what]


@given(st.sampled_from(sorted(CONVERSATIONS)), st.data())
def test_packets_that_overtake_others_of_their_side_change_nothing(what: str, data: st.DataObject) -> None:
    port, said = CONVERSATIONS[what]
    at = data.draw(st.integers(0, len(said) - 2))
    side = said[at][0]
    end = next((i for i in range(at, len(said)) if said[i][0] != side), len(said))  # the other waits for all of it
    swapped = data.draw(st.permutations(said[at:end]))
    assert told(port, [*said[:at], *swapped, *said[end:]]) == WHOLE[what]


@given(st.sampled_from(sorted(set(CONVERSATIONS) - {"smtps"})), st.integers(40, 200))
def test_messages_in_small_segments_tell_the_same(what: str, most: int) -> None:
    port, said = CONVERSATIONS[what]
    assert told(port, packets(*((side, message) for side, _, message, _ in said), most=most)) == WHOLE[what]


def test_where_the_server_alone_is_seen_its_hello_tells_that_tls_begins() -> None:
    port, said = CONVERSATIONS["smtps"]
    alone = told(port, [packet for packet in said if packet[0] == SERVER])
    assert (alone["protocol"], alone["app"]) == (IDS["smtps"], VIDEO)


def test_a_request_that_its_body_overtook_is_read_without_a_handshake_too() -> None:
    connection = Connection(core(), dport=80)
    request = b"POST /upload HTTP/1.1\r\nHost: www.video.example\r\nContent-Length: 300\r\n\r\n"
    connection.segment(0, len(request), b"\x9d" * 300)
    connection.segment(0, 0, request)
    flow = connection.flow()
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["http"], VIDEO, "www.video.example")


def test_a_hello_that_overtakes_the_answer_to_the_syn_does_not_hide_the_certificate() -> None:
    connection = Connection(core(), dport=443)
    connection.segment(CLIENT, 0, flags=SYN)
    connection.segment(CLIENT, 0)
    connection.segment(CLIENT, 0, openssl_hello(None, highest=ssl.TLSVersion.TLSv1_2))
    connection.segment(SERVER, 0, flags=SYN | ACK)
    certificate = flight()
    connection.segment(SERVER, 200, certificate[200:])
    connection.segment(SERVER, 0, certificate[:200])
    assert connection.flow()["app"] == VIDEO


def test_a_keep_alive_is_no_earlier_start() -> None:
    connection = Connection(core(), dport=80)
    connection.segment(0, 10, b"GET / HTTP/1.1\r\n", flags=ACK)
    connection.segment(0, 9, b"\0", flags=ACK)
    connection.segment(0, 26, b"Host: www.video.example\r\n\r\n")
    assert connection.flow()["host"] == "www.video.example"


# Datagrams: what the probes know by one, and by what both sides say in turn.
TALKS: list[tuple[str, int, list[tuple[bytes, bool]]]] = [
    *((slug, port, [(data, opener)]) for slug, proto, opener, port, data in first_bytes.KNOWN if proto == UDP),
    *((slug, port, talk) for slug, proto, port, talk in first_bytes.TALKS if proto == UDP),
]


def talked(port: int, talk: list[tuple[bytes, bool]]) -> dict[str, Any]:
    one = core()
    for number, (data, from_client) in enumerate(talk, 1):
        ends = (40000, port, HERE, THERE) if from_client else (port, 40000, THERE, HERE)
        datagram(one, data, *ends, time=SECOND + number * 1_000_000)
    (flow,) = ended(one)
    return flow


def said(port: int, talk: list[tuple[bytes, bool]]) -> tuple[int, int, str | None]:
    flow = talked(port, talk)
    return flow["protocol"], flow["app"], flow["host"]


# Where the sizes of the first datagrams in their turn are all the evidence (behaviour), there is none if these differ.
BY_BYTES = [each for each in TALKS if method(talked(*each[1:])["protocol_method"]) != "behaviour"]


def test_datagrams_that_are_sent_twice_tell_the_same() -> None:
    for slug, port, talk in BY_BYTES:
        assert said(port, [each for each in talk for _ in range(2)]) == said(port, talk), slug


def test_where_the_answer_came_first_or_the_question_was_lost_asking_again_tells_the_same() -> None:
    for slug, port, talk in BY_BYTES:
        if len(talk) == 1:
            continue
        whole = said(port, talk)
        for first in (talk[1::-1] + talk[2:], talk[1:]):
            assert said(port, first)[0] in (whole[0], 0), slug  # an answer alone is hardly remembered
            assert said(port, first + talk) == whole, slug
