"""Who has no classes: on demand, the kernel itself is the record of who has.

A subscriber has classes where any of them is there, in either direction, or where a map gives packets to them.  So what
a killed daemon left is used on, what is there by half is made whole, and what is not there is not missed.
"""

from __future__ import annotations

from dpi.enforce.names import TREE_SHIFT
from dpi.enforce.nft.host_maps import ASLEEP
from dpi.enforce.nft.host_table import HostTable
from dpi.enforce.qdisc.branch import BranchClasses
from dpi.enforce.resource import State
from dpi.policy.branches import every_bit
from dpi.policy.plan import SubscriberPlan


def asleep(plan: SubscriberPlan | None, actual: State) -> frozenset[str]:
    """Names of the subscribers that have none, and need none."""
    if plan is None or not plan.on_demand:
        return frozenset()
    first = ~every_bit(plan.shares)  # a tariff with shares and one without differ in the other bits
    there = set()
    for each in actual.values():
        if isinstance(each, BranchClasses):
            there.add((each.major >> TREE_SHIFT << 16 | each.minor) & first)
        elif isinstance(each, HostTable):
            there.update(n & first for hosts in each.maps.values() for n in hosts.values() if not n & ASLEEP)
    return frozenset(b.name for b in plan.branches if b.is_subscriber and b.number & first not in there)
