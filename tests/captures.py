"""Writes small captures, of raw IPv4 packets (link type 101) unless said otherwise, without a library."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.cores import ACK, CLIENT, RESOLVER, SERVER, SYN, TCP, UDP, answer, question
from tests.handshakes import openssl_hello


def packet(
    src: str, sport: int, dst: str, dport: int, proto: int, payload: bytes = b"", seq: int = 0, flags: int = ACK
) -> bytes:
    if proto == TCP:
        transport = struct.pack(">HHIIBBHHH", sport, dport, seq, 0, 0x50, flags, 65535, 0, 0)
    else:
        transport = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0)
    length = 20 + len(transport) + len(payload)
    addresses = bytes(map(int, f"{src}.{dst}".split(".")))
    return struct.pack(">BBHHHBBH", 0x45, 0, length, 0, 0, 64, proto, 0) + addresses + transport + payload


FIRST = 1_700_000_000  # when a capture begins


def pcap(packets: list[bytes], link_type: int = 101, apart: int = 1000, first: int = FIRST) -> bytes:
    """One packet a millisecond, or `apart` so many microseconds; the first in second `first`."""
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link_type)
    for n, each in enumerate(packets):
        seconds, rest = divmod(apart * n, 1_000_000)
        out += struct.pack("<IIII", first + seconds, rest, len(each), len(each)) + each
    return out


def visit(host: str, sport: int = 40000) -> list[bytes]:
    """A client resolves a name, connects and sends its hello; the server answers nothing but its SYN."""
    return [
        packet(CLIENT, 50000, RESOLVER, 53, UDP, question(host)),
        packet(RESOLVER, 53, CLIENT, 50000, UDP, answer(host, SERVER)),
        packet(CLIENT, sport, SERVER, 443, TCP, seq=99, flags=SYN),
        packet(SERVER, 443, CLIENT, sport, TCP, seq=499, flags=SYN | ACK),
        packet(CLIENT, sport, SERVER, 443, TCP, openssl_hello(host), seq=100),
    ]


def write(path: Path, packets: list[bytes]) -> Path:
    path.write_bytes(pcap(packets))
    return path
