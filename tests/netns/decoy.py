"""Asks a server for a name over TLS, and shows a decoy first, in a packet that the server does not take.

decoy.py TRICK DECOY ASKED (the decoy in hexadecimal): prints the port that it has asked from.
"""

from __future__ import annotations

import socket
import ssl
import struct
import sys

from scapy.utils import checksum

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


def main(trick: str, decoy: str, asked: str) -> None:
    connection = socket.create_connection((socket.gethostbyname(asked), 443), 10)
    here, there = connection.getsockname(), connection.getpeername()
    ack, seq = sequence(connection)
    options = SIGNATURE if trick == "signature" else b""
    size = (5 + len(options) // 4) << 4
    segment = bytearray(struct.pack(">HHIIBBHHH", here[1], there[1], seq, ack, size, 0x18, 500, 0, 0))
    segment += options + bytes.fromhex(decoy)
    pseudo = socket.inet_aton(here[0]) + socket.inet_aton(there[0]) + struct.pack(">HH", 6, len(segment))
    wrong = 0x1234 if trick == "checksum" else 0
    struct.pack_into(">H", segment, 16, checksum(pseudo + bytes(segment)) ^ wrong)
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
