"""Who else uses bits of our mask, how bad that is, and which bits are free.

The packet's mark carries ours in three places only: from prerouting to the routing decision (the route), from the
verdict to the chain right after it (the decision), and from there to the device (to which IFB).  The connection's
mark carries all of it for the connection's whole life.  So to clear the one may be harmless, to clear the other never
is; and whatever stands in our bits of a packet is taken for a decision.  To copy the connection's mark back to its
packets changes no decision, but gives answers the route that is meant for the packets of who opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from dpi.enforce.doctor.check import Found, error, note, warning
from dpi.enforce.doctor.ruleset import ALL, MarkMatch, MarkWrite, Rule
from dpi.enforce.names import PROTOCOL
from dpi.policy.plan import MarkLayout

LEAST_BITS = 6  # what a policy's mask must have
WANTED_BITS = 15
LATE = frozenset({"postrouting", "egress"})
TOP_BIT = 1 << 31  # signed in some tools: taken last


@dataclass(frozen=True)
class RoutingRule:
    """`ip rule … fwmark value/mask`."""

    version: int
    priority: int
    value: int
    mask: int
    table: int


def routing_rules(messages: Iterable[Any]) -> list[RoutingRule]:
    """Those of others that ask for a mark, from pyroute2's messages."""
    found = []
    for rule in messages:
        get = rule.get_attr
        value, mask = get("FRA_FWMARK"), get("FRA_FWMASK")
        if (value is None and mask is None) or get("FRA_PROTOCOL") == PROTOCOL:
            continue
        table = get("FRA_TABLE") or rule["table"]
        version = 4 if rule["family"] == 2 else 6
        mask = ALL if mask is None else mask
        found.append(RoutingRule(version, get("FRA_PRIORITY") or 0, (value or 0), mask, table))
    return found


def judge(rule: Rule, marks: MarkLayout, *, routed: bool, redirected: bool) -> Iterator[Found]:
    """What a rule does to our bits.  `routed`: the policy has caches; `redirected`: it has IFBs."""
    mask = marks.mask
    for effect in rule.effects:
        if not isinstance(effect, MarkWrite | MarkMatch) or not effect.bits & mask:
            continue
        bits = f"{effect.bits & mask:#010x} of the {effect.of}'s mark"
        if rule.local_only:
            yield note(f"{rule.where} uses {bits}, on the box's own traffic only")
        elif isinstance(effect, MarkMatch):
            yield _asked(rule, effect, mask)
        elif effect.of == "connection" and _for_theirs(rule, mask):
            yield warning(
                f"{rule.where} overwrites our bits {bits}, of connections whose packets carry a mark of theirs",
                f"{rule.show}; {_spare(mask)}",
                "Where such a connection is forwarded between lan and wan, what was decided of it is lost",
            )
        elif effect.of == "connection":
            how = "puts values of its own into" if effect.ones & mask else "overwrites"
            yield error(
                f"{rule.where} {how} our bits {bits}",
                f"{rule.show}; {_spare(mask)}",
                "The connection's mark says what was decided; without it every packet of a connection goes to user "
                "space again, with another's bits in it the connection gets another rule",
            )
        elif rule.hooks and rule.hooks <= LATE and not redirected:
            yield note(f"{rule.where} uses {bits}, after we have read them: harmless")
        elif effect.ones & mask:
            yield error(
                f"{rule.where} puts values of its own into our bits {bits}",
                f"{rule.show}; {_spare(mask)}",
                "What stands in our bits of a packet's mark is taken for a decision of ours",
            )
        elif effect.copied & mask:
            if routed and effect.copied & marks.route_mask and rule.at("prerouting"):
                yield error(
                    f"{rule.where} copies the connection's mark into the packet's, our route's bits with it",
                    f"{rule.show}; {_spare(mask)}",
                    "Answers to clients then carry the route too, and are sent to the cache",
                )
            else:
                yield note(f"{rule.where} copies the connection's mark into the packet's, our bits with it: harmless")
        elif (routed and rule.at("prerouting")) or (redirected and rule.at("forward", "postrouting", "egress")):
            yield error(
                f"{rule.where} clears our bits {bits}",
                f"{rule.show}; {_spare(mask)}",
                "These bits tell the way to a cache, or the device on which a packet is shaped",
            )
        else:
            yield note(f"{rule.where} clears our bits {bits}: harmless with this policy (no caches or IFBs there)")


def _for_theirs(rule: Rule, mask: int) -> bool:
    """The rule is for packets whose whole mark is a value without our bits, as of a tunnel's own packets."""
    return any(
        isinstance(e, MarkMatch) and e.of == "packet" and e.bits == ALL and e.ones and not e.ones & mask
        for e in rule.effects
    )


def _asked(rule: Rule, effect: MarkMatch, mask: int) -> Found:
    if effect.bits == ALL:
        return warning(
            f"{rule.where} compares all bits of the {effect.of}'s mark, ours among them",
            f"{rule.show}; compare the bits that it means only, as in `mark & {~mask & ALL:#010x} == VALUE`",
            "Where our bits are set it never finds the value that it looks for, so that rule stops working",
        )
    return warning(
        f"{rule.where} asks for {effect.bits & mask:#010x} of the {effect.of}'s mark, which are our bits",
        f"{rule.show}; {_spare(mask)}",
        "It takes what we put there for its own mark",
    )


def _spare(mask: int) -> str:
    return f"make it leave our bits alone (set mark & {mask:#010x} | VALUE), or move ours: see the free mask"


def judge_routing(rule: RoutingRule, marks: MarkLayout) -> Found | None:
    """What an `ip rule` asks of our bits."""
    ours = rule.mask & marks.mask
    if not ours:
        return None
    what = f"IPv{rule.version} rule {rule.priority} (fwmark {rule.value:#x}/{rule.mask:#x} lookup {rule.table})"
    show = f"ip -{rule.version} rule"
    if rule.value & marks.mask:
        return error(
            f"{what} uses our bits {ours:#010x}",
            f"{show}; take other bits for one of us: see the free mask",
            "Packets with our route in their mark are routed by this rule, and its packets are taken for ours",
        )
    if rule.mask == ALL:
        return note(
            f"{what} compares all bits of the mark: it does not see packets that are on their way to a cache",
            f"{show}; give it a mask, as in `fwmark {rule.value:#x}/{~marks.mask & ALL:#x}`",
        )
    return warning(
        f"{what} asks that bits of ours ({ours:#010x}) are 0",
        f"{show}; take other bits for one of us: see the free mask",
        "It does not see packets that are on their way to a cache",
    )


def used_bits(rules: Iterable[Rule], routing: Iterable[RoutingRule]) -> int:
    """Bits that others mean something by.  Who names no mask means the bits of the value."""
    used = 0
    for rule in rules:
        for effect in rule.effects:
            if isinstance(effect, MarkWrite | MarkMatch):
                used |= effect.bits if effect.bits != ALL else effect.ones if effect.ones != ALL else 0
    for entry in routing:
        used |= entry.value if entry.mask == ALL else entry.mask
    return used & ALL


def free_mask(used: int, least: int = LEAST_BITS) -> int | None:
    """A mask of ours that keeps off these bits: the widest gap's upper end; None where no gap is wide enough."""
    for taken in (used | TOP_BIT, used):
        start, width = _widest_gap(taken)
        if width >= max(least, LEAST_BITS):
            bits = min(width, max(WANTED_BITS, least))
            return ((1 << bits) - 1) << (start + width - bits)
    return None


def _widest_gap(taken: int) -> tuple[int, int]:
    """(lowest bit, width) of the longest run of bits that are not taken; the highest of equals."""
    best, start = (0, 0), 0
    for bit in range(33):
        if bit == 32 or taken >> bit & 1:
            if bit - start >= best[1]:
                best = (start, bit - start)
            start = bit + 1
    return best
