"""Asks a server for a name over TLS, and shows another one first, in a packet that the server does not take.

decoy.py TRICK SHOWN ASKED: prints the port that it has asked from.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import sys

TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21  # linux/tcp.h
RECEIVED, SENT = 1, 2
SIGNATURE = b"\x13\x12" + bytes(16) + b"\1\1"  # RFC 2385
NO_PROBE = -1


def sequence(connection: socket.socket) -> list[int]:
    """Where what it has received and sent ends."""
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    numbers = []
    for queue in (RECEIVED, SENT):
        connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        numbers.append(connection.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xFFFFFFFF)
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, NO_PROBE)
    return numbers


def total(data: bytes) -> int:
    words: int = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    return words


def hello(name: str) -> bytes:
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(into, out, server_hostname=name).do_handshake()
    return out.read()


def main(trick: str, shown: str, asked: str) -> None:
    connection = socket.create_connection((socket.gethostbyname(asked), 443), 10)
    here, there = connection.getsockname(), connection.getpeername()
    ack, seq = sequence(connection)
    options = SIGNATURE if trick == "signature" else b""
    size = (5 + len(options) // 4) << 4
    segment = bytearray(struct.pack(">HHIIBBHHH", here[1], there[1], seq, ack, size, 0x18, 500, 0, 0))
    segment += options + hello(shown)
    pseudo = socket.inet_aton(here[0]) + socket.inet_aton(there[0]) + struct.pack(">HH", 6, len(segment))
    wrong = 0x1234 if trick == "checksum" else 0
    struct.pack_into(">H", segment, 16, (~total(pseudo + bytes(segment)) & 0xFFFF) ^ wrong)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        for _ in range(2):
            raw.sendto(bytes(segment), (there[0], 0))
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with context.wrap_socket(connection, server_hostname=asked) as tls:
        print(here[1], flush=True)
        tls.sendall(f"GET / HTTP/1.1\r\nHost: {asked}\r\nConnection: close\r\n\r\n".encode())
        while tls.recv(65536):
            pass


if __name__ == "__main__":
    main(*sys.argv[1:])
