"""How many flows keep their name when packets arrive otherwise: python tests/bench/altered.py [CAPTURE...]

Each capture (the shared ones, unless said otherwise; those with one link type) is read as it is, and again with
packets that are sent twice, swapped, overtaken or lost, and with TCP segments that are cut in pieces, in small pieces,
or joined as a network card joins them.  Of each way: the flows that are still there, and those named otherwise: another
protocol, app or host name.  A name that came from another flow's packet (DNS, a server known before) may rightly be
gone where that packet comes later now.  --list prints them.  The same numbers are drawn in each run.
"""

from __future__ import annotations

import random
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from dpi.capture.pcapfile import Capture
from dpi.captures import Captures
from dpi.errors import CaptureError

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "pcap"
ETHERNET = 1
TCP = 6
PSH_FIN = 0x09
SYN_FIN_RST = 0x07
SMALL = 20  # bytes
SMALL_UP_TO = 400
JOINED_MAX = 60_000
PADDING_MAX = 6


class Packet(NamedTuple):
    time: int  # ns
    wirelen: int
    data: bytes


class Segment(NamedTuple):
    """Where in an Ethernet frame a TCP segment is."""

    ip: int  # 4 or 6
    tcp: int
    payload: int
    end: int


Way = Callable[[list[Packet], random.Random], list[Packet]]


def segment(packet: Packet) -> Segment | None:
    """Of a frame that is whole, and neither tagged, in a tunnel nor a fragment; None of any other.

    A wrong length may count zeros in that a frame is padded with: nobody sends these in pieces.
    """
    data = packet.data
    if packet.wirelen != len(data) or len(data) < 54:
        return None
    if data[12:14] == b"\x08\0" and data[23] == TCP and not data[20] & 0x3F and not data[21]:
        found = Segment(4, 14 + (data[14] & 15) * 4, 0, 14 + int.from_bytes(data[16:18], "big"))
    elif data[12:14] == b"\x86\xdd" and data[20] == TCP:
        found = Segment(6, 54, 0, 54 + int.from_bytes(data[18:20], "big"))
    else:
        return None
    if len(data) < found.end or len(data) < found.tcp + 20:
        return None
    found = found._replace(payload=found.tcp + (data[found.tcp + 12] >> 4) * 4)
    padding = found.end - found.payload <= PADDING_MAX and not any(data[found.payload : found.end])
    return found if found.payload < found.end and not padding else None


def sequence(packet: Packet, at: Segment) -> int:
    return int.from_bytes(packet.data[at.tcp + 4 : at.tcp + 8], "big")


def rewritten(packet: Packet, at: Segment, payload: bytes, seq: int, flags: int) -> Packet:
    """The frame with another payload; checksums are left, as nothing here looks at them."""
    head = bytearray(packet.data[: at.payload])
    head[at.tcp + 4 : at.tcp + 8] = (seq & 0xFFFFFFFF).to_bytes(4, "big")
    head[at.tcp + 13] = flags
    if at.ip == 4:
        head[16:18] = (at.payload - 14 + len(payload)).to_bytes(2, "big")
    else:
        head[18:20] = (at.payload - 54 + len(payload)).to_bytes(2, "big")
    return Packet(packet.time, len(head) + len(payload), bytes(head) + payload)


def sent_twice(packets: list[Packet], rng: random.Random) -> list[Packet]:
    return [each for packet in packets for each in [packet] * (2 if rng.random() < 0.3 else 1)]


def in_order_of(packets: list[Packet], order: list[int]) -> list[Packet]:
    """The packets in another order, at the times that the capture has."""
    return [packets[i]._replace(time=packets[n].time) for n, i in enumerate(order)]


def swapped(packets: list[Packet], rng: random.Random) -> list[Packet]:
    order = list(range(len(packets)))
    n = 1
    while n < len(order):
        if rng.random() < 0.2:
            order[n - 1], order[n] = order[n], order[n - 1]
            n += 1
        n += 1
    return in_order_of(packets, order)


def overtaken(packets: list[Packet], rng: random.Random) -> list[Packet]:
    late = [n + 4 * rng.random() for n in range(len(packets))]
    return in_order_of(packets, sorted(range(len(packets)), key=late.__getitem__))


def lost(packets: list[Packet], rng: random.Random) -> list[Packet]:
    return [packet for packet in packets if rng.random() >= 0.05]


def cut(packet: Packet, at: Segment, edges: list[int]) -> Iterator[Packet]:
    payload = packet.data[at.payload : at.end]
    flags = packet.data[at.tcp + 13]
    for start, end in pairwise(edges):
        last = end == len(payload)
        yield rewritten(
            packet, at, payload[start:end], sequence(packet, at) + start, flags if last else flags & ~PSH_FIN
        )


def in_pieces(packets: list[Packet], rng: random.Random) -> list[Packet]:
    """Each segment cut at up to three places."""
    out: list[Packet] = []
    for packet in packets:
        if at := segment(packet):
            size = at.end - at.payload
            out += cut(packet, at, sorted({0, size, *(rng.randrange(size) for _ in range(rng.randrange(4)))}))
        else:
            out.append(packet)
    return out


def in_small_pieces(packets: list[Packet], _: random.Random) -> list[Packet]:
    """The first bytes of each segment in pieces that are smaller than any name."""
    out: list[Packet] = []
    for packet in packets:
        if at := segment(packet):
            size = at.end - at.payload
            out += cut(packet, at, sorted({*range(0, min(size, SMALL_UP_TO), SMALL), size}))
        else:
            out.append(packet)
    return out


def joined(packets: list[Packet], _: random.Random) -> list[Packet]:
    """Segments of a connection that follow each other, as one: generic receive offload."""
    out: list[Packet] = []
    before: Segment | None = None
    for packet in packets:
        at = segment(packet)
        if before and at and follows(out[-1], before, packet, at):
            payload = out[-1].data[before.payload : before.end] + packet.data[at.payload : at.end]
            flags = out[-1].data[before.tcp + 13] | packet.data[at.tcp + 13]
            out[-1] = rewritten(out[-1], before, payload, sequence(out[-1], before), flags)
            before = before._replace(end=before.payload + len(payload))
        else:
            out.append(packet)
            before = at
    return out


def follows(first: Packet, a: Segment, second: Packet, b: Segment) -> bool:
    """Whether a segment goes on where the one before it ended."""
    addresses = slice(26, 34) if a.ip == 4 else slice(22, 54)
    return (
        a.ip == b.ip
        and first.data[addresses] == second.data[addresses]
        and first.data[a.tcp : a.tcp + 4] == second.data[b.tcp : b.tcp + 4]
        and (sequence(first, a) + a.end - a.payload) & 0xFFFFFFFF == sequence(second, b)
        and not (first.data[a.tcp + 13] | second.data[b.tcp + 13]) & SYN_FIN_RST
        and a.end - a.payload + b.end - b.payload < JOINED_MAX
    )


WAYS: dict[str, Way] = {
    "sent twice": sent_twice,
    "swapped": swapped,
    "overtaken": overtaken,
    "lost": lost,
    "in pieces": in_pieces,
    "in small pieces": in_small_pieces,
    "joined": joined,
}


def read(path: Path) -> tuple[int, list[Packet]]:
    """(link type, packets) up to where the capture is damaged; a link type of -1 where it has several."""
    types: set[int] = set()
    packets: list[Packet] = []
    try:
        with Capture(path) as capture:
            for time, link_type, wirelen, data in capture:
                types.add(link_type)
                packets.append(Packet(time, wirelen, data))
    except CaptureError:
        pass
    return types.pop() if len(types) == 1 else -1, packets


def write(path: Path, link_type: int, packets: list[Packet]) -> None:
    """As pcap with nanoseconds."""
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link_type))
        for time, wirelen, data in packets:
            seconds, rest = divmod(time, 1_000_000_000)
            out.write(struct.pack("<IIII", seconds & 0xFFFFFFFF, rest, len(data), wirelen) + data)


def named(engine: Captures, path: Path) -> dict[object, tuple[str | None, ...]]:
    """What each flow is called; the first of those between the same ends."""
    out: dict[object, tuple[str | None, ...]] = {}
    for flow in engine.classify(path):
        ends = tuple(sorted([(flow.src, flow.sport), (flow.dst, flow.dport)]))
        out.setdefault((flow.l4, flow.vlan, ends), (flow.protocol, flow.app, flow.hostname))
    return out


def main(arguments: list[str]) -> int:
    listed = "--list" in arguments
    captures = [Path(each) for each in arguments if each != "--list"] or sorted(CORPUS.iterdir())
    engine = Captures()
    there = dict.fromkeys(WAYS, 0)
    otherwise = dict.fromkeys(WAYS, 0)
    flows = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.pcap"
        for path in captures:
            link_type, packets = read(path)
            if link_type < 0:
                continue
            write(copy, link_type, packets)
            before = named(engine, copy)
            flows += len(before)
            for way, alter in WAYS.items():
                write(copy, link_type, alter(packets, random.Random(path.name)))
                after = named(engine, copy)
                for key, name in before.items():
                    there[way] += key in after
                    if key in after and after[key] != name:
                        otherwise[way] += 1
                        if listed:
                            print(way, path.name, key, name, after[key], sep="\t")
    print(f"{flows} flows\n{'packets are':<16}{'flows there':>13}{'named otherwise':>17}")
    for way in WAYS:
        print(f"{way:<16}{there[way]:>13}{otherwise[way]:>17}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
