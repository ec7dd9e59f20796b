"""Which qdisc stands at the end of a class: the best that this kernel has, or the one that was asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable
from functools import lru_cache
from typing import Any

from dpi.enforce.netlink import attribute, message
from dpi.enforce.qdisc import bfifo, cake, fq_codel
from dpi.enforce.qdisc.leaf import Leaf, Purpose
from dpi.enforce.qdisc.read import NEW_QDISC, TCMSG
from dpi.errors import KernelError
from dpi.policy import plan

KINDS: dict[str, tuple[Callable[[Purpose], Leaf], dict[str, str]]] = {  # best first
    "cake": (cake.wanted, cake.NAMES),
    "fq_codel": (fq_codel.wanted, fq_codel.NAMES),
    "bfifo": (bfifo.wanted, {}),
}

LACKS = {"fq_codel": "no CAKE", "bfifo": "neither CAKE nor fq_codel, so one flow can starve the others of its class"}

# What one of them takes when it is empty, by the structures in net/sched/: CAKE has eight tins of 1,024 flows, used or
# not; fq_codel, of subscribers, FEW_FLOWS.
BYTES = {"cake": 8 * 86_000, "fq_codel": fq_codel.FEW_FLOWS * 68 + 1_000}


def choose(asked: plan.Leaf, purpose: Purpose, have: Container[str], class_: str) -> Leaf:
    """`have`: the kinds that the kernel offers.  KernelError when the one asked for is not among them."""
    if asked != "auto" and asked not in have:
        offered = ", ".join(kind for kind in KINDS if kind in have)
        raise KernelError(
            f"class {class_}: this kernel has no {asked} qdisc (it has {offered}); "
            f"load sch_{asked}, or say `leaf: auto`"
        )
    kind = asked if asked != "auto" else next(k for k in KINDS if k in have)
    return KINDS[kind][0](purpose)


def encode(leaf: Leaf, before: Leaf | None = None) -> Any:
    """The leaf's TCA_OPTIONS for pyroute2; where it stands already, of what is other than `before` alone."""
    names = KINDS[leaf.kind][1]
    if leaf.kind == "bfifo":
        return bfifo.encode(leaf)
    options = [(name, value) for name, value in leaf.options if not before or (name, value) not in before.options]
    if leaf.kind == "fq_codel":
        return {"attrs": [[names[name], fq_codel.sent(name, value)] for name, value in options]}
    return {"attrs": [[names[name], value] for name, value in options]}


def changes_in_place(before: Leaf | None, leaf: Leaf) -> bool:
    """Whether the kernel can make the one the other without making it anew, which drops what waits in it."""
    if before is None or before.kind != leaf.kind:
        return False
    return leaf.kind != "fq_codel" or fq_codel.changes_in_place(before, leaf)


@lru_cache(maxsize=4096)
def known(kind: str, options: bytes) -> Leaf:
    """A leaf from the kernel's own bytes, of which there are few: thousands of leaves have the same."""
    from pyroute2.netlink.rtnl.tcmsg import tcmsg

    if kind not in KINDS or not options:
        return Leaf(kind, ())
    if kind == "bfifo":
        return bfifo.decode(options)
    payload = attribute(1, kind.encode() + b"\0") + attribute(2, options)
    listed = tcmsg(message(NEW_QDISC, 0, 0, TCMSG.pack(0, 0, 0, 0, 0) + payload))
    listed.decode()
    found = listed.get_attr("TCA_OPTIONS")
    names = KINDS[kind][1]
    return Leaf.of(kind, **{n: int(found.get_attr(a)) for n, a in names.items() if found.get_attr(a) is not None})


def affordable(have: Iterable[str], leaves: int) -> list[str]:
    """The kinds of which so many fit into an eighth of this machine's memory; bfifo always does."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8
    return [kind for kind in have if leaves * BYTES.get(kind, 0) <= memory]
