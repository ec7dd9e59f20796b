"""Which MAC address an address of a LAN has, as the kernel's neighbour tables say it (ARP, RFC 826; ND, RFC 4861).

Numbers are those of linux/rtnetlink.h and linux/neighbour.h.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import NamedTuple

from dpi.enforce.netlink import NETLINK_ROUTE, Netlink, attributes, messages

GROUP = 3  # RTNLGRP_NEIGH
NEW, DELETE, GET = 28, 29, 30  # RTM_*NEIGH
ADDRESS, LINK_ADDRESS = 1, 2  # NDA_DST, NDA_LLADDR
KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x80  # NUD_REACHABLE, STALE, DELAY, PROBE, PERMANENT: its MAC address is known
MAC = 6
SIZES = {socket.AF_INET: 4, socket.AF_INET6: 16}
HEAD = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, interface, state, flags, type
RECEIVE_BUFFER = 4 << 20


class Neighbour(NamedTuple):
    """mac None: it is not known any more."""

    interface: int
    address: str
    mac: str | None


class Events:
    """What changes in the tables.

    For asyncio: `loop.add_reader(events.fileno(), …)`.  Where the socket's buffer could not hold all, read() raises
    OSError (ENOBUFS) once: dump() tells then what is there.
    """

    def __init__(self) -> None:
        self._route = Netlink(NETLINK_ROUTE, receive_buffer=RECEIVE_BUFFER)
        self._route.join(GROUP)
        self._route.socket.setblocking(False)

    def fileno(self) -> int:
        return self._route.socket.fileno()

    def close(self) -> None:
        self._route.close()

    def read(self, limit: int = 1000) -> list[Neighbour]:
        """What has arrived, up to about `limit`; empty when nothing has.  Never blocks."""
        found: list[Neighbour] = []
        while len(found) < limit:
            try:
                data = self._route.socket.recv(1 << 16)
            except BlockingIOError:
                break
            for kind, _, start, end in messages(data):
                if kind in (NEW, DELETE) and (neighbour := decode(data, start, end, kind == DELETE)):
                    found.append(neighbour)
        return found


def dump() -> list[Neighbour]:
    """All whose MAC address is known."""
    found: list[Neighbour] = []
    with Netlink(NETLINK_ROUTE, receive_buffer=RECEIVE_BUFFER) as kernel:
        for family in SIZES:
            for data, start, end in kernel.dump(GET, HEAD.pack(family, 0, 0, 0, 0)):
                if (neighbour := decode(data, start, end)) and neighbour.mac:
                    found.append(neighbour)
    return found


def is_lost(error: OSError) -> bool:
    """Whether this is only that events were lost."""
    return error.errno == errno.ENOBUFS


def decode(data: bytes, start: int, end: int, gone: bool = False) -> Neighbour | None:
    """None: not of IP, or not whole."""
    if end - start < HEAD.size:
        return None
    family, interface, state, _, _ = HEAD.unpack_from(data, start)
    values = {kind: data[a:b] for kind, a, b in attributes(data, start + HEAD.size, end)}
    address, mac = values.get(ADDRESS, b""), values.get(LINK_ADDRESS, b"")
    if len(address) != SIZES.get(family, -1):
        return None
    known = state & KNOWN and len(mac) == MAC and not gone
    return Neighbour(interface, socket.inet_ntop(family, address), mac.hex(":") if known else None)
