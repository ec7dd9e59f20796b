"""What a host shows of itself when it asks for an address: DHCPv4 (RFC 2131, 2132), DHCPv6 (RFC 8415).

Which options a client asks for, and in which order, is its program's choice and not its user's: so the list tells
systems apart.  Beside it stand what the client calls its kind (vendor class) and its name.

This is read in the control plane, a few messages a second at most, so it is Python.  A message whose end is missing or
wrong tells what stood before; every loop goes forward by what it has read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

UDP = 17
GROUP = 1  # of a MAC address' first byte: nobody's alone (IEEE 802, 8.2)
ETHERNET = b"\1\6"  # htype, hlen
REQUEST = 1  # op
COOKIE = b"\x63\x82\x53\x63"
MAC, RELAY, SNAME, FILE, OPTIONS = 28, 24, 44, 108, 236  # offsets of RFC 2131, 2
PAD, HOST_NAME, OVERLOAD, TYPE, ASKED_FOR, VENDOR, FQDN, END = 0, 12, 52, 53, 55, 60, 81, 255
OF_CLIENTS = (1, 3, 8)  # DISCOVER, REQUEST, INFORM: the others ask for nothing
ASKED_FOR_6, VENDOR_6, FQDN_6 = 6, 16, 39
OF_CLIENTS_6 = (1, 3, 4, 5, 6, 11)  # SOLICIT, REQUEST, CONFIRM, RENEW, REBIND, INFORMATION-REQUEST
MOST_TEXT = 64  # characters that are kept of a text
MOST_ASKED = 128  # options that are kept of a list


class Shown(NamedTuple):
    """Each empty where the message does not have it."""

    version: Literal[4, 6]
    options: str  # that it asks for, in its order: `1,3,6,15`
    vendor: str
    name: str


def shown(packet: bytes, sender: bytes) -> Shown | None:
    """Of an IP packet to a server's port and the MAC address of its frame; None where no client shows itself in it.

    A message that a relay has passed on is none: its frame is the relay's.
    """
    version = packet[0] >> 4 if packet else 0
    if not any(sender) or sender[0] & GROUP:
        return None
    if version == 4:
        start = 4 * (packet[0] & 15)
        if start < 20 or packet[9:10] != bytes((UDP,)):
            return None
        found = _message(_payload(packet, start), sender)
    elif version == 6 and packet[6:7] == bytes((UDP,)):
        found = _message6(_payload(packet, 40))
    else:
        return None
    return found if found and any(found[1:]) else None


def _payload(packet: bytes, start: int) -> bytes:
    """Of UDP (RFC 768), without the padding of a short frame."""
    length = int.from_bytes(packet[start + 4 : start + 6], "big")
    return packet[start + 8 : start + max(length, 8)]


def _message(message: bytes, sender: bytes) -> Shown | None:
    if message[:3] != bytes((REQUEST,)) + ETHERNET or message[OPTIONS : OPTIONS + 4] != COOKIE:
        return None
    if message[MAC : MAC + 6] != sender or any(message[RELAY : RELAY + 4]):
        return None
    found: dict[int, bytes] = {}
    for code, value in _options(message[OPTIONS + 4 :]):
        found[code] = found.get(code, b"") + value  # RFC 3396: a long one comes in parts
    overload = found.get(OVERLOAD, b"\0")[:1]
    for bit, area in ((1, message[FILE:OPTIONS]), (2, message[SNAME:FILE])):
        if overload and overload[0] & bit:
            for code, value in _options(area):
                found[code] = found.get(code, b"") + value
    if found.get(TYPE, b"\0")[:1] not in map(_byte, OF_CLIENTS):
        return None
    return Shown(
        4,
        ",".join(map(str, found.get(ASKED_FOR, b"")[:MOST_ASKED])),
        _text(found.get(VENDOR, b"")),
        _text(found.get(HOST_NAME, b"")) or _fqdn(found.get(FQDN, b"")),
    )


def _byte(number: int) -> bytes:
    return bytes((number,))


def _options(area: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(area) and area[at] != END:
        if area[at] == PAD:
            at += 1
            continue
        length = area[at + 1] if at + 1 < len(area) else 0
        yield area[at], area[at + 2 : at + 2 + length]
        at += 2 + length


def _fqdn(value: bytes) -> str:
    """RFC 4702, 2: flags, two codes, and a name, in labels where the flag E is set."""
    name = value[3:]
    return _labels(name) if value[:1] and value[0] & 4 else _text(name)


def _message6(message: bytes) -> Shown | None:
    if message[:1] not in map(_byte, OF_CLIENTS_6):
        return None
    asked, vendor, name = b"", b"", ""
    at = 4
    while at + 4 <= len(message):
        code, length = (int.from_bytes(message[at + n : at + n + 2], "big") for n in (0, 2))
        value = message[at + 4 : at + 4 + length]
        if code == ASKED_FOR_6:
            asked = value[: 2 * MOST_ASKED]
        elif code == VENDOR_6:  # RFC 8415, 21.16: an enterprise's number, then texts behind their lengths
            vendor = value[6 : 6 + int.from_bytes(value[4:6], "big")]
        elif code == FQDN_6:  # RFC 4704, 4.1: flags, then labels
            name = _labels(value[1:])
        at += 4 + length
    options = ",".join(str(int.from_bytes(asked[i : i + 2], "big")) for i in range(0, len(asked) - 1, 2))
    return Shown(6, options, _text(vendor), name)


def _labels(wire: bytes) -> str:
    """A name as DNS has it (RFC 1035, 3.1); it may end without its root."""
    labels, at = [], 0
    while at < len(wire) and 0 < wire[at] < 64:
        labels.append(wire[at + 1 : at + 1 + wire[at]])
        at += 1 + wire[at]
    return _text(b".".join(labels))


def _text(value: bytes) -> str:
    """What may be shown at a terminal."""
    text = value.rstrip(b"\0").decode(errors="replace")[:MOST_TEXT]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text).strip()
