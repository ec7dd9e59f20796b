"""Another name before the real one, in packets that the server does not take: the flow has the real one's.

Each trick is what programs against classifiers do, by the packets that they send.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import checksum

from dpi.capture.pcapfile import Capture
from dpi.record.fields import STATES
from tests.captures import pcap
from tests.cores import ACK, BLOCKED, CLIENT, PSH, REQUEST, RST, SERVER, SYN, TCP, UDP, VIDEO, core, ended, risks_of
from tests.handshakes import openssl_hello
from tests.quic_packets import client_hello, crypto, initial

REAL, FAKE = openssl_hello("bad.example"), openssl_hello("www.video.example")
ISN, ANSWERS = 1000, 5000
MD5 = b"\x13\x12" + bytes(16) + b"\1\1"
Packets = list[bytes]


def stamp(value: int) -> bytes:
    return b"\1\1\x08\x0a" + struct.pack(">II", value, 0)


def segment(
    payload: bytes = b"", *, at: int = 0, flags: int = ACK | PSH, up: bool = True, ttl: int = 64, wrong: bool = False,
    options: bytes = b"", ack: int | None = None, proto: int = TCP, urgent: int = 0, seq: int | None = None,
) -> bytes:  # fmt: skip
    """A packet of a connection's, with its checksums; at: where in the stream its payload is."""
    ends = [bytes(map(int, CLIENT.split("."))), bytes(map(int, SERVER.split(".")))]
    ports = [40000, 443]
    if not up:
        ends.reverse()
        ports.reverse()
    if seq is None:
        seq = (ISN if up else ANSWERS) + at + (not flags & SYN)
    if ack is None:
        ack = (ANSWERS if up else ISN) + 1
    if proto == TCP:
        size = (5 + len(options) // 4) << 4
        head = struct.pack(
            ">HHIIBBHHH",
            *ports,
            seq & 0xFFFFFFFF,
            ack & 0xFFFFFFFF if flags & ACK else 0,
            size,
            flags,
            65535,
            0,
            urgent,
        )
        where = 16
    else:
        head, where = struct.pack(">HHHH", *ports, 8 + len(payload), 0), 6
    whole = bytearray(head + options + payload)
    pseudo = b"".join(ends) + struct.pack(">BBH", 0, proto, len(whole))
    struct.pack_into(">H", whole, where, checksum(pseudo + bytes(whole)) ^ (0x1234 if wrong else 0))
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(whole), 0, 0, ttl, proto, 0) + b"".join(ends)
    return header + bytes(whole)


def shaken(**syn: Any) -> Packets:
    return [segment(flags=SYN, **syn), segment(flags=SYN | ACK, up=False, options=syn.get("options", b"")), segment()]


def answered(data: bytes = b"\x16\x03\x03\x00\x5a\x02") -> Packets:
    return [segment(data, up=False)]


def named(tmp_path: Path, packets: Packets, **more: Any) -> dict[str, Any]:
    one = core(rules=[BLOCKED], **more)
    (tmp_path / "x.pcap").write_bytes(pcap(packets))
    with Capture(tmp_path / "x.pcap") as capture:
        while one.run(capture):
            pass
    (flow,) = ended(one)
    return flow


SYNS: dict[str, dict[str, Any]] = {"an old time": {"options": stamp(500_000)}}
TRICKS: dict[str, Callable[[bytes, int], Packets]] = {  # of the decoy's bytes and its place
    "a low TTL": lambda data, at: [segment(data, at=at, ttl=5)],
    "a wrong checksum": lambda data, at: [segment(data, at=at, wrong=True)],
    "a signature": lambda data, at: [segment(data, at=at, options=MD5)],
    "an old time": lambda data, at: [segment(data, at=at, options=stamp(400_000))],
    "a wrong ACK": lambda data, at: [segment(data, at=at, ack=ANSWERS - 66000)],
    "no ACK": lambda data, at: [segment(data, at=at, flags=PSH)],
    "far before": lambda data, at: [segment(data, at=at - 10000)],
    "far behind": lambda data, at: [segment(data, at=at + 100000)],
    "very far behind": lambda data, at: [segment(data, at=at + 0x60000000)],
    "a RST with payload": lambda data, at: [segment(data, at=at, flags=RST | ACK, ttl=5)],
}
CUTS = {
    "whole": [0],
    "in two": [0, 180],
    "in five": [0, 1, 6, 100, 200],
    "from its end": [200, 100, 0],
}


def pieces(starts: list[int], data: bytes) -> list[tuple[int, bytes]]:
    edges = [*sorted(starts), len(data)]
    return [(at, data[at : edges[edges.index(at) + 1]]) for at in starts]


def same_time(trick: str, data: bytes, at: int) -> bytes:
    return segment(data, at=at, options=stamp(500_100) if trick == "an old time" else b"")


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("answer", [True, False], ids=["answered", "no answer"])
def test_a_decoy_before_the_hello_names_nothing(tmp_path: Path, trick: str, cut: str, answer: bool) -> None:
    packets = shaken(**SYNS.get(trick, {}))
    packets += TRICKS[trick](FAKE, 0)
    packets += [same_time(trick, data, at) for at, data in pieces(CUTS[cut], REAL)]
    flow = named(tmp_path, packets + (answered() if answer else []))
    assert (flow["host"], flow["disposition"]) == ("bad.example", 6)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("fake", [FAKE, bytes(600)], ids=["a hello", "zeros"])
def test_a_decoy_before_and_behind_each_piece_names_nothing(tmp_path: Path, trick: str, cut: str, fake: bytes) -> None:
    packets = shaken(**SYNS.get(trick, {}))
    for at, data in pieces(CUTS[cut], REAL):
        decoy = TRICKS[trick](fake[at : at + len(data)], at)
        packets += [*decoy, same_time(trick, data, at), *decoy]
    flow = named(tmp_path, packets + answered())
    assert (flow["host"], flow["disposition"]) == ("bad.example", 6)


def test_what_the_decoy_said_is_told(tmp_path: Path) -> None:
    assert "decoy-name" in risks_of(named(tmp_path, [*shaken(), segment(FAKE, ttl=5), segment(REAL), *answered()]))
    for packets in ([segment(REAL)], [segment(REAL, ttl=5)], [segment(REAL, ttl=5), segment(REAL)]):
        assert "decoy-name" not in risks_of(named(tmp_path, [*shaken(), *packets, *answered()]))


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(
    "trick", ["a low TTL", "a wrong checksum", "a signature", "an old time", "a wrong ACK", "no ACK"]
)
def test_a_hello_that_bears_the_sign_itself_is_read(tmp_path: Path, trick: str, cut: str) -> None:
    """Some servers do not look, and captures have checksums that the card was to fill in."""
    packets = shaken(**SYNS.get(trick, {}))
    for at, data in pieces(CUTS[cut], REAL):
        packets += TRICKS[trick](data, at)
    flow = named(tmp_path, packets + answered())
    assert (flow["host"], flow["disposition"]) == ("bad.example", 6)
    (at, first), *rest = pieces([0, 180], REAL)
    packets = [*shaken(**SYNS.get(trick, {})), same_time(trick, first, at)]
    for at, data in rest:
        packets += TRICKS[trick](data, at)
    assert named(tmp_path, packets + answered())["host"] == "bad.example"


def test_what_the_syn_bears_is_no_sign(tmp_path: Path) -> None:
    for more in ({"ttl": 9}, {"wrong": True}, {"options": MD5}):
        flow = named(tmp_path, [*shaken(**more), segment(REAL, **more)])
        assert (flow["host"], flow["decided_at"]) == ("bad.example", 4)


def test_a_hello_in_the_syn_that_the_server_did_not_agree_on(tmp_path: Path) -> None:
    packets = [segment(FAKE, flags=SYN), *shaken()[1:], segment(REAL), *answered()]
    assert named(tmp_path, packets)["host"] == "bad.example"
    assert named(tmp_path, [segment(REAL, flags=SYN), *shaken()[1:], *answered()])["host"] == "bad.example"


def test_bytes_in_order_beat_those_that_came_ahead_of_them(tmp_path: Path) -> None:
    """The second half comes first, with other bytes where the first half's are."""
    packets = [*shaken(), segment(FAKE[1:180] + REAL[180:], at=1), segment(REAL[:180]), *answered()]
    assert named(tmp_path, packets)["host"] == "bad.example"
    overlap = bytes(100)
    assert named(tmp_path, [*shaken(), segment(overlap + REAL, at=-100), *answered()])["host"] == "bad.example"


def test_a_false_end_and_a_false_beginning(tmp_path: Path) -> None:
    end = [segment(flags=RST | ACK, ttl=5)]
    syn = [segment(flags=SYN, seq=777_777_777, ttl=5)]
    for before in (end, end + syn, syn + end):
        packets = [*shaken(), *before, segment(REAL), *answered()]
        assert named(tmp_path, packets, merge=True)["host"] == "bad.example"
    packets = [segment(flags=SYN), *syn, *shaken()[1:], segment(FAKE, ttl=5), segment(REAL), *answered()]
    assert named(tmp_path, packets)["host"] == "bad.example"


def test_a_reset_ends_nothing_where_who_has_sent_it_sends_on(tmp_path: Path) -> None:
    begun = [*shaken(), segment(REAL), *answered()]
    end = segment(flags=RST | ACK, at=len(REAL))
    for behind, state in (
        ([segment(flags=RST | ACK, at=len(REAL), ttl=5)], "established"),
        ([end], "closed"),
        ([end, segment(b"more", at=len(REAL))], "established"),
        ([end, segment(b"late", at=6, up=False)], "closed"),
    ):
        assert STATES[named(tmp_path, [*begun, *behind])["state"]] == state


def test_a_request_with_a_decoy_before(tmp_path: Path) -> None:
    real = b"GET / HTTP/1.1\r\nhoSt:bad.example\r\n\r\n"
    for cut in (0, 20):
        packets = [*shaken(), segment(REQUEST, ttl=5)]
        packets += [segment(data, at=at) for at, data in pieces(sorted({0, cut}), real)]
        assert named(tmp_path, packets + answered(b"HTTP/1.1 200 OK\r\n\r\n"))["host"] == "bad.example"


@pytest.mark.parametrize("more", [{"ttl": 5}, {"wrong": True}], ids=["a low TTL", "a wrong checksum"])
def test_a_decoy_before_an_initial(tmp_path: Path, more: dict[str, Any]) -> None:
    fake = initial(crypto(client_hello("www.video.example")), dcid=b"decoydcid")
    message = client_hello("bad.example")
    reals = [
        [initial(crypto(message))],
        [initial(crypto(message, 150)), initial(crypto(message, 0, 150), number=1)],
    ]
    reply = segment(bytes([0x40]) + bytes(60), up=False, proto=UDP)
    for real in reals:
        packets = [segment(fake, proto=UDP, **more)] * 2 + [segment(each, proto=UDP) for each in real]
        for after in ([], [reply]):
            flow = named(tmp_path, packets + after)
            assert (flow["host"], flow["disposition"]) == ("bad.example", 6)
            assert "decoy-name" in risks_of(flow)
        own = named(tmp_path, [segment(each, proto=UDP, **more) for each in real] + [reply])
        assert (own["host"], own["disposition"]) == ("bad.example", 6)


def test_a_decoy_alone_is_what_there_is(tmp_path: Path) -> None:
    flow = named(tmp_path, [*shaken(), segment(FAKE, ttl=5)])
    assert (flow["host"], flow["app"]) == ("www.video.example", VIDEO)


URG = 0x20


def test_an_urgent_byte_is_not_of_the_stream(tmp_path: Path) -> None:
    """RFC 6093, 3.2: programs read it apart from the others."""
    for at in (1, 6, 180):
        packets = [
            *shaken(),
            segment(REAL[:at] + b"!", flags=ACK | PSH | URG, urgent=at + 1),
            segment(REAL[at:], at=at + 1),
            *answered(),
        ]
        assert named(tmp_path, packets)["host"] == "bad.example"


@pytest.mark.parametrize(
    "frames", [b"\1", b"\x1c\0\0\0", crypto(bytes(300)), crypto(client_hello("www.video.example"), 0, 100)]
)
def test_an_initial_that_opens_nothing_before_the_real_one(tmp_path: Path, frames: bytes) -> None:
    packets = [segment(initial(frames, dcid=b"decoydcid"), proto=UDP)] * 2
    packets += [segment(initial(crypto(client_hello("bad.example"))), proto=UDP)]
    assert named(tmp_path, packets)["host"] == "bad.example"


OTHERS = {
    "a request": REQUEST,
    "a tunnel": b"CONNECT www.video.example:443 HTTP/1.1\r\n\r\n",
    "mail": b"EHLO www.video.example\r\n",
    "a shell": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a proxy": b"\5\1\0",
    "a proxy's header": b"PROXY TCP4 10.0.0.1 192.0.2.10 40000 443\r\n",
    "peers": b"\x13BitTorrent protocol" + bytes(48),
    "one byte": b"\x16",
}


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("other", OTHERS)
def test_a_decoy_of_another_protocol_names_nothing(tmp_path: Path, other: str, cut: str) -> None:
    for again in (False, True):
        packets = [*shaken(), segment(OTHERS[other], ttl=5)]
        for at, data in pieces(CUTS[cut], REAL):
            packets += [segment(data, at=at), *([segment(OTHERS[other], ttl=5)] if again else [])]
        flow = named(tmp_path, packets + answered())
        assert (flow["host"], flow["disposition"]) == ("bad.example", 6)
