"""Checks of connection tracking: it carries our decisions and counts what we let go."""

from __future__ import annotations

from collections.abc import Iterator

from dpi.enforce import sysctl
from dpi.enforce.doctor.box import PROC_NET, Box
from dpi.enforce.doctor.check import Found, check, error, note, ok, warning

COUNT, MAX = "net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max"
BUCKETS = "net/netfilter/nf_conntrack_buckets"
FULL, FILLING = 0.95, 0.75
CHAIN = 8  # entries a bucket from which looking up costs


@check(
    "accounting",
    "net.netfilter.nf_conntrack_acct",
    "The bytes of decided flows are counted by conntrack, and only those of connections that begin after it is on",
)
def accounting(box: Box) -> Iterator[Found]:
    value = box.sysctl(sysctl.ACCOUNTING)
    fix = "sysctl -w net.netfilter.nf_conntrack_acct=1"
    if value is None:
        yield note("conntrack is not in use yet; `dpi run` brings it in")
    elif value:
        yield ok("on")
    elif box.status is not None:
        yield error("off, although dpi runs: somebody has set it since", fix)
    else:
        yield note("off; `dpi run` sets it while it runs", f"{fix} (in /etc/sysctl.d, to count from the start)")


@check(
    "conntrack-table",
    "net.netfilter.nf_conntrack_max: against flows.max, how full the table is, and its buckets",
    "When the table is full the kernel drops the first packet of every new connection",
)
def table(box: Box) -> Iterator[Found]:
    limit, used, buckets = box.sysctl(MAX), box.sysctl(COUNT), box.sysctl(BUCKETS)
    if not limit:
        yield note("conntrack is not in use yet")
        return
    fix = f"sysctl -w net.netfilter.nf_conntrack_max={limit * 2}"
    share = (used or 0) / limit
    says = f"{used} of {limit} connections ({share:.0%})"
    if share >= FULL:
        yield error(f"nearly full: {says}", fix)
    elif share >= FILLING:
        yield warning(f"filling: {says}", fix)
    else:
        yield ok(says)
    flows = box.plan.engine.max_flows if box.plan else None
    if flows and limit < flows:
        yield note(
            f"flows.max is {flows}, and the kernel tracks {limit} connections at most",
            f"sysctl -w net.netfilter.nf_conntrack_max={flows}, or flows: max: {limit}",
            "The flow table then has room that is never used",
        )
    elif flows and limit > flows * 2:
        yield note(
            f"flows.max is {flows}, and the kernel tracks up to {limit} connections",
            f"flows: max: {limit}",
            "Beyond flows.max the oldest flows are forgotten; their connections keep their class",
        )
    if buckets and limit / buckets > CHAIN:
        yield note(
            f"{limit} connections in {buckets} buckets: looking one up is slow when the table is full",
            f"echo {limit // 2} > /sys/module/nf_conntrack/parameters/hashsize",
        )


@check(
    "conntrack-drops",
    "/proc/net/stat/nf_conntrack: what conntrack dropped since the start",
    "These packets were lost before any rule saw them",
)
def drops(box: Box) -> Iterator[Found]:
    path = PROC_NET / "stat" / "nf_conntrack"
    if not path.exists():
        yield note("the kernel does not tell (no conntrack, or without CONFIG_NF_CONNTRACK_PROCFS)")
        return
    counts = counters(path.read_text())
    lost = {name: counts.get(name, 0) for name in ("drop", "early_drop")}
    if any(lost.values()):
        yield warning(
            f"drop {lost['drop']}, early_drop {lost['early_drop']} since the start",
            f"sysctl -w net.netfilter.nf_conntrack_max={(box.sysctl(MAX) or 65536) * 2}; see whether it still grows",
        )
    else:
        yield ok("nothing")


def counters(text: str) -> dict[str, int]:
    """The columns of /proc/net/stat/nf_conntrack, hexadecimal, summed over CPUs (`entries` is of all in each line)."""
    head, *lines = text.splitlines() or [""]
    total = dict.fromkeys(head.split(), 0)
    for line in lines:
        for name, value in zip(total, line.split(), strict=False):
            total[name] += int(value, 16)
    return total
