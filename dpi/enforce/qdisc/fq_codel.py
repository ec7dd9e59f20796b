"""fq_codel as the leaf of a class: a queue a flow, each held to CoDel's short delay (RFC 8290).

CoDel's target must be above the time that one full packet takes (RFC 8289, 4.4), so slow classes get a longer
target and interval.  The kernel keeps times in units of 1,024 ns, so values are rounded as it rounds them.
"""

from __future__ import annotations

from dpi.enforce.qdisc.leaf import MTU, Leaf, Purpose

NAMES = {
    "target": "TCA_FQ_CODEL_TARGET",  # microseconds
    "interval": "TCA_FQ_CODEL_INTERVAL",
    "limit": "TCA_FQ_CODEL_LIMIT",  # packets
    "flows": "TCA_FQ_CODEL_FLOWS",
    "quantum": "TCA_FQ_CODEL_QUANTUM",  # bytes
}

FEW_FLOWS = 128  # of one subscriber's class: 9 kB where 1,024 would take 70


def wanted(purpose: Purpose) -> Leaf:
    packet = MTU * 8 * 1_000_000 // max(purpose.ceil, 1)  # microseconds on the wire
    target = max(5_000, packet * 3 // 2)
    return Leaf.of(
        "fq_codel",
        target=as_kept(target),
        interval=as_kept(max(100_000, 95_000 + target)),
        limit=10240,
        flows=FEW_FLOWS if purpose.one_of_many else 1024,
        quantum=MTU,
    )


def changes_in_place(before: Leaf, leaf: Leaf) -> bool:
    """fq_codel_change() refuses any number of flows once there is one, be it the same (net/sched/sch_fq_codel.c)."""
    return dict(before.options).get("flows") == dict(leaf.options)["flows"]


def sent(name: str, value: int) -> int:
    """What to send so that the kernel keeps `value`: rounding what was rounded already would lose one more."""
    rounded = name in ("target", "interval") and as_kept(value) != value
    return value + 1 if rounded else value


def as_kept(microseconds: int) -> int:
    """codel_time_to_us(us * NSEC_PER_USEC >> CODEL_SHIFT), include/net/codel.h."""
    return ((microseconds * 1000 >> 10) << 10) // 1000
