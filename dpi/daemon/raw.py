"""Packets of our own making, with addresses that are not ours: answers in a server's place."""

from __future__ import annotations

import contextlib
import socket
import struct

HOPS = 64


def packet(source: bytes, destination: bytes, protocol: int, body: bytes, check_at: int) -> bytes:
    """An IP packet of TCP or UDP, addresses packed.

    The checksum of `body` is put in at `check_at` (RFC 9293, 3.1; RFC 768; RFC 8200, 8.1).
    """
    pseudo = source + destination + struct.pack(">II", len(body), protocol)
    check = _checksum(pseudo + body) or 0xFFFF  # of UDP, 0 would say that there is none
    body = body[:check_at] + struct.pack(">H", check) + body[check_at + 2 :]
    if len(source) == 4:  # the kernel fills in the identification and the checksum: raw(7)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, HOPS, protocol, 0)
    else:
        ip = struct.pack(">IHBB", 6 << 28, len(body), protocol, HOPS)
    return ip + source + destination + body


def _checksum(data: bytes) -> int:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


class Sender:
    """Sends such packets.  mark: of the packets, 0 for none."""

    def __init__(self, mark: int = 0) -> None:
        self._sockets: dict[int, socket.socket] = {}
        for size, family in ((4, socket.AF_INET), (16, socket.AF_INET6)):
            with contextlib.suppress(OSError):  # a kernel without IPv6
                sock = self._sockets[size] = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
                if mark:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)

    def close(self) -> None:
        while self._sockets:
            self._sockets.popitem()[1].close()

    def send(self, to: bytes, packet: bytes) -> bool:
        """Whether it went.  What did not is as if it were lost on the way."""
        family = socket.AF_INET if len(to) == 4 else socket.AF_INET6
        try:
            self._sockets[len(to)].sendto(packet, (socket.inet_ntop(family, to), 0))
        except (OSError, KeyError):
            return False
        return True
