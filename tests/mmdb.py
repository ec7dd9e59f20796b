"""Writes small databases in MaxMind's format (MaxMind DB File Format Specification 2.0), whole or broken on purpose."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

MARK = b"\xab\xcd\xefMaxMind.com"
UTF8, UINT16, UINT32, MAP, UINT64, ARRAY = 2, 5, 6, 7, 9, 11

Record = dict[str, Any]


def value(data: Any, kind: int = UINT32) -> bytes:
    """One field of the data section; numbers are of `kind`."""
    if isinstance(data, str):
        return control(UTF8, len(data.encode())) + data.encode()
    if isinstance(data, dict):
        return control(MAP, len(data)) + b"".join(value(key) + value(each) for key, each in data.items())
    if isinstance(data, list):
        return control(ARRAY, len(data)) + b"".join(map(value, data))
    number = data.to_bytes((data.bit_length() + 7) // 8, "big")
    return control(kind, len(number)) + number


def control(kind: int, size: int) -> bytes:
    """The control byte of a field, with its extension for kinds above 7 and sizes above 28 (to 284)."""
    more = bytes([size - 29]) if size >= 29 else b""
    size = min(size, 29)
    return (bytes([kind << 5 | size]) if kind < 8 else bytes([size, kind - 7])) + more


def database(records: dict[str, Record], kind: str = "GeoLite2-ASN", ip_version: int = 6) -> bytes:
    """A tree of records of 24 bits; an IPv6 one has IPv4's networks below ::/96."""
    nodes: list[list[tuple[str, int]]] = [[("none", 0), ("none", 0)]]
    data = b""
    for text, record in records.items():
        network = ip_network(text)
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
        if network.version == 4 and ip_version == 6:
            bits = "0" * 96 + bits
        at = 0
        for bit in map(int, bits[:-1]):
            if nodes[at][bit][0] != "node":
                nodes.append([("none", 0), ("none", 0)])
                nodes[at][bit] = ("node", len(nodes) - 1)
            at = nodes[at][bit][1]
        nodes[at][int(bits[-1])] = ("data", len(data))
        data += value(record)
    n = len(nodes)
    number = {"none": lambda _: n, "node": lambda at: at, "data": lambda at: n + 16 + at}
    tree = b"".join(number[what](at).to_bytes(3, "big") for node in nodes for what, at in node)
    head = [
        ("binary_format_major_version", value(2, UINT16)),
        ("binary_format_minor_version", value(0, UINT16)),
        ("build_epoch", value(1_760_000_000, UINT64)),
        ("database_type", value(kind)),
        ("description", value({"en": "made for a test"})),
        ("ip_version", value(ip_version, UINT16)),
        ("languages", value(["en"])),
        ("node_count", value(n)),
        ("record_size", value(24, UINT16)),
    ]
    return tree + bytes(16) + data + MARK + control(MAP, len(head)) + b"".join(value(key) + each for key, each in head)


def system(number: int, organisation: str) -> Record:
    """A record as GeoLite2-ASN has them."""
    return {"autonomous_system_number": number, "autonomous_system_organization": organisation}
