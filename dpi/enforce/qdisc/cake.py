"""CAKE as the leaf of a class: fair between hosts, then between flows, with COBALT's short queue.

`unlimited`, as HTB is what holds the rate (with a shaper of its own below HTB, the kernel complains of
"non-work-conserving").  Best effort, as the class already is the priority.  Fair by the LAN's hosts: they are
the sources of uploads and the destinations of downloads; `nat` finds them behind this box's own NAT, and
costs nothing where there is none.  Splits GSO packets below 1 Gbit/s, where 64 kB take longer than 0.5 ms.
"""

from __future__ import annotations

from dpi.enforce.qdisc.leaf import Leaf, Purpose

BEST_EFFORT = 3  # enum CAKE_DIFFSERV_* in linux/pkt_sched.h
DUAL_SRC_HOST = 5  # enum CAKE_FLOW_*
DUAL_DST_HOST = 6
SPLIT_BELOW = 10**9  # bit/s

NAMES = {
    "base_rate": "TCA_CAKE_BASE_RATE64",
    "diffserv": "TCA_CAKE_DIFFSERV_MODE",
    "flow_mode": "TCA_CAKE_FLOW_MODE",
    "nat": "TCA_CAKE_NAT",
    "split_gso": "TCA_CAKE_SPLIT_GSO",
}


def wanted(purpose: Purpose) -> Leaf:
    return Leaf.of(
        "cake",
        base_rate=0,
        diffserv=BEST_EFFORT,
        flow_mode=DUAL_DST_HOST if purpose.direction == "down" else DUAL_SRC_HOST,
        nat=int(not purpose.bridged),
        split_gso=int(purpose.ceil < SPLIT_BELOW),
    )
