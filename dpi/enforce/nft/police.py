"""Limits of a rule, of each of its hosts or of each of its flows: what is above them is dropped."""

from __future__ import annotations

from collections.abc import Iterator

from dpi.enforce.nft.spelling import Block, set_
from dpi.enforce.nft.view import DIRECTIONS
from dpi.policy.plan import Direction, Disposition, Police

POLICED_SIZE = 65536  # hosts or flows held to a rate of their own
POLICED = "1m"  # without a packet, after which one is forgotten: its limit has long filled up again
POLICE_BURST = 65536  # bytes beside a second's worth: a GSO packet is that long


def police_sets(d: Disposition) -> Iterator[Block]:
    for direction in DIRECTIONS:
        for limit in d.police:
            if limit.per != "rule" and limit.of(direction):
                for name, kind, _ in _keys(d, limit, direction):
                    yield set_(name, kind, f"size {POLICED_SIZE}", "flags dynamic,timeout", f"timeout {POLICED}")


def police_rules(d: Disposition, direction: Direction) -> list[str]:
    """A set that is full has no limit for those that find no room."""
    rules = []
    for limit in d.police:
        bits = limit.of(direction)
        if not bits:
            continue
        above = f"limit rate over {_octets(bits)} bytes/second burst {POLICE_BURST} bytes"
        drop = f"counter name policed{d.number}_{direction} drop"
        if limit.per == "rule":
            rules.append(f"{above} {drop}")
        else:
            keys = _keys(d, limit, direction)
            rules += [f"update @{name} {{ {key} {above} }} {drop}" for name, _, key in keys]
    return rules


def _keys(d: Disposition, limit: Police, direction: Direction) -> list[tuple[str, str, str]]:
    """(set, its type, what is looked up) of a limit for each host or flow.

    An element keeps the rate with which it was made, so another rate has another set.
    """
    name = f"{limit.per}{d.number}_{direction}_{_octets(limit.of(direction) or 0)}"
    if limit.per == "flow":
        return [(name, "typeof ct id", "ct id")]
    side = "saddr" if direction == "up" else "daddr"
    return [(f"{name}_4", "type ipv4_addr", f"ip {side}"), (f"{name}_6", "type ipv6_addr", f"ip6 {side}")]


def _octets(bits: int) -> int:
    return max(1, bits // 8)
