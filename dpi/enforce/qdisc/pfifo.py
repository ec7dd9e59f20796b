"""pfifo as the leaf of a class, where the kernel has nothing better: one queue, as long as 200 ms of the rate.

Much shorter, and TCP does not reach the rate over a long path; the kernel's own default of 1,000 packets is
12 s at 1 Mbit/s.
"""

from __future__ import annotations

from dpi.enforce.qdisc.leaf import MTU, Leaf, Purpose

NAMES = {"limit": "limit"}  # packets; a plain structure, not attributes
QUEUE = 0.2  # seconds


def wanted(purpose: Purpose) -> Leaf:
    packets = int(purpose.ceil / 8 * QUEUE / MTU)
    return Leaf.of("pfifo", limit=min(max(packets, 16), 10_000))
