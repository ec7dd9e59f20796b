"""Packets that our table logs to an NFLOG group for the daemon (linux/netfilter/nfnetlink_log.h)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from dpi.enforce.netlink import ACK, REQUEST, attribute, attributes, message, messages, netfilter, nfgen
from dpi.errors import KernelError

ULOG = 4  # NFNL_SUBSYS_ULOG
PACKET, CONFIG = ULOG << 8, ULOG << 8 | 1
CONFIG_COMMAND, CONFIG_MODE, CONFIG_THRESHOLD = 1, 2, 5  # NFULA_CFG_*
BIND, COPY_PACKET = 1, 2
PAYLOAD, PREFIX = 9, 10  # NFULA_*
COPIED = 2048  # bytes of a packet
AT_ONCE = 64  # messages read before others have their turn


class Logged(NamedTuple):
    prefix: str
    packet: bytes  # from the IP header on


class Group:
    """Who listens to a group, one at a time.  For asyncio: `add_reader(group.fileno(), …)`."""

    def __init__(self, number: int) -> None:
        self._kernel = netfilter()
        settings = (
            attribute(CONFIG_COMMAND, bytes([BIND])),
            attribute(CONFIG_MODE, struct.pack(">IBx", COPIED, COPY_PACKET)),
            attribute(CONFIG_THRESHOLD, struct.pack(">I", 1)),
        )
        for setting in settings:
            sequence = self._kernel.next()
            request = message(CONFIG, REQUEST | ACK, sequence, nfgen(0, number) + setting)
            code = self._kernel.errors(request, {sequence})[sequence]
            if code:
                self.close()
                raise KernelError(f"NFLOG group {number}: {os.strerror(code)} (does somebody else listen to it?)")
        self._kernel.socket.setblocking(False)

    def fileno(self) -> int:
        return self._kernel.socket.fileno()

    def read(self) -> Iterator[Logged]:
        """What is there now."""
        for _ in range(AT_ONCE):
            try:
                data = self._kernel.socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: some are lost; their senders send again
                continue
            for kind, _, start, end in messages(data):
                if kind == PACKET:
                    found = {what: data[a:b] for what, a, b in attributes(data, start + 4, end)}
                    prefix = found.get(PREFIX, b"").rstrip(b"\0").decode("ascii", "replace")
                    yield Logged(prefix, found.get(PAYLOAD, b""))

    def close(self) -> None:
        self._kernel.close()
