"""Who is where in the lab: namespaces, devices and addresses.

Addresses are of ranges that never are on the internet: 10/8 (RFC 1918), 198.18/15 for benchmarks (RFC 2544),
fd00::/8 (RFC 4193) and 2001:db8::/32 for documentation (RFC 3849).
"""

from __future__ import annotations

from dataclasses import dataclass

SITES4 = "198.18.64.0/18"  # every site's own address, all answered by `inet` (and by `cache`)
SITES6 = "2001:db8:64::/48"
DNS4 = "198.18.0.53"
DNS6 = "2001:db8:0:53::53"
CLIENTS4 = tuple(f"10.77.0.{n}" for n in range(11, 15))
CLIENTS6 = tuple(f"fd77::{n}" for n in range(11, 15))


@dataclass(frozen=True)
class Wire:
    """A veth pair between the box and another namespace; `.1` is the box."""

    device: str  # in the box
    peer: str  # namespace at the other end, where the device is called eth0
    box4: str
    peer4: tuple[str, ...]
    box6: str
    peer6: tuple[str, ...]
    prefix4: int = 24
    prefix6: int = 64


WIRES = (
    Wire("lan0", "client", "10.77.0.1", CLIENTS4, "fd77::1", CLIENTS6),
    Wire("wan0", "inet", "198.18.0.1", ("198.18.0.2",), "2001:db8::1", ("2001:db8::2",)),
    Wire("cdn0", "cache", "198.18.1.1", ("198.18.1.2",), "2001:db8:1::1", ("2001:db8:1::2",)),
)
ROLES = ("box", *(w.peer for w in WIRES))
