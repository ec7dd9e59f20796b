"""MAC addresses and VLANs as a policy spells them, each from text to its value.  ValueError as in units.py."""

from __future__ import annotations

import re
import socket

OCTETS = 6
_HEX = "[0-9a-fA-F]"
_MAC = re.compile(rf"{_HEX}{{2}}([:-]{_HEX}{{2}}){{2}}(([:-]{_HEX}{{2}}){{3}})?|({_HEX}{{4}}\.){{2}}{_HEX}{{4}}")
_GROUP = 1  # in the first octet: nobody's alone (IEEE 802, 8.2)


def mac(value: object) -> str:
    """`02:11:22:33:44:55`; read with hyphens and as `0211.2233.4455` too."""
    octets = _octets(value)
    if octets is None or len(octets) != OCTETS:
        raise ValueError(f"{value!r} is no MAC address; write 02:11:22:33:44:55")
    if octets[0] & _GROUP or not any(octets):
        raise ValueError(f"{value} cannot be the MAC address of a device")
    return octets.hex(":")


def mac_prefix(value: object) -> str:
    """A MAC address or the beginning of one: `02:11:22` (a maker's, OUI), `02:11:22:30:00:00/28`.

    All six octets, and how many bits of them count: `02:11:22:00:00:00/24`.
    """
    text, slash, bits = value.partition("/") if isinstance(value, str) else ("", "", "")
    octets = _octets(text)
    whole = bool(octets) and len(octets or b"") == OCTETS
    if octets is None or (slash and not (whole and re.fullmatch("[0-9]{1,2}", bits))):
        raise ValueError(f"{value!r} is no MAC address; write 02:11:22:33:44:55, or 02:11:22 for all that begin so")
    length = int(bits) if slash else 8 * len(octets)
    octets += bytes(OCTETS - len(octets))
    if not 1 <= length <= 8 * OCTETS:
        raise ValueError(f"{value}: a MAC address has 1 to {8 * OCTETS} bits")
    if int.from_bytes(octets, "big") & ((1 << 8 * OCTETS - length) - 1):
        raise ValueError(f"{value} has bits set behind the first {length}")
    if octets[0] & _GROUP:
        raise ValueError(f"{value} cannot be the MAC address of a device")
    return f"{octets.hex(':')}/{length}"


def mac_text(prefix: str) -> str:
    """The shortest spelling of what mac_prefix() gives."""
    text, _, bits = prefix.partition("/")
    return {"48": text, "24": text[:8]}.get(bits, prefix)


def mac_number(prefix: str) -> tuple[int, int]:
    """(bits that count, address) of what mac_prefix() gives."""
    text, _, bits = prefix.partition("/")
    return int(bits), int(text.replace(":", ""), 16)


def made_of(prefix: str) -> str | None:
    """The MAC address that an IPv6 address of one host was made of (RFC 4291, appendix A); None where it was not."""
    text, _, bits = prefix.partition("/")
    if bits != "128":
        return None
    end = socket.inet_pton(socket.AF_INET6, text)[8:]
    if end[3:5] != b"\xff\xfe":
        return None
    return bytes([end[0] ^ 2, *end[1:3], *end[5:]]).hex(":")


def vlan_of(device: str) -> int | None:
    """The VLAN of a device whose name says it: `eth0.100`, `vlan100`; else None."""
    found = re.fullmatch(r"(?:.*\.|vlan)(\d{1,4})", device)
    return int(found[1]) if found and 1 <= int(found[1]) <= 4094 else None


def _octets(value: object) -> bytes | None:
    text = value.strip() if isinstance(value, str) else ""
    return bytes.fromhex(re.sub("[:.-]", "", text)) if _MAC.fullmatch(text) else None
