"""Checks of the kernel, the programs, the rights: what this box can do at all."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dpi.enforce.doctor.box import Box
from dpi.enforce.doctor.check import Found, check, error, note, ok, warning
from dpi.enforce.probe import Features, nft_version
from dpi.enforce.run import attempt
from dpi.errors import KernelError
from dpi.policy.plan import KernelPlan

CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_NET_RAW": 13, "CAP_SYS_ADMIN": 21}
OLDEST_NFT = (1, 0, 2)


@check(
    "rights",
    "the user and the capabilities of this process",
    "Queues, nftables, tc and sysctls need root (CAP_NET_ADMIN); trying features needs a namespace (CAP_SYS_ADMIN)",
)
def rights(box: Box) -> Iterator[Found]:
    if not box.root:
        yield note("not root: what only root may read is left out, and `dpi run` needs root", "sudo dpi doctor")
        return
    missing = [name for name, bit in CAPABILITIES.items() if not _capabilities() >> bit & 1]
    if missing:
        yield error(
            f"root without {', '.join(missing)}",
            "give the container these capabilities, as in docker run --cap-add NET_ADMIN --cap-add NET_RAW",
        )
    else:
        yield ok("root, with the capabilities that are needed")


def _capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


@check(
    "extension",
    "the compiled modules of this installation",
    "Packets are read and named in compiled code; it has to be built for this Python",
)
def extension(box: Box) -> Iterator[Found]:
    for name, fault in box.module_faults.items():
        yield error(
            f"{name} cannot be imported: {fault}",
            "pip install --force-reinstall dpi (in a checkout: python setup.py build_ext --inplace)",
        )
    if not box.module_faults:
        yield ok(f"present, for Python {platform.python_version()}")


@check(
    "programs",
    "nft, iptables, ip6tables and their versions",
    "Our table is loaded by nft; iptables is needed only where the kernel's nft has no queue statement",
)
def programs(box: Box) -> Iterator[Found]:
    version = nft_version()
    numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
    if not version:
        yield error("nft is not installed, or not in PATH", "apt install nftables")
    elif numbers < OLDEST_NFT:
        oldest = ".".join(map(str, OLDEST_NFT))
        yield warning(f"nft {version} is older than {oldest}, with which this was tried", "apt install nftables")
    else:
        yield ok(f"nft {version}")
    missing = [tool for tool in ("iptables", "ip6tables") if not shutil.which(tool)]
    if not missing:
        yield ok(f"iptables {_iptables_version()}")
    elif box.root and not box.features.nft_queue:
        yield error(
            f"{' and '.join(missing)} not installed, and this kernel's nft cannot queue", "apt install iptables"
        )
    else:
        yield ok(f"{' and '.join(missing)} not installed, not needed where nft can queue")


def _iptables_version() -> str:
    try:
        return attempt(["iptables", "--version"])[1].removeprefix("iptables ").strip().lstrip("v")
    except KernelError as fault:
        return str(fault)


@dataclass(frozen=True)
class Need:
    """What a feature is for, and the modules that bring it."""

    what: str
    modules: tuple[str, ...]


NEEDS = {
    "nft": Need("nftables with all that our table uses", ("nf_tables", "nft_ct", "nft_reject_inet", "nft_limit")),
    "nft_queue": Need("nft's queue statement", ("nft_queue", "nfnetlink_queue")),
    "nft_bridge": Need("nft on bridges: conntrack, reject, queue", ("nf_conntrack_bridge", "nft_reject_bridge")),
    "hashing": Need("nft's hash of addresses, for caches of several machines", ("nft_hash",)),
    "tproxy": Need("nft's TPROXY, for a proxy on this box", ("nft_tproxy", "nft_socket", "nft_fib_inet")),
    "policing": Need("nft's limits for each host and flow", ("nft_limit", "nft_dynset")),
    "nflog": Need("copies of headers to NFLOG groups", ("nft_log", "nfnetlink_log")),
    "iptables_queue": Need("iptables' NFQUEUE and connmark", ("xt_NFQUEUE", "xt_connmark", "nfnetlink_queue")),
    "ip6tables_queue": Need("ip6tables' NFQUEUE and connmark", ("xt_NFQUEUE", "xt_connmark", "nfnetlink_queue")),
    "htb": Need("HTB, the tree of classes", ("sch_htb",)),
    "cake": Need("CAKE, the best leaf", ("sch_cake",)),
    "fq_codel": Need("fq_codel, the second best leaf", ("sch_fq_codel",)),
    "bfifo": Need("bfifo, the leaf that is always there", ()),
    "ifb": Need("IFB devices, where several interfaces share a link", ("ifb",)),
    "redirect": Need("redirecting to an IFB, mirrors to a device", ("sch_ingress", "cls_bpf", "act_mirred")),
    "policy_routing": Need("routing by mark, IPv4 and IPv6", ()),
    "accounting": Need("conntrack's byte counters", ("nf_conntrack",)),
    "conntrack_events": Need("conntrack over netlink: final counters, marks of flows", ("nf_conntrack_netlink",)),
}


def needed(features: Features, plan: KernelPlan | None) -> dict[str, str]:
    """The features without which this policy cannot be put in force, and why.  Without a policy: no policy could."""
    reasons = {"nft": "our table cannot be loaded", "conntrack_events": "decided flows are counted and ended by it"}
    if plan is not None and plan.mode == "bridge":
        reasons["nft_bridge"] = "bridge mode needs it"
    elif not features.nft_queue:
        reasons["iptables_queue"] = reasons["ip6tables_queue"] = "nft cannot queue either"
    if plan is None or plan.trees:
        reasons["htb"] = "classes need it"
    if plan is not None and any(d.police for d in plan.dispositions):
        reasons["policing"] = "rules with police, per_host or per_flow need it"
    if plan is not None and any(d.mirror is not None or d.redirect for d in plan.dispositions):
        reasons["nflog"] = "rules with mirror or redirect need it"
    if plan is not None and plan.routes:
        reasons["policy_routing"] = "caches need it"
        if any(len(routes) > 1 and routes[0].kind != "dns" for routes in plan.caches.values()):
            reasons["hashing"] = "caches of several machines need it"
        if any(route.here for route in plan.routes):
            reasons["tproxy"] = "a proxy on this box needs it"
    if plan is not None and any(d.copy for d in plan.dispositions):
        reasons["redirect"] = "a mirror to a device needs it"
    if plan is not None and any(tree.ifb for tree in plan.trees):
        reasons["ifb"] = reasons["redirect"] = "in this policy several interfaces share a link"
    return reasons


def wanted(features: Features, plan: KernelPlan | None) -> set[str]:
    """The features that are worth a word when they are missing though nothing needs them."""
    found = {"accounting"}
    if plan is None or plan.mode == "router":
        found.add("nft_queue")
    if plan is None:
        found |= {"nft_bridge", "policy_routing", "ifb", "redirect"}
    if plan is None or plan.trees:
        found.add("cake")
        if not features.cake:
            found.add("fq_codel")
    return found


@check(
    "features",
    "what the kernel can do, each feature tried in a network namespace that is thrown away",
    "What is missing decides how packets are queued and shaped here, or whether they can be",
)
def features(box: Box) -> Iterator[Found]:
    have, plan = box.features, box.plan.kernel if box.plan else None
    must, may = needed(have, plan), wanted(have, plan)
    for name, need in NEEDS.items():
        if getattr(have, name):
            continue
        if name in must:
            yield error(f"the kernel lacks {need.what}: {must[name]}", fix_of(need))
        elif name in may:
            yield note(f"the kernel lacks {need.what}", fix_of(need))
    working = [name for name in NEEDS if getattr(have, name)]
    yield ok(f"works: {', '.join(working)}")


@check(
    "queue-step",
    "by which rule undecided packets reach user space",
    "nft's own queue statement keeps all rules in one table; iptables does the same where the kernel lacks it",
)
def queue_step(box: Box) -> Iterator[Found]:
    have = box.features
    if box.plan and box.plan.kernel.mode == "bridge" and not have.nft_bridge:
        yield error("there is none: on a bridge only nft can queue, and here it cannot", fix_of(NEEDS["nft_bridge"]))
    elif have.nft_queue:
        yield ok("nft's queue statement")
    elif have.iptables_queue and have.ip6tables_queue:
        yield ok("iptables -j NFQUEUE, for this kernel's nft has no queue statement")
    else:
        yield error("there is none: neither nft nor iptables can queue here", fix_of(NEEDS["nft_queue"]))


@check(
    "leaf",
    "which qdisc a class ends in when the policy says `leaf: auto`, and whether those that it names are there",
    "CAKE and fq_codel keep delay low and share a class fairly between flows; bfifo does neither",
)
def leaf(box: Box) -> Iterator[Found]:
    have = box.features.leaves()
    if not have:
        yield error("there is no qdisc for classes to end in", fix_of(NEEDS["cake"]))
    elif have[0] == "bfifo":
        yield warning("bfifo: the kernel has neither CAKE nor fq_codel", fix_of(NEEDS["cake"]))
    else:
        yield ok(have[0])
    asked = {c.leaf for t in box.plan.kernel.trees for c in t.classes} - {None, "auto"} if box.plan else set()
    for kind in sorted(map(str, asked - set(have))):
        yield error(f"the policy asks for {kind}, which the kernel lacks", f"leaf: auto, or {fix_of(NEEDS[kind])}")


def fix_of(need: Need) -> str:
    """How to get a feature: load its modules, or a kernel that has them."""
    release = platform.release()
    if not Path("/proc/modules").exists():
        return "this kernel takes no modules: run one that has it (Debian: apt install linux-image-amd64)"
    there = available(need.modules, Path("/lib/modules") / release)
    if there is None:
        return f"/lib/modules/{release} is not there: reboot into the kernel that is installed, or install its modules"
    if there:
        return f"modprobe -a {' '.join(there)}"
    if not need.modules:
        return "run a kernel that has it (Debian: apt install linux-image-amd64)"
    wanted = ", ".join(need.modules)
    return f"run a kernel that has {wanted} (Debian: linux-image-amd64, Ubuntu: linux-modules-extra-{release})"


def available(modules: tuple[str, ...], folder: Path) -> tuple[str, ...] | None:
    """Those of these modules that are installed for the kernel and not loaded; None where it has no folder."""
    try:
        listed = (folder / "modules.dep").read_text().splitlines()
    except OSError:
        return None
    files = {Path(line.partition(":")[0]).name.partition(".")[0].replace("-", "_") for line in listed}
    return tuple(m for m in modules if m in files and not Path("/sys/module", m).exists())
