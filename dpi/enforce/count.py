"""Counters, read from where they are kept: classes by HTB, rules and routes by our table's named counters."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

from dpi.enforce.names import MAJORS, TABLE, classid, major_of
from dpi.enforce.netlink import NETLINK_ROUTE, Netlink
from dpi.enforce.nft.view import DIRECTIONS, family
from dpi.enforce.qdisc import read
from dpi.enforce.run import attempt
from dpi.enforce.subscribers import ifb_of
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
    policed: dict[tuple[Direction, str], Count] = field(default_factory=dict)  # of rules, dropped above their rates
    routes: dict[tuple[Direction, str], Count] = field(default_factory=dict)
    fills: dict[tuple[Direction, str], Count] = field(default_factory=dict)  # what caches fetched themselves
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
            if d.police:
                found.policed[direction, d.name] = named.get(f"policed{d.number}_{direction}", Count())
        for route in plan.routes:
            found.routes[direction, route.name] = named.get(f"route{route.number}_{direction}", Count())
            found.fills[direction, route.name] = named.get(f"fill{route.number}_{direction}", Count())
    _classes(plan, found)
    return found


def class_counts(plan: KernelPlan, wanted: Iterable[tuple[Direction, int]]) -> dict[tuple[Direction, int], Count]:
    """See `dpi.enforce.class_counts`."""
    found: dict[tuple[Direction, int], Count] = {}
    own = {tree.direction: tree.ifb or tree.device for tree in plan.trees}
    with Netlink(NETLINK_ROUTE) as kernel:
        for direction, number in wanted:
            tree = number >> 16
            try:
                index = socket.if_nametoindex(ifb_of(direction, tree) if tree else own[direction])
            except (OSError, KeyError):
                continue
            count = read.counted(kernel, index, classid(major_of(direction, tree), number & 0xFFFF))
            if count:
                found[direction, number] = Count(*count)
    return found


def _classes(plan: KernelPlan, found: Counters) -> None:
    """Asked one by one: a list of all would have every subscriber's too."""
    try:
        with Netlink(NETLINK_ROUTE) as kernel:
            for tree in {(t.ifb or t.device, t.direction): t for t in reversed(plan.trees)}.values():
                try:
                    index = socket.if_nametoindex(tree.ifb or tree.device)
                except OSError:
                    index = 0
                for shaped in tree.classes:
                    count = (
                        read.counted(kernel, index, classid(MAJORS[tree.direction], shaped.minor)) if index else None
                    )
                    key = (tree.direction, shaped.name)
                    found.classes[key] = found.classes.get(key, Count()) + Count(*(count or ()))
    except OSError as error:
        raise KernelError(f"netlink: {error.strerror}") from None
