"""Fragments become datagrams again, whatever else arrives, and never cost more than was allowed."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, UDP, IPOption_NOP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, fragment6
from scapy.layers.l2 import GRE
from scapy.packet import Packet, Raw

from dpi.wire.decode import Decoded, decode_bytes
from dpi.wire.fragments import Fragments

S = 1_000_000_000
PAYLOAD = bytes(i * 7 & 0xFF for i in range(3001))


def v4(payload: bytes = PAYLOAD, ident: int = 7) -> Packet:
    return IP(src="192.0.2.1", dst="192.0.2.2", id=ident) / UDP(sport=4000, dport=443) / Raw(payload)


def pieces4(packet: Packet, size: int = 1000) -> list[bytes]:
    return [bytes(p) for p in fragment(packet, size)]


def pieces6(packet: Packet, size: int = 1280) -> list[bytes]:
    return [bytes(p) for p in fragment6(packet, size)]


def piece4(offset: int, data: bytes, *, more: bool, ident: int = 7) -> bytes:
    flags = "MF" if more else 0
    return bytes(IP(src="192.0.2.1", dst="192.0.2.2", id=ident, proto=17, frag=offset // 8, flags=flags) / Raw(data))


def v6(*headers: Packet) -> Packet:
    packet: Packet = IPv6(src="2001:db8::1", dst="2001:db8::2")
    for header in headers:
        packet = packet / header
    return packet / IPv6ExtHdrFragment(id=9) / UDP(sport=4000, dport=443) / Raw(PAYLOAD)


def add_all(table: Fragments, pieces: list[bytes], time: int = 0) -> list[Decoded | None]:
    return [table.add(p, time) for p in pieces]


def whole_of(results: list[Decoded | None]) -> Decoded:
    found = [r for r in results if r is not None]
    assert len(found) == 1
    assert found[0].fragment == 0
    return found[0]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "pieces",
    [
        pieces4(v4()),
        pieces4(IP(options=[IPOption_NOP()] * 8, id=3) / UDP(sport=4000, dport=443) / Raw(PAYLOAD)),
        pieces6(v6()),
        pieces6(v6(IPv6ExtHdrHopByHop())),
    ],
)
def test_the_last_fragment_to_come_completes_the_datagram(pieces: list[bytes], backwards: bool) -> None:
    table = Fragments()
    results = add_all(table, pieces[::-1] if backwards else pieces)

    assert results[-1] == whole_of(results)
    assert (whole_of(results).sport, whole_of(results).dport) == (4000, 443)
    assert whole_of(results).payload == PAYLOAD
    assert table.held[0] == 0
    assert table.lost == 0


def test_extension_headers_behind_the_fragment_header_are_part_of_the_datagram() -> None:
    inner = bytes(IPv6ExtHdrDestOpt(nh=17) / UDP(sport=4000, dport=443, len=8 + len(PAYLOAD), chksum=0) / Raw(PAYLOAD))
    head = IPv6(src="::1", dst="::2", nh=44)
    first = head / IPv6ExtHdrFragment(nh=60, m=1, id=1) / Raw(inner[:1600])
    last = head / IPv6ExtHdrFragment(nh=60, offset=200, id=1) / Raw(inner[1600:])

    assert whole_of(add_all(Fragments(), [bytes(first), bytes(last)])).payload == PAYLOAD


def test_datagrams_are_told_apart_by_addresses_protocol_and_id() -> None:
    table = Fragments()
    one, two = pieces4(v4(b"1" * 2000, 1)), pieces4(v4(b"2" * 2000, 2))
    results = [table.add(p) for pair in zip(one, two, strict=True) for p in pair]

    assert [r.payload[:1] for r in results if r] == [b"1", b"2"]


def test_a_repeated_fragment_changes_nothing() -> None:
    pieces = pieces4(v4())
    table = Fragments()
    assert whole_of(add_all(table, [p for p in pieces[:-1] for _ in range(3)] + pieces[-1:])).payload == PAYLOAD
    assert table.lost == 0


def test_where_fragments_overlap_the_first_bytes_stay() -> None:
    head = bytes(UDP(sport=1, dport=2, len=40, chksum=0))
    table = Fragments()
    assert table.add(piece4(16, b"b" * 16, more=True)) is None
    assert table.add(piece4(0, head + b"a" * 16, more=True)) is None
    found = table.add(piece4(24, b"c" * 16, more=False))

    assert found
    assert found.payload == b"a" * 8 + b"b" * 16 + b"c" * 8


@pytest.mark.parametrize(
    "bad",
    [
        piece4(64, b"beyond the end", more=False),
        piece4(24, b"another end", more=False),
        piece4(64, b"8 bytes!", more=True),
        piece4(8, b"no multiple of 8", more=True)[:-3],
        piece4(8, b"seven b", more=True),
        piece4(65528, b"longer than an IP packet may be", more=False),
        piece4(16, b"", more=True),
    ],
)
def test_a_fragment_that_contradicts_the_others_is_not_taken(bad: bytes) -> None:
    table = Fragments()
    data = bytes(UDP(sport=1, dport=2, len=40, chksum=0)) + bytes(range(32))
    table.add(piece4(32, data[32:], more=False))
    assert table.add(bad) is None
    assert table.lost == 1
    assert table.add(piece4(0, data[:32], more=True)) is not None


def test_an_end_in_front_of_what_is_known_is_not_taken() -> None:
    table = Fragments()
    table.add(piece4(32, bytes(32), more=True))
    assert table.add(piece4(8, bytes(8), more=False)) is None
    assert table.lost == 1


def test_a_fragment_that_was_not_captured_whole_is_not_taken() -> None:
    table = Fragments()
    first, *rest = pieces4(v4())
    assert add_all(table, [first[:-1], *rest]) == [None] * (len(rest) + 1)
    assert table.lost == 1


def test_a_datagram_is_given_up_after_the_timeout_by_the_packets_time() -> None:
    first, *rest = pieces4(v4())
    table = Fragments(timeout=30 * S)
    table.add(first, 100 * S)
    assert whole_of(add_all(table, rest, 130 * S)).payload == PAYLOAD

    table.add(first, 200 * S)
    assert add_all(table, rest, 231 * S) == [None] * len(rest)
    assert table.lost == 1


def test_times_that_go_backwards_or_are_absurd_do_no_harm() -> None:
    first, *rest = pieces4(v4())
    for then, now in ((100 * S, 50 * S), (-(2**63), -(2**63)), (2**63 - 1, 2**63 - 1)):
        table = Fragments()
        table.add(first, then)
        assert whole_of(add_all(table, rest, now)).payload == PAYLOAD
    table = Fragments()
    table.add(first, -(2**63))
    table.add(first, 2**63 - 1)
    assert table.held[0] == 1


def test_the_oldest_is_given_up_where_there_are_too_many() -> None:
    table = Fragments(datagrams=3)
    pieces = [pieces4(v4(ident=i)) for i in range(4)]
    for first, *_ in pieces:
        table.add(first)
    assert table.held[0] == 3
    assert table.lost == 1
    assert whole_of(add_all(table, pieces[3][1:])).payload == PAYLOAD
    assert whole_of(add_all(table, pieces[1][1:])).payload == PAYLOAD
    assert add_all(table, pieces[0][1:]) == [None] * len(pieces[0][1:])


def test_memory_stays_within_what_was_allowed() -> None:
    table = Fragments(datagrams=1000, size=200_000)
    for i in range(500):
        table.add(piece4(60_000, b"a few bytes far behind", more=False, ident=i))
        assert table.held[1] <= 200_000
    assert table.held[0] == 3


def test_no_memory_at_all_means_no_datagrams() -> None:
    table = Fragments(size=0)
    assert add_all(table, pieces4(v4())) == [None] * len(pieces4(v4()))
    assert table.held[1] == 0


def test_a_single_place_serves_one_datagram_after_the_other() -> None:
    table = Fragments(datagrams=1)
    for i in range(5):
        assert whole_of(add_all(table, pieces4(v4(ident=i)))).payload == PAYLOAD


def test_a_tunnel_that_came_in_fragments_is_opened() -> None:
    outer = IP(src="10.0.0.1", dst="10.0.0.2", id=5) / GRE() / v4()
    found = whole_of(add_all(Fragments(), pieces4(outer)))

    assert (found.tunnel, found.sport, found.payload) == (1, 4000, PAYLOAD)


def test_fragments_inside_of_a_tunnel_are_put_together() -> None:
    table = Fragments()
    tunnelled = [bytes(IP(src="10.0.0.1", dst="10.0.0.2") / GRE() / IP(p)) for p in pieces4(v4())]
    found = whole_of(add_all(table, tunnelled))

    assert (found.tunnel, found.sport, found.payload) == (1, 4000, PAYLOAD)


def test_fragments_of_fragments_are_put_together() -> None:
    table = Fragments()
    twice = [
        part
        for i, p in enumerate(pieces4(v4()))
        for part in pieces4(IP(src="10.0.0.1", dst="10.0.0.2", id=100 + i) / GRE() / IP(p), 300)
    ]
    assert whole_of(add_all(table, twice)).payload == PAYLOAD
    assert table.held[0] == 0


def test_whole_packets_are_not_its_business() -> None:
    table = Fragments()
    assert table.add(bytes(v4())) is None
    assert table.add(b"garbage") is None
    assert table.held == (0, 0)


def test_what_was_put_together_equals_what_was_taken_apart() -> None:
    assert whole_of(add_all(Fragments(), pieces4(v4()))) == decode_bytes(bytes(v4()), None)
