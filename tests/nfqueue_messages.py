"""Messages of a kernel queue, built as the kernel builds them (nfqnl_build_packet_message())."""

from __future__ import annotations

import struct

PACKET, VERDICT, CONFIG, BATCH = 0x0300, 0x0301, 0x0302, 0x0303
NLMSG_NOOP, NLMSG_ERROR = 1, 2
HDR, MARK, TIMESTAMP, INDEV, OUTDEV, PHYSINDEV, PHYSOUTDEV = 1, 3, 4, 5, 6, 7, 8
HWADDR, PAYLOAD, CAP_LEN, SKB_INFO, UID, VLAN, L2HDR = 9, 10, 13, 14, 16, 19, 20
VLAN_PROTO, VLAN_TCI = 1, 2
NESTED = 0x8000


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def word(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!I", value))


def message(kind: int, body: bytes, sequence: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 0) + body + bytes(-len(body) % 4)


def packet_header(packet_id: int, protocol: int = 0x0800, hook: int = 2) -> bytes:
    return attribute(HDR, struct.pack("!IHB", packet_id, protocol, hook))


def packet(packet_id: int, *attributes: bytes, family: int = 2) -> bytes:
    body = struct.pack("!BBH", family, 0, 0) + packet_header(packet_id) + b"".join(attributes)
    return message(PACKET, body)
