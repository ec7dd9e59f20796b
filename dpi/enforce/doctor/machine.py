"""The kernel's features, forwarding, conntrack and the queues."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from dpi.enforce import sysctl
from dpi.enforce.doctor.finding import Finding, ok
from dpi.enforce.probe import Features
from dpi.policy.plan import KernelPlan

QUEUES = Path("/proc/net/netfilter/nfnetlink_queue")
FULL = 0.8  # of the conntrack table: time to speak


def examine(plan: KernelPlan | None, features: Features) -> Iterator[Finding]:
    yield from tools(features)
    yield from queueing(plan, features)
    yield from shaping(plan, features)
    yield from forwarding(plan)
    yield from conntrack(features)
    yield from queues(plan)


def tools(features: Features) -> Iterator[Finding]:
    if not shutil.which("nft"):
        yield Finding("error", "nft", "nft is not installed", "all our rules are nftables'", "apt install nftables")
    elif not features.nft:
        yield Finding(
            "error",
            "nft",
            f"nft {features.nft_version} or the kernel's nf_tables lacks something that our table uses",
            "the table cannot be loaded",
            "nft 0.9.7 and kernel 5.10 or newer, with nft_ct, nft_reject, nft_objref and sets with timeouts",
        )
    else:
        yield ok("nft", f"nft {features.nft_version} and the kernel take our table")


def queueing(plan: KernelPlan | None, features: Features) -> Iterator[Finding]:
    bridged = plan is not None and plan.mode == "bridge"
    if bridged and not features.nft_bridge:
        yield Finding(
            "error",
            "queue",
            "bridged packets cannot be queued, tracked and refused here",
            "bridge mode needs nft_queue, nf_conntrack_bridge and nft_reject_bridge",
            "a kernel with these modules",
        )
    elif features.nft_queue:
        yield ok("queue", "nft's queue statement")
    elif features.iptables_queue and features.ip6tables_queue:
        yield Finding(
            "note",
            "queue",
            "this kernel has no nft queue statement; the queue step goes through iptables",
            "works the same, in a chain DPI-QUEUE of the mangle tables",
            "for a single home of all rules: a kernel with nft_queue",
        )
    else:
        yield Finding(
            "error",
            "queue",
            "packets can be queued neither by nft nor by iptables and ip6tables",
            "user space sees nothing, so nothing is named",
            "load nft_queue, or xt_NFQUEUE and xt_connmark with iptables and ip6tables installed",
        )
    if not features.conntrack_events:
        yield Finding(
            "warning",
            "conntrack",
            "no conntrack events (nf_conntrack_netlink)",
            "records of flows that the kernel has taken over lack their final bytes",
            "modprobe nf_conntrack_netlink",
        )


def shaping(plan: KernelPlan | None, features: Features) -> Iterator[Finding]:
    wanted = plan is None or bool(plan.trees)
    if not features.htb:
        yield Finding("error" if wanted else "note", "htb", "no htb qdisc", "classes need it", "modprobe sch_htb")
    leaves = features.leaves()
    if not leaves:
        yield Finding("error", "leaves", "neither cake nor fq_codel nor pfifo", "classes end in one of them", "")
    elif leaves[0] == "cake":
        yield ok("leaves", "cake")
    else:
        yield Finding(
            "note",
            "leaves",
            f"leaves are {leaves[0]}: this kernel has no cake",
            "hosts within a class are not kept fair to each other"
            + ("" if leaves[0] == "fq_codel" else ", and its queue is as long as it gets"),
            "modprobe sch_cake" + ("" if leaves[0] == "fq_codel" else ", or sch_fq_codel"),
        )
    if plan and any(t.ifb for t in plan.trees) and not (features.ifb and features.redirect):
        yield Finding(
            "error",
            "ifb",
            "no ifb, clsact, cls_bpf or act_mirred",
            "both directions on one device need them",
            "modprobe ifb sch_ingress cls_bpf act_mirred",
        )
    if plan and plan.routes and not features.policy_routing:
        yield Finding("error", "routing", "no policy routing by mark", "caches need it", "CONFIG_IP_MULTIPLE_TABLES")


def forwarding(plan: KernelPlan | None) -> Iterator[Finding]:
    if plan is not None and plan.mode == "bridge":
        if sysctl.number("net/bridge/bridge-nf-call-iptables") or sysctl.number("net/bridge/bridge-nf-call-ip6tables"):
            yield Finding(
                "error",
                "br_netfilter",
                "bridged packets go through iptables (br_netfilter)",
                "it clones packets of unconfirmed connections, and the kernel then drops queued ones",
                "sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0",
            )
        return
    for path, name in (("net/ipv4/ip_forward", "IPv4"), ("net/ipv6/conf/all/forwarding", "IPv6")):
        if sysctl.read(path) is None:
            continue
        if sysctl.number(path):
            yield ok("forwarding", f"{name} is forwarded")
        else:
            yield Finding(
                "error" if name == "IPv4" else "warning",
                "forwarding",
                f"{name} is not forwarded",
                "the box is no router then, and there is nothing to see",
                f"sysctl -w {path.replace('/', '.')}=1",
            )


def conntrack(features: Features) -> Iterator[Finding]:
    if not features.accounting:
        yield Finding(
            "warning",
            "conntrack",
            "connections' bytes are not counted (no nf_conntrack_acct)",
            "records and totals of flows that the kernel has taken over stay at zero",
            "a kernel whose conntrack has accounting",
        )
    used = sysctl.number("net/netfilter/nf_conntrack_count")
    size = sysctl.number("net/netfilter/nf_conntrack_max")
    if size and used > size * FULL:
        yield Finding(
            "warning",
            "conntrack",
            f"the conntrack table is nearly full: {used} of {size}",
            "connections beyond it are dropped by the kernel",
            f"sysctl -w net.netfilter.nf_conntrack_max={size * 2}",
        )
    elif size:
        yield ok("conntrack", f"{used} of {size} connections")


def queues(plan: KernelPlan | None) -> Iterator[Finding]:
    """/proc/net/netfilter/nfnetlink_queue: number, port id, waiting, mode, range, dropped, user dropped, id, 1."""
    try:
        lines = [line.split() for line in QUEUES.read_text().splitlines()]
    except OSError:
        return
    ours = range(plan.queue_base, plan.queue_base + plan.queues) if plan else None
    for line in lines:
        if len(line) < 8 or not all(word.isdigit() for word in line[:8]):
            continue
        number, owner, waiting, _, _, dropped, user_dropped, _ = map(int, line[:8])
        if ours is not None and number not in ours:
            continue
        if dropped or user_dropped:
            yield Finding(
                "warning",
                f"queue {number}",
                f"{dropped} packets did not fit the queue, {user_dropped} not its socket (since port {owner} bound it)",
                "with fail-open they passed unseen; without, they were lost",
                "more queues (`queue: {count: …}`), or fewer packets a flow before it is decided",
            )
        elif waiting > 512:
            yield Finding(
                "warning",
                f"queue {number}",
                f"{waiting} packets wait for user space",
                "its reader is slow, or stuck",
                "look at the load of the machine, and at `dpi status`",
            )
        else:
            yield ok(f"queue {number}", "nothing lost")
