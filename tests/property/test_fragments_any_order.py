"""The same datagram comes out, whatever order its fragments come in; and whatever comes in, the bounds hold."""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.wire.decode import Decoded, decode_bytes
from dpi.wire.fragments import Fragments

SRC, DST = b"\xc0\0\2\1", b"\xc0\0\2\2"
UDP = 17


def udp(payload: bytes) -> bytes:
    return struct.pack(">4H", 4000, 443, 8 + len(payload), 0) + payload


def fragment4(ident: int, offset: int, data: bytes, more: bool) -> bytes:
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), ident, more << 13 | offset, 64, UDP, 0) + SRC + DST + data


def fragment6(ident: int, offset: int, data: bytes, more: bool) -> bytes:
    head = struct.pack(">IHBB", 6 << 28, 8 + len(data), 44, 64) + bytes(15) + b"\1" + bytes(15) + b"\2"
    return head + struct.pack(">BBHI", UDP, 0, offset << 3 | more, ident) + data


@st.composite
def cut(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A payload, and the fragments of its datagram: any cuts, any order, one of them repeatedly."""
    payload = draw(st.integers(9, 3000).map(lambda n: bytes(i * 31 & 0xFF for i in range(n))))
    datagram = udp(payload)
    make = draw(st.sampled_from([fragment4, fragment6]))
    units = (len(datagram) + 7) // 8
    edges = [0, *sorted(draw(st.sets(st.integers(1, units - 1), min_size=1, max_size=12))), units]
    pieces = [make(7, a, datagram[a * 8 : b * 8], b != units) for a, b in pairwise(edges)]
    again = [draw(st.sampled_from(pieces))] * draw(st.integers(0, 3))
    return payload, draw(st.permutations(pieces + again))


@settings(max_examples=150)
@given(cut(), st.lists(st.integers(0, 60), max_size=5))
def test_fragments_in_any_order_give_the_datagram_once(
    datagram: tuple[bytes, list[bytes]], strangers: list[int]
) -> None:
    payload, pieces = datagram
    for at in strangers:
        pieces.insert(at % (len(pieces) + 1), fragment4(8, at * 8 + 1, bytes(8), True))
    found = [whole for whole in map(Fragments().add, pieces) if whole]

    assert [(f.payload, f.sport, f.dport, f.fragment) for f in found] == [(payload, 4000, 443, 0)]


fields = st.tuples(st.integers(0, 3), st.integers(0, 0x1FFF), st.binary(max_size=64), st.booleans())


@settings(max_examples=200)
@given(st.lists(st.tuples(st.booleans(), fields, st.integers(0, 100)), max_size=60), st.integers(1, 4))
def test_no_fragments_whatever_break_the_bounds(
    sent: list[tuple[bool, tuple[int, int, bytes, bool], int]], datagrams: int
) -> None:
    table = Fragments(datagrams=datagrams, size=200_000, timeout=50)
    now = 0
    for six, (ident, offset, data, more), later in sent:
        now += later
        packet = (fragment6 if six else fragment4)(ident, offset, data, more)
        whole = table.add(packet, now)
        n, size = table.held
        assert n <= datagrams
        assert size <= 200_000
        assert whole is None or isinstance(whole, Decoded)


@settings(max_examples=100)
@given(cut(), st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=8), st.integers(0, 40))
def test_damaged_fragments_give_something_sensible_or_nothing(
    datagram: tuple[bytes, list[bytes]], changes: list[tuple[int, int]], where: int
) -> None:
    table = Fragments(datagrams=8, size=300_000)
    for i, piece in enumerate(datagram[1]):
        broken = bytearray(piece)
        for at, byte in changes:
            if (at + i) % 3 == 0:
                broken[at % len(broken)] = byte
        whole = table.add(bytes(broken))
        assert whole is None or len(whole.payload) <= whole.payload_len <= 65535


def test_the_whole_datagram_is_what_it_would_be_unfragmented() -> None:
    payload = bytes(range(256)) * 8
    datagram = udp(payload)
    table = Fragments()
    whole = [
        table.add(fragment4(7, at // 8, datagram[at : at + 512], at + 512 < len(datagram)))
        for at in range(0, len(datagram), 512)
    ]
    assert whole[-1] == decode_bytes(fragment4(7, 0, datagram, False), None)
