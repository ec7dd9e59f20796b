"""The interfaces: there, up, the right way round, and without features that take packets past us."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from dpi.enforce import sysctl
from dpi.enforce.doctor.finding import Finding, ok
from dpi.enforce.names import MAJORS
from dpi.enforce.qdisc import message
from dpi.enforce.resource import Handles
from dpi.enforce.routes import leads_to, up
from dpi.enforce.run import attempt
from dpi.errors import KernelError
from dpi.policy.plan import KernelPlan

# ethtool's name: (why it must be off)
OFFLOADS = {
    "large-receive-offload": "merged packets cannot be forwarded as they came; GRO is the one that can be on",
    "rx-gro-hw": "some hardware merges more than can be split again when it is forwarded",
    "hw-tc-offload": "flows in hardware pass our hooks by",
}


def examine(plan: KernelPlan | None, handles: Handles) -> Iterator[Finding]:
    if plan is None:
        return
    present = []
    for name in dict.fromkeys(i.name for i in plan.interfaces):
        try:
            index = handles.index(name)
        except KernelError:
            yield Finding(
                "error",
                name,
                "there is no such interface here",
                "the policy names it",
                "correct the policy's `interfaces`, or make the interface before dpi starts",
            )
            continue
        present.append(name)
        if not up(handles.ip, index):
            yield Finding("warning", name, "is down, or has no carrier", "nothing passes", f"ip link set {name} up")
        else:
            yield ok(name, "is up")
        yield from offloads(name)
        yield from speed(plan, name)
        yield from root_qdisc(plan, handles, name, index)
    if len(present) == len({i.name for i in plan.interfaces}) and plan.mode == "router":
        yield from right_way_round(plan, handles)
    yield from next_hops(plan, handles)
    yield from reverse_paths(plan)


def offloads(name: str) -> Iterator[Finding]:
    if not shutil.which("ethtool"):
        return
    code, listing, _ = attempt(["ethtool", "-k", name])
    if code:
        return
    for feature, why in OFFLOADS.items():
        if re.search(rf"^{feature}: on", listing, re.M):
            short = {"large-receive-offload": "lro"}.get(feature, feature)
            yield Finding("warning", name, f"{feature} is on", why, f"ethtool -K {name} {short} off")


def speed(plan: KernelPlan, name: str) -> Iterator[Finding]:
    try:
        megabits = int(Path(f"/sys/class/net/{name}/speed").read_text())
    except (OSError, ValueError):
        return  # virtual devices have none
    for tree in plan.trees:
        if tree.device == name and 0 < megabits * 10**6 < tree.rate:
            yield Finding(
                "warning",
                name,
                f"its speed is {megabits} Mbit/s, less than the link's rate of {tree.rate // 10**6} Mbit/s",
                "packets then queue in the card, where classes mean nothing",
                "set `link:` to what the line really carries",
            )


def root_qdisc(plan: KernelPlan, handles: Handles, name: str, index: int) -> Iterator[Finding]:
    if not any(t.device == name and t.ifb is None for t in plan.trees):
        return
    for qdisc in handles.ip.get_qdiscs(index):
        major = qdisc["handle"] >> 16
        if qdisc["parent"] == message.ROOT and major and major not in MAJORS.values():
            kind = qdisc.get_attr("TCA_KIND")
            yield Finding(
                "error",
                name,
                f"has a root qdisc that is not ours ({kind} {major:x}:)",
                "there is room for one, and classes need it",
                f"tc qdisc del dev {name} root, and end what sets it up",
            )


def right_way_round(plan: KernelPlan, handles: Handles) -> Iterator[Finding]:
    """The default route is the surest sign of which side the Internet is on."""
    lan = {i.name for i in plan.interfaces if i.role == "lan"}
    wan = {i.name for i in plan.interfaces if i.role == "wan"}
    ways = {d for a in ("192.0.2.1", "2001:db8:ffff::1") if (d := _way(handles, a))}
    if ways and ways <= lan - wan:
        yield Finding(
            "warning",
            "interfaces",
            f"the default route leaves by {', '.join(sorted(ways))}, which the policy calls lan",
            "with lan and wan swapped, up is down, and local hosts are taken for servers",
            "swap them in the policy's `interfaces`, unless the box is meant to face this way",
        )
    elif ways & wan:
        yield ok("interfaces", f"the default route leaves by {', '.join(sorted(ways & wan))}, a wan")
    else:
        where = f"leaves by {', '.join(sorted(ways))}, which is neither lan nor wan" if ways else "is missing"
        yield Finding(
            "note",
            "interfaces",
            f"the default route {where}",
            "what does not pass between lan and wan is not seen",
            "name the interface that leads to the Internet as wan",
        )


def _way(handles: Handles, address: str) -> str | None:
    """The device by which an address is reached, through a gateway or not."""
    try:
        found = handles.ip.route("get", family=10 if ":" in address else 2, dst=address)
        link = handles.ip.get_links(found[0].get_attr("RTA_OIF"))[0]
    except Exception:  # pyroute2 says "no route" in several ways
        return None
    return str(link.get_attr("IFLA_IFNAME"))


def next_hops(plan: KernelPlan, handles: Handles) -> Iterator[Finding]:
    for route in plan.routes:
        for hop in filter(None, (route.next_hop4, route.next_hop6)):
            if not route.device and leads_to(handles.ip, hop) is None:
                yield Finding(
                    "warning",
                    f"cache {route.name}",
                    f"{hop} is not on a network that this box is connected to",
                    "its traffic takes the normal way",
                    "correct `next_hop`, or bring up the interface that leads there",
                )


def reverse_paths(plan: KernelPlan) -> Iterator[Finding]:
    if not plan.routes:
        return
    for name in dict.fromkeys(i.name for i in plan.interfaces):
        if sysctl.strict(name):
            yield Finding(
                "note",
                name,
                "strict reverse-path filtering (rp_filter=1)",
                "what caches answer may come in where the main table would not send it; we set it to loose (2) "
                "on the wan side while we run and put it back",
                f"sysctl -w net.ipv4.conf.{name}.rp_filter=2, to have it so for good",
            )
