"""Qdiscs and HTB classes as the kernel lists them, read from its messages in place.

There may be hundreds of thousands of them, each of which pyroute2 would take some 0.5 ms to decode.  Numbers are those
of linux/rtnetlink.h and pkt_sched.h.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

from dpi.enforce.netlink import ACK, NLMSG_ERROR, REQUEST, Netlink, attributes, message, messages

NEW_QDISC, DELETE_QDISC, GET_QDISC, NEW_CLASS, DELETE_CLASS, GET_CLASS = 36, 37, 38, 40, 41, 42
TCMSG = struct.Struct("=BxxxiIII")  # family, ifindex, handle, parent, info
ECHO = 0x8  # without it the kernel answers a request for one of them to its listeners alone
HTB = b"\x08\0\x01\0htb\0"  # TCA_KIND
HTB_OPTIONS = struct.Struct("=BBHhHI BBHhHI IIIII")  # tc_htb_opt
PARMS, RATE64, CEIL64 = 1, 6, 7  # TCA_HTB_*


class Qdisc(NamedTuple):
    device: int  # its index
    handle: int
    parent: int
    kind: str
    options: bytes


class Class(NamedTuple):
    """An HTB class.  Rates in bytes a second."""

    handle: int
    parent: int
    rate: int
    ceil: int
    buffer: int
    cbuffer: int
    quantum: int
    priority: int


def qdisc(kernel: Netlink, index: int, parent: int) -> Qdisc | None:
    """The qdisc of a device at this place, or None."""
    found = _one(kernel, GET_QDISC, TCMSG.pack(0, index, 0, parent, 0))
    return _qdisc(*found) if found else None


def qdiscs(kernel: Netlink) -> Iterator[Qdisc]:
    """All of all devices."""
    for data, start, end in kernel.dump(GET_QDISC, TCMSG.pack(0, 0, 0, 0, 0)):
        yield _qdisc(data, start, end)


def class_(kernel: Netlink, index: int, handle: int) -> Class | None:
    found = _one(kernel, GET_CLASS, TCMSG.pack(0, index, handle, 0, 0))
    return _class(*found) if found else None


def counted(kernel: Netlink, index: int, handle: int) -> tuple[int, int, int, int] | None:
    """Packets, bytes, drops and backlog of a class; None where it is not there."""
    found = _one(kernel, GET_CLASS, TCMSG.pack(0, index, handle, 0, 0))
    if found is None:
        return None
    data, start, end = found
    packets = octets = drops = backlog = 0
    for number, a, b in attributes(data, start + TCMSG.size, end):
        if number != 7:  # TCA_STATS2
            continue
        for kind, x, _ in attributes(data, a, b):
            if kind == 1:  # TCA_STATS_BASIC
                octets, packets = struct.unpack_from("=QI", data, x)
            elif kind == 3:  # TCA_STATS_QUEUE
                _, backlog, drops = struct.unpack_from("=III", data, x)
    return packets, octets, drops, backlog


def class_bytes(kernel: Netlink, index: int, handle: int) -> int | None:
    """What an HTB class and those below it have sent."""
    found = _one(kernel, GET_CLASS, TCMSG.pack(0, index, handle, 0, 0))
    if found is None:
        return None
    data, start, end = found
    for number, a, b in attributes(data, start + TCMSG.size, end):
        if number == 7:  # TCA_STATS2
            for inner, x, y in attributes(data, a, b):
                if inner == 1 and y - x >= 8:  # TCA_STATS_BASIC
                    return int.from_bytes(data[x : x + 8], sys.byteorder)
    return None


def classes(kernel: Netlink, index: int, major: int) -> Iterator[Class]:
    """All of one HTB qdisc at a device's root."""
    for data, start, end in kernel.dump(GET_CLASS, TCMSG.pack(0, index, 0, major << 16, 0)):
        found = _class(data, start, end)
        if found:
            yield found


def _one(kernel: Netlink, kind: int, payload: bytes) -> tuple[bytes, int, int] | None:
    sequence = kernel.next()
    kernel.socket.send(message(kind, REQUEST | ACK | ECHO, sequence, payload))
    found = None
    while True:
        data = kernel.socket.recv(1 << 16)
        for answer, number, start, end in messages(data):
            if number != sequence:
                continue
            if answer == NLMSG_ERROR:  # the acknowledgement, after what was asked for or instead of it
                return found
            found = (data, start, end)


def _qdisc(data: bytes, start: int, end: int) -> Qdisc:
    _, index, handle, parent, _ = TCMSG.unpack_from(data, start)
    kind, options = "", b""
    for number, a, b in attributes(data, start + TCMSG.size, end):
        if number == 1:
            kind = data[a:b].rstrip(b"\0").decode("ascii", "replace")
        elif number == 2:
            options = data[a:b]
            break
    return Qdisc(index, handle, parent, kind, options)


def _class(data: bytes, start: int, end: int) -> Class | None:
    _, _, handle, parent, _ = TCMSG.unpack_from(data, start)
    at = start + TCMSG.size
    if data[at : at + 8] != HTB:
        return None
    rate64 = ceil64 = 0
    parms: tuple[int, ...] | None = None
    for number, a, b in attributes(data, at + 8, end):
        if number == 2:  # TCA_OPTIONS
            for inner, x, y in attributes(data, a, b):
                if inner == PARMS and y - x >= HTB_OPTIONS.size:
                    parms = HTB_OPTIONS.unpack_from(data, x)
                elif inner == RATE64:
                    rate64 = int.from_bytes(data[x:y], sys.byteorder)
                elif inner == CEIL64:
                    ceil64 = int.from_bytes(data[x:y], sys.byteorder)
            break
    if parms is None:
        return None
    buffer, cbuffer, quantum, _, priority = parms[12:17]
    return Class(handle, parent, rate64 or parms[5], ceil64 or parms[11], buffer, cbuffer, quantum, priority)
