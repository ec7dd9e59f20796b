"""Conntrack as the kernel keeps it: events of connections begun and ended, the table, the marks.

Decided connections are the kernel's alone, so their bytes and packets come from here: an ended connection's
event carries its final counters (where nf_conntrack_acct is on).  pyroute2 has no event API and decodes a
message too slowly for thousands of them a second, so the few attributes that matter are read here (numbers of
linux/netfilter/nfnetlink_conntrack.h).
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dpi.enforce.netlink import (
    ACK,
    REQUEST,
    attribute,
    attributes,
    message,
    messages,
    nested,
    netfilter,
    nfgen,
)

CTNETLINK = 1  # NFNL_SUBSYS_CTNETLINK
NEW, GET, DELETE = CTNETLINK << 8, CTNETLINK << 8 | 1, CTNETLINK << 8 | 2
GROUP_NEW, GROUP_DESTROY = 1, 3  # NFNLGRP_CONNTRACK_*
TUPLE_ORIGINAL, TUPLE_REPLY, MARK, COUNTERS_ORIGINAL, COUNTERS_REPLY = 1, 2, 8, 9, 10
ID, ZONE, TIMESTAMP, MARK_MASK = 12, 18, 20, 21
RECEIVE_BUFFER = 8 << 20
BATCH = 256  # mark changes sent at once

QUAD = struct.Struct(">Q")
LONG = struct.Struct(">I")
PORT = struct.Struct(">H")


class Tuple(NamedTuple):
    """One direction of a connection.  Addresses packed; ICMP has its id as `sport` and type<<8|code as `dport`."""

    source: bytes
    destination: bytes
    protocol: int
    sport: int
    dport: int


class Connection(NamedTuple):
    """A conntrack entry.  `original` is as the opener sent it, `reply` as answers come (NAT shows in there)."""

    family: int  # AF_INET, AF_INET6
    original: Tuple
    reply: Tuple
    mark: int
    packets_original: int
    bytes_original: int  # of layer 3
    packets_reply: int
    bytes_reply: int
    id: int
    zone: int
    start: int  # ns since the epoch; 0 where nf_conntrack_timestamp is off
    stop: int


class Event(NamedTuple):
    ended: bool
    connection: Connection


class Events:
    """Connections that end (and begin), as the kernel tells them.

    For asyncio: `loop.add_reader(events.fileno(), lambda: handle(events.read()))`.  What the socket's buffer
    could not hold is lost; `lost` counts how often that happened, after which `dump` tells what is there.
    """

    def __init__(self, *, new: bool = False) -> None:
        self._netfilter = netfilter(receive_buffer=RECEIVE_BUFFER)
        self._netfilter.join(GROUP_DESTROY)
        if new:
            self._netfilter.join(GROUP_NEW)
        self._netfilter.socket.setblocking(False)
        self.lost = 0

    def fileno(self) -> int:
        return self._netfilter.socket.fileno()

    def close(self) -> None:
        self._netfilter.close()

    def read(self, limit: int = 1000) -> list[Event]:
        """What has arrived, up to about `limit` events; empty when nothing has.  Never blocks."""
        found: list[Event] = []
        while len(found) < limit:
            try:
                data = self._netfilter.socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost += 1
                continue
            for kind, _, start, end in messages(data):
                if kind in (NEW, DELETE):
                    connection = decode(data, start, end)
                    if connection:
                        found.append(Event(kind == DELETE, connection))
        return found


def dump(families: Iterable[int] = (socket.AF_INET, socket.AF_INET6)) -> Iterator[Connection]:
    """All connections.  OSError where the kernel has no ctnetlink."""
    for family in families:
        with netfilter(receive_buffer=RECEIVE_BUFFER) as kernel:
            for data, start, end in kernel.dump(GET, nfgen(family)):
                connection = decode(data, start, end)
                if connection:
                    yield connection


def flow_key(c: Connection) -> tuple[bytes, int, bytes, int, int]:
    """The flow as the forward hook sees it: behind the destination's NAT, before the source's."""
    return c.original.source, c.original.sport, c.reply.source, c.reply.sport, c.original.protocol


def carried() -> dict[tuple[bytes, int, bytes, int, int], int]:
    """Bytes of each connection so far, in both directions."""
    return {flow_key(c): c.bytes_original + c.bytes_reply for c in dump()}


def set_marks(changes: Iterable[tuple[Connection, int, int]]) -> int:
    """(connection, value, mask): sets the bits under each mask.  → how many still existed."""
    changed = 0
    with netfilter(receive_buffer=RECEIVE_BUFFER) as kernel:
        batch: list[bytes] = []
        expected: set[int] = set()

        def flush() -> int:
            errors = kernel.errors(b"".join(batch), expected) if batch else {}
            batch.clear()
            expected.clear()
            return sum(code == 0 for code in errors.values())

        for connection, value, mask in changes:
            sequence = kernel.next()
            expected.add(sequence)
            batch.append(message(NEW, REQUEST | ACK, sequence, _mark_request(connection, value, mask)))
            if len(batch) == BATCH:
                changed += flush()
        changed += flush()
    return changed


def set_mark(connection: Connection, value: int, mask: int) -> bool:
    """Sets the mark's bits under `mask`; False when the connection is gone."""
    return set_marks([(connection, value, mask)]) == 1


def clear_marks(mask: int) -> int:
    """Clears those bits of every connection's mark: all are undecided again.  → how many had some."""
    return set_marks([(c, 0, mask) for c in dump() if c.mark & mask])


def decode(data: bytes, start: int, end: int) -> Connection | None:
    """A conntrack message's payload; None when it lacks what every entry has."""
    if end - start < 4:
        return None
    family = data[start]
    original = reply = None
    mark = packets_up = bytes_up = packets_down = bytes_down = number = zone = begun = ended = 0
    for kind, a, b in attributes(data, start + 4, end):
        if kind == TUPLE_ORIGINAL:
            original = _tuple(data, a, b)
        elif kind == TUPLE_REPLY:
            reply = _tuple(data, a, b)
        elif kind == MARK and b - a >= 4:
            mark = LONG.unpack_from(data, a)[0]
        elif kind == COUNTERS_ORIGINAL:
            packets_up, bytes_up = _pair(data, a, b)
        elif kind == COUNTERS_REPLY:
            packets_down, bytes_down = _pair(data, a, b)
        elif kind == ID and b - a >= 4:
            number = LONG.unpack_from(data, a)[0]
        elif kind == ZONE and b - a >= 2:
            zone = PORT.unpack_from(data, a)[0]
        elif kind == TIMESTAMP:
            begun, ended = _pair(data, a, b)
    if original is None or reply is None:
        return None
    return Connection(
        family, original, reply, mark, packets_up, bytes_up, packets_down, bytes_down, number, zone, begun, ended
    )


def _pair(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Attributes 1 and 2 as 64 bit numbers: packets and bytes, or start and stop."""
    first = second = 0
    for kind, a, b in attributes(data, start, end):
        if b - a >= 8:
            if kind == 1:
                first = QUAD.unpack_from(data, a)[0]
            elif kind == 2:
                second = QUAD.unpack_from(data, a)[0]
    return first, second


def _tuple(data: bytes, start: int, end: int) -> Tuple | None:
    source = destination = b""
    protocol = sport = dport = 0
    for kind, a, b in attributes(data, start, end):
        if kind == 1:  # CTA_TUPLE_IP: 1 and 2 are IPv4's addresses, 3 and 4 IPv6's
            for inner, x, y in attributes(data, a, b):
                if inner in (1, 3):
                    source = data[x:y]
                elif inner in (2, 4):
                    destination = data[x:y]
        elif kind == 2:  # CTA_TUPLE_PROTO
            for inner, x, y in attributes(data, a, b):
                if inner == 1:
                    protocol = data[x]
                elif inner in (2, 4, 7) and y - x >= 2:  # source port, ICMP id
                    sport = PORT.unpack_from(data, x)[0]
                elif inner == 3 and y - x >= 2:
                    dport = PORT.unpack_from(data, x)[0]
                elif inner in (5, 8):  # ICMP type, code
                    dport |= data[x] << 8
                elif inner in (6, 9):
                    dport |= data[x]
    if not source or not destination:
        return None
    return Tuple(source, destination, protocol, sport, dport)


ICMP, ICMPV6 = 1, 58


def _mark_request(connection: Connection, value: int, mask: int) -> bytes:
    t = connection.original
    first = 1 if connection.family == socket.AF_INET else 3
    protocol = attribute(1, bytes([t.protocol]))
    if t.protocol in (ICMP, ICMPV6):
        base = 4 if t.protocol == ICMP else 7
        protocol += attribute(base, PORT.pack(t.sport))
        protocol += attribute(base + 1, bytes([t.dport >> 8])) + attribute(base + 2, bytes([t.dport & 0xFF]))
    else:
        protocol += attribute(2, PORT.pack(t.sport)) + attribute(3, PORT.pack(t.dport))
    parts = [
        nfgen(connection.family),
        nested(
            TUPLE_ORIGINAL,
            nested(1, attribute(first, t.source), attribute(first + 1, t.destination)),
            nested(2, protocol),
        ),
        attribute(MARK, LONG.pack(value)),
        attribute(MARK_MASK, LONG.pack(mask)),
    ]
    if connection.zone:
        parts.append(attribute(ZONE, PORT.pack(connection.zone)))
    return b"".join(parts)
