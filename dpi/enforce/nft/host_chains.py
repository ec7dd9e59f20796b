"""The text of the subscribers' table: chains right behind those that decide, which ask the maps (host_maps.py).

The rule's class within a branch is one OR of a constant, and so is the direction.  A branch that is one class alone has
every bit of an offset set already, and stays what it is.

A packet of a branch that has no classes now stays in the link's classes, and the branch's number is noted in a set, for
the daemon to make it.  A packet from outside that nobody asked for is no demand, or every scan of the Internet would
wake all; many of them are.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from dpi.enforce.names import MAJORS, TREE_SHIFT, classid, classid_text
from dpi.enforce.nft.host_maps import (
    BY_DEVICE,
    BY_VLAN,
    LEARNT,
    NO_CLASS,
    NO_DIRECTION,
    SEEN,
    TABLE,
    WANTED,
    maps,
    number_text,
    of_name,
)
from dpi.enforce.nft.networks import WORD
from dpi.enforce.nft.proxies import proxied_to_clients
from dpi.enforce.nft.text import directions
from dpi.enforce.nft.view import DIRECTIONS, Facts, family
from dpi.policy.plan import Direction, KernelPlan, SubscriberPlan

SIZES = {4: 32, 6: 128}
NOISY = "noisy"  # the set of branches without classes that have traffic that nobody asked for
WANTED_SIZE = 65536
WANTED_SECONDS = 5  # after the last packet; the daemon looks more often
NOISE = 1_000  # bytes a second to a subscriber that count as nothing; what scans the Internet sends is a tenth of it


def text(plan: KernelPlan, facts: Facts) -> str:
    """The table without elements, as `nft -f` takes it."""
    subscribers = plan.subscribers
    assert subscribers
    lines = [f"table {family(plan)} {TABLE} {{"]
    lines += [f"\tmap {name} {{ {kind}; }}" for name, kind in maps(plan)]
    if subscribers.on_demand:
        for name, timeout in ((WANTED, f"{WANTED_SECONDS}s"), (NOISY, "1m")):
            body = f"type classid; size {WANTED_SIZE}; flags dynamic,timeout; timeout {timeout};"
            lines.append(f"\tset {name} {{ {body} }}")
    for direction in DIRECTIONS:
        lines += _shares(plan, subscribers, direction)
        if subscribers.on_demand:
            lines += [f"\tchain asleep_{direction} {{", *(f"\t\t{rule}" for rule in _asleep(plan, direction)), "\t}"]
        lines += [f"\tchain {direction} {{", *(f"\t\t{rule}" for rule in _chain(plan, subscribers, direction)), "\t}"]
    rules, one_armed = directions(plan, facts)
    if one_armed:
        lines += ["\tchain one_armed {", *(f"\t\t{rule}" for rule in one_armed), "\t}"]
    lines += ["\tchain forward {", "\t\ttype filter hook forward priority -148; policy accept;"]
    lines += [*(f"\t\t{rule}" for rule in rules), "\t}"]
    if any(route.here for route in plan.routes):
        lines += ["\tchain answered {", "\t\ttype filter hook output priority -148; policy accept;"]
        lines += [f"\t\t{proxied_to_clients(plan)} goto down", "\t}"]
    lines += ["}"]
    return "\n".join(lines) + "\n"


def _shares(plan: KernelPlan, subscribers: SubscriberPlan, direction: Direction) -> Iterator[str]:
    for offset in sorted(set(_offsets(plan, subscribers).values())):
        number = classid(MAJORS[direction], offset)
        yield f"\tchain {direction}_{offset} {{ meta priority set meta priority | {number:#010x}; }}"


def _chain(plan: KernelPlan, subscribers: SubscriberPlan, direction: Direction) -> Iterator[str]:
    exempt = ", ".join(f"{plan.marks.disposition(d.number):#010x} : accept" for d in plan.dispositions if d.exempt)
    if exempt:
        yield f"ct mark & {plan.marks.disposition_mask:#010x} vmap {{ {exempt} }}"
    if subscribers.default:
        yield f"meta priority set {number_text(subscribers.default)}"
    for name, _ in maps(plan):
        yield f"meta priority set {_asked(name, direction)} map @{name}"
    if subscribers.on_demand:
        yield f"meta priority & {NO_DIRECTION:#010x} == {NO_CLASS:#010x} goto asleep_{direction}"
    found = f"meta priority & {NO_DIRECTION:#010x} == 0x0"
    offsets = _offsets(plan, subscribers)
    if offsets:
        # No named map: its elements would not be listed where the hosts' are not.
        ways = [f"{plan.marks.disposition(n):#010x} : jump {direction}_{offset}" for n, offset in offsets.items()]
        for mark in ("ct mark", "ct state invalid meta mark"):
            yield f"{found} {mark} & {plan.marks.disposition_mask:#010x} vmap {{ {', '.join(ways)} }}"
    rest = subscribers.shares[0][1] if subscribers.shares else 0
    yield f"{found} meta priority set meta priority | {classid(MAJORS[direction], rest):#010x}"
    bits = plan.marks.route_mask | plan.marks.disposition_mask
    for tree in range(1, subscribers.trees + 1):
        # The connection has its decision: these bits of the packet's mark are free to say which IFB.
        major = MAJORS[direction] | tree << TREE_SHIFT
        tag = tree_tag(plan, tree)
        keep = ~bits & 0xFFFFFFFF
        yield f"meta priority & 0xffff0000 == {major << 16:#010x} meta mark set meta mark & {keep:#010x} | {tag:#010x}"


def _asked(name: str, direction: Direction) -> str:
    """What is looked up in a map."""
    far = "saddr" if direction == "up" else "daddr"
    if name == BY_DEVICE:
        return "iifname" if direction == "up" else "oifname"
    if name in SEEN:
        return "vlan id" if name == BY_VLAN else f"ether {far}"
    version, length = (4, 32) if name == LEARNT[4] else (6, 128) if name == LEARNT[6] else of_name(name)
    bits = SIZES[version]
    mask = ((1 << length) - 1 << (bits - length)).to_bytes(bits // 8, "big")
    kind = socket.AF_INET if version == 4 else socket.AF_INET6
    return f"{WORD[version]} {far}" + ("" if length == bits else f" & {socket.inet_ntop(kind, mask)}")


def _offsets(plan: KernelPlan, subscribers: SubscriberPlan) -> dict[int, int]:
    """Disposition → offset of its class, where that is not the one of all other traffic."""
    offsets = dict(subscribers.shares[1:])
    return {d.number: offsets[d.class_] for d in plan.dispositions if d.class_ in offsets}


def _asleep(plan: KernelPlan, direction: Direction) -> Iterator[str]:
    """Notes whose branch is wanted; then the packet gets the link's class back, as the table before has given it."""
    note = f"update @{WANTED} {{ meta priority }}"
    yield f"ct status assured {note}"
    if direction == "up":
        yield f"ct direction original {note}"
    else:
        above = f"limit rate over {NOISE} bytes/second burst {16 * NOISE} bytes"
        yield f"update @{NOISY} {{ meta priority {above} }} {note}"
    tree = next(tree for tree in plan.trees if tree.direction == direction)
    minors = {c.name: c.minor for c in tree.classes}
    yield f"meta priority set {_class_text(direction, minors[tree.default])}"
    others = [
        f"{plan.marks.disposition(d.number):#010x} : {_class_text(direction, minors[d.class_])}"
        for d in plan.dispositions
        if d.class_ in minors and d.class_ != tree.default
    ]
    if others:
        yield f"meta priority set ct mark & {plan.marks.disposition_mask:#010x} map {{ {', '.join(others)} }}"


def _class_text(direction: Direction, minor: int) -> str:
    return classid_text(MAJORS[direction], minor)


def tree_tag(plan: KernelPlan, tree: int) -> int:
    """The packet's mark, under the route's and the disposition's bits, of what goes by a tree's IFB."""
    return plan.marks.route_mask | tree << plan.marks.shift
