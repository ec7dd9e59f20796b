"""DHCP messages of clients, as the packets that their frames carry."""

from __future__ import annotations

import struct

MAC = bytes.fromhex("020000d3c1e5")
ANY = bytes(4)
COOKIE = b"\x63\x82\x53\x63"
IPHONE = "1,121,3,6,15,108,114,119,252"


def option(code: int, value: bytes) -> bytes:
    """RFC 2132; a value over 255 bytes comes in parts (RFC 3396)."""
    parts = [value[i : i + 255] for i in range(0, len(value), 255)] or [b""]
    return b"".join(bytes((code, len(part))) + part for part in parts)


def asked(options: str) -> bytes:
    return option(55, bytes(map(int, options.split(","))))


def message(
    *options: bytes, kind: int = 1, mac: bytes = MAC, relay: bytes = ANY, sname: bytes = b"", file: bytes = b""
) -> bytes:
    """RFC 2131, 2."""
    head = struct.pack(">BBBBIHH", 1, 1, 6, 0, 7, 0, 0) + ANY * 3 + relay + mac.ljust(16, b"\0")
    head += sname.ljust(64, b"\0") + file.ljust(128, b"\0")
    return head + COOKIE + option(53, bytes((kind,))) + b"".join(options) + b"\xff"


def packet(payload: bytes, port: int = 67) -> bytes:
    """IPv4, UDP."""
    udp = struct.pack(">HHHH", port + 1, port, 8 + len(payload), 0) + payload
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ANY + b"\xff" * 4 + udp


def option6(code: int, value: bytes) -> bytes:
    return struct.pack(">HH", code, len(value)) + value


def packet6(*options: bytes, kind: int = 1) -> bytes:
    """IPv6, UDP, DHCPv6 (RFC 8415, 8)."""
    payload = bytes((kind, 0, 0, 7)) + b"".join(options)
    udp = struct.pack(">HHHH", 546, 547, 8 + len(payload), 0) + payload
    there = bytes.fromhex("ff020000000000000000000000010002")
    return struct.pack(">IHBB", 6 << 28, len(udp), 17, 1) + bytes(16) + there + udp
