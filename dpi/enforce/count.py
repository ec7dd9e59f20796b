"""Counters, read from where they are kept: classes by HTB, rules and routes by our table's named counters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dpi.enforce.names import MAJORS, TABLE, classid
from dpi.enforce.nft.text import DIRECTIONS, family
from dpi.enforce.qdisc.htb import listed_classes
from dpi.enforce.run import attempt
from dpi.errors import KernelError
from dpi.policy.plan import Direction, KernelPlan


@dataclass(frozen=True)
class Count:
    packets: int = 0
    bytes: int = 0
    drops: int = 0  # classes only: packets that found the queue full, or CoDel's
    backlog: int = 0  # classes only: bytes that wait now

    def __add__(self, other: Count) -> Count:
        return Count(
            self.packets + other.packets,
            self.bytes + other.bytes,
            self.drops + other.drops,
            self.backlog + other.backlog,
        )


@dataclass(frozen=True)
class Counters:
    """By (direction, name).  Classes count layer 2 as sent, rules and routes layer 3 as forwarded.

    `undecided`: what passed before anything was said of its connection.
    """

    classes: dict[tuple[Direction, str], Count] = field(default_factory=dict)
    rules: dict[tuple[Direction, str], Count] = field(default_factory=dict)
    routes: dict[tuple[Direction, str], Count] = field(default_factory=dict)
    undecided: dict[Direction, Count] = field(default_factory=dict)


COUNTER = re.compile(r"counter (\S+) \{\s*packets (\d+) bytes (\d+)")


def counters(plan: KernelPlan) -> Counters:
    """See `dpi.enforce.counters`.  What is not applied counts zero."""
    found = Counters()
    code, listing, _ = attempt(["nft", "list", "counters", "table", family(plan), TABLE])
    named = {m[1]: Count(int(m[2]), int(m[3])) for m in COUNTER.finditer(listing)} if code == 0 else {}
    for direction in DIRECTIONS:
        found.undecided[direction] = named.get(f"undecided_{direction}", Count())
        for d in plan.dispositions:
            found.rules[direction, d.name] = named.get(f"rule{d.number}_{direction}", Count())
        for route in plan.routes:
            found.routes[direction, route.name] = named.get(f"route{route.number}_{direction}", Count())
    _classes(plan, found)
    return found


def _classes(plan: KernelPlan, found: Counters) -> None:
    from pyroute2 import IPRoute

    try:
        ip = IPRoute(groups=0)
    except OSError as error:
        raise KernelError(f"netlink: {error.strerror}") from None
    with ip:
        for device in dict.fromkeys((tree.ifb or tree.device, tree.direction) for tree in plan.trees):
            name, direction = device
            trees = [t for t in plan.trees if (t.ifb or t.device) == name and t.direction == direction]
            index = ip.link_lookup(ifname=name)
            listed = {c["handle"]: _class_count(c) for c in listed_classes(ip, index[0])} if index else {}
            for shaped in trees[0].classes:
                key = (direction, shaped.name)
                counted = listed.get(classid(MAJORS[direction], shaped.minor), Count())
                found.classes[key] = found.classes.get(key, Count()) + counted


def _class_count(class_: object) -> Count:
    stats = class_.get_attr("TCA_STATS2")  # type: ignore[attr-defined]
    basic = stats.get_attr("TCA_STATS_BASIC") if stats else None
    queue = stats.get_attr("TCA_STATS_QUEUE") if stats else None
    if not basic:
        return Count()
    return Count(
        int(basic["packets"]),
        int(basic["bytes"]),
        int(queue["drops"]) if queue else 0,
        int(queue["backlog"]) if queue else 0,
    )
