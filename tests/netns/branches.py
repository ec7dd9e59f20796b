"""A plan with subscribers for tests: alone, behind a site, and everyone else; in the link's tree or in others."""

from __future__ import annotations

from dataclasses import replace

from world import MBIT, plan

from dpi.policy.plan import Branch, KernelPlan, PlannedShare, Shape, SubscriberPlan

ONE, OTHER, UNKNOWN = "10.7.0.2", "10.7.0.3", "10.7.0.4"


def alone(rate: int) -> Shape:
    return Shape(rate, rate, rate, burst=rate // 8 // 5)


def shared(rate: int, video: int) -> Shape:
    """A class for all other traffic, and one for video that is held to a rate."""
    burst = rate // 8 // 5
    rest = PlannedShare(1, rate - video, rate, 4, "bfifo")
    return Shape(rate, rate, rate, burst, (rest, PlannedShare(2, video, video, 4, "bfifo")))


def with_subscribers(trees: int = 0, *, one: int = 20 * MBIT, default: bool = True, more: int = 0) -> KernelPlan:
    """`one` alone in a class; `other`, behind a site, with two; the rest of the world, if it has a tariff."""
    first, second = (1 << 16, trees << 16) if trees else (0, 0)
    branches = [
        Branch("site/north", second | 0x400, 0, alone(100 * MBIT), alone(100 * MBIT)),
        Branch("one", first | 0x40F, 0, alone(one), alone(one), (f"{ONE}/32", "fd07::2/128")),
        Branch(
            "other",
            second | 0x410,
            second | 0x400,
            shared(40 * MBIT, 10 * MBIT),
            shared(40 * MBIT, 10 * MBIT),
            ("10.7.0.0/30",),  # holds one's address too: the longest prefix counts
        ),
        Branch("default/", first | 0x420, 0, shared(8 * MBIT, 2 * MBIT), shared(8 * MBIT, 2 * MBIT)),
    ]
    branches += [
        Branch(f"s{n}", first | 0x440 + 8 * n + 7, 0, alone(MBIT), alone(MBIT), (f"10.8.{n >> 8}.{n & 255}/32",))
        for n in range(more)
    ]
    chosen = tuple(b for b in branches if default or b.name != "default/")
    subscribers = SubscriberPlan(trees, (("rest", 1), ("video", 2)), chosen, first | 0x420 if default else 0)
    return replace(plan(routes=()), subscribers=subscribers)
