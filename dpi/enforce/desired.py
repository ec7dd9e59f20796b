"""The state that a plan asks for, on this kernel, as resources; and what was chosen by availability."""

from __future__ import annotations

import re
import socket
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from dpi.enforce import iptables, subscribers, sysctl
from dpi.enforce.names import LINK_CLASS, MAJORS, Family
from dpi.enforce.nft import host_table
from dpi.enforce.nft.networks import versions
from dpi.enforce.nft.table import desired_table
from dpi.enforce.nft.text import copy_devices, table_text, way_pairs
from dpi.enforce.nft.view import Facts, family
from dpi.enforce.probe import Features
from dpi.enforce.qdisc import leaves
from dpi.enforce.qdisc.htb import HtbClass, HtbRoot, desired_class, link_class
from dpi.enforce.qdisc.ifb import IfbLink, Mirror, Redirect
from dpi.enforce.qdisc.leaf import Purpose
from dpi.enforce.resource import Handles, Resource, State, state_of
from dpi.enforce.routes import FAMILIES, MarkRule, NextHop, leads_to, rule_priority, up
from dpi.errors import KernelError
from dpi.policy.plan import KernelPlan, Route, Tree

UNSPEAKABLE = re.compile(r'["*\\]|\+$')


@dataclass
class Desired:
    state: State
    notes: list[str] = field(default_factory=list)


def desired(plan: KernelPlan, features: Features, handles: Handles, asleep: Container[str] = ()) -> Desired:
    """KernelError when the plan cannot be made true here, before anything is touched.

    `asleep`: names of subscribers that need no classes now.
    """
    check(plan, features, handles)
    away = absent(plan, handles)
    notes = [f"{name} is not there now: nothing is shaped on it until it comes" for name in away]
    hops = {route.number: next_hops(route, handles, notes) for route in plan.routes}
    by_nft = features.nft_bridge if plan.mode == "bridge" else features.nft_queue
    facts = Facts(by_nft, beyond(plan, hops, handles), on_lan(plan, hops))
    found: list[Resource] = []
    fed: dict[str, Tree] = {}
    for tree in plan.trees:
        if tree.ifb is None:
            if tree.device not in away:
                found += tree_resources(tree, tree.device, plan, features, notes)
                found += subscribers.trees(tree, tree.device, plan, features, notes, asleep)
            continue
        if tree.ifb not in fed:
            fed[tree.ifb] = tree
            found.append(IfbLink(tree.ifb))
            found += tree_resources(tree, tree.ifb, plan, features, notes)
            found += subscribers.trees(tree, tree.ifb, plan, features, notes, asleep)
        if tree.device not in away:
            found.append(Redirect(tree.device, tree.ifb, plan.marks.route_mask, plan.marks.route_mask))
    for route in plan.routes:
        for hop in hops[route.number]:
            mark, mask = plan.marks.route(route.number), plan.marks.route_mask
            found.append(hop)
            found.append(MarkRule(hop.version, rule_priority(route.number), mark, mask, route.table))
    tag = plan.marks.final
    copies = [(device, target) for device, target in copy_devices(plan, facts) if device not in away]
    found += [Mirror(device, target, tag, tag) for device, target in copies]
    name: Family = family(plan)
    found.append(desired_table(name, table_text(plan, facts)))
    if plan.subscribers:
        found.append(host_table.desired(plan, facts, asleep))
    if not by_nft:
        pairs = way_pairs(plan, facts)
        found += [iptables.desired_step(version, iptables.rules(plan, pairs, version)) for version in iptables.TOOLS]
        notes.append("queue step by iptables: this kernel has no nft queue statement")
    found += sysctls(plan, hops, handles)  # after the table: loading it brought conntrack in
    return Desired(state_of(found), list(dict.fromkeys(notes)))


def check(plan: KernelPlan, features: Features, handles: Handles) -> None:
    """What no step could tell as well."""
    if not features.nft:
        raise KernelError("this kernel or its nft lacks what the table needs; `dpi doctor` says more")
    if plan.mode == "bridge":
        if not features.nft_bridge:
            raise KernelError(
                "bridge mode needs nft's queue statement, reject and conntrack on bridges, which this kernel lacks"
            )
        if plan.routes:
            raise KernelError("caches need router mode: a bridge does not route")
    elif not features.nft_queue and not (features.iptables_queue and features.ip6tables_queue):
        raise KernelError("this kernel can queue packets neither by nft nor by iptables")
    if any(len(routes) > 1 and routes[0].kind != "dns" for routes in plan.caches.values()) and not features.hashing:
        raise KernelError(
            "this kernel has no hash in nftables, which caches of several machines need (module nft_hash)"
        )
    if any(route.here for route in plan.routes) and not features.tproxy:
        raise KernelError(
            "this kernel or its nft has no TPROXY, which a proxy on this box needs "
            "(modules nft_tproxy, nft_socket, nft_fib_inet)"
        )
    if any(d.police for d in plan.dispositions) and not features.policing:
        raise KernelError("this kernel or its nft cannot hold hosts and flows to a rate (module nft_limit)")
    if any(d.mirror is not None or d.redirect for d in plan.dispositions) and not features.nflog:
        raise KernelError("this kernel has no log to NFLOG groups (modules nft_log, nfnetlink_log)")
    if plan.subscribers and plan.subscribers.on_demand and not features.policing:
        raise KernelError("queues on demand need limits in nftables, which this kernel lacks (module nft_limit)")
    if any(d.copy for d in plan.dispositions):
        if not features.redirect:
            raise KernelError("this kernel lacks what copies to a device need: clsact, cls_bpf, act_mirred")
        _apart(next(d.copy for d in plan.dispositions if d.copy), plan, handles)
    if plan.trees and not features.htb:
        raise KernelError("this kernel has no htb qdisc, which classes need (module sch_htb)")
    if plan.subscribers and plan.subscribers.trees:
        if any(tree.ifb for tree in plan.trees):
            raise KernelError("so many subscribers need one device as lan and another as wan")
        if plan.subscribers.trees > plan.marks.disposition_mask >> plan.marks.shift:
            raise KernelError(f"marks of {plan.marks.mask:#x} have too few bits for so many subscribers")
    with_ifbs = any(tree.ifb for tree in plan.trees) or bool(plan.subscribers and plan.subscribers.trees)
    if with_ifbs and not (features.ifb and features.redirect):
        raise KernelError(
            "this kernel lacks what shaping both directions on one device, or thousands of subscribers, needs: "
            "ifb, clsact, cls_bpf, act_mirred"
        )
    for interface in plan.interfaces:
        if UNSPEAKABLE.search(interface.name):
            raise KernelError(f"{interface.name}: nft and iptables would take this name for a pattern")
    room = plan.marks.disposition_mask >> plan.marks.shift
    most = max((d.number for d in plan.dispositions), default=0)
    if most > room:
        raise KernelError(f"rule number {most} does not fit the mark: {plan.marks.mask:#x} has room for {room}")
    lan = {i.name for i in plan.interfaces if i.role == "lan"}
    wan = {i.name for i in plan.interfaces if i.role == "wan"}
    if lan & wan and not plan.local:
        raise KernelError(f"{min(lan & wan)} is both lan and wan: the prefixes of the LAN must be given")
    roots = [t.device for t in plan.trees if t.ifb is None]
    for device in roots:
        if roots.count(device) > 1:
            raise KernelError(f"{device} has two trees: one of them needs an IFB")
    for direction in ("down", "up"):
        kinds = {
            (t.default, tuple((c.name, c.minor) for c in t.classes)) for t in plan.trees if t.direction == direction
        }
        if len(kinds) > 1:
            raise KernelError(f"the {direction} trees of different devices must have the same classes")


def absent(plan: KernelPlan, handles: Handles) -> list[str]:
    """Interfaces of the plan that are not there: those of sessions (PPP, a VPN) come and go, and the table knows all
    by name.  That a name is no slip is for the policy's check to say, against the machine.
    """
    there = {link.get_attr("IFLA_IFNAME") for link in handles.ip.get_links()}
    return [name for name in dict.fromkeys(i.name for i in plan.interfaces) if name not in there]


def _apart(target: str | None, plan: KernelPlan, handles: Handles) -> None:
    """Copies must not come back: their device is neither below nor above one that carries traffic."""
    assert target
    links = {link["index"]: link for link in handles.ip.get_links()}
    away = absent(plan, handles)

    def relatives(name: str) -> set[int]:
        link = links[handles.index(name)]
        above = [link.get_attr("IFLA_MASTER")]
        if link.get_attr("IFLA_LINK_NETNSID") is None:  # else it is the number of a device elsewhere
            above.append(link.get_attr("IFLA_LINK"))
        return {link["index"], *(index for index in above if index in links)}

    for device in dict.fromkeys(i.name for i in plan.interfaces if i.name not in away):
        if handles.index(target) in relatives(device) or handles.index(device) in relatives(target):
            raise KernelError(f"copies cannot go to {target}: it is a part of {device}, or {device} of it")
        bridge = links[handles.index(device)].get_attr("IFLA_MASTER")
        if bridge and links[handles.index(target)].get_attr("IFLA_MASTER") == bridge:
            raise KernelError(f"copies cannot go to {target}: it is a port of the same bridge as {device}")


def tree_resources(
    tree: Tree, device: str, plan: KernelPlan, features: Features, notes: list[str]
) -> Iterator[Resource]:
    """The HTB tree of one direction on a device (the real one or an IFB)."""
    major = MAJORS[tree.direction]
    yield HtbRoot(device, major)
    yield link_class(device, major, tree.rate)
    parents = {c.parent for c in tree.classes}
    paths: dict[str | None, tuple[int, ...]] = {None: (LINK_CLASS,)}
    for shaped in tree.classes:
        path = paths[shaped.name] = (*paths[shaped.parent], shaped.minor)
        inner = shaped.name in parents
        leaf = None
        if not inner:
            purpose = Purpose(tree.direction, shaped.ceil, plan.mode == "bridge")
            leaf = leaves.choose(shaped.leaf or "auto", purpose, features.leaves(), shaped.name)
            if leaf.kind != "cake" and (shaped.leaf or "auto") == "auto":
                notes.append(f"leaves are {leaf.kind}: this kernel has {leaves.LACKS[leaf.kind]}")
        resource: HtbClass = desired_class(device, major, path, shaped, inner=inner, leaf=leaf)
        yield resource


def next_hops(route: Route, handles: Handles, notes: list[str]) -> list[NextHop]:
    """The default routes of a cache's table; without those that the kernel would refuse at the moment.

    A cache whose wire is unplugged must not keep the box from starting: its traffic takes the normal way.
    """
    if route.here:
        return [NextHop(version, route.table, None, "lo", local=True) for version in (4, 6) if has_loopback(version)]
    found = []
    for version in versions(route):
        gateway = route.next_hop4 if version == 4 else route.next_hop6
        device = route.device
        if gateway and not device:
            device = leads_to(handles.ip, gateway)
        if device is None:
            notes.append(
                f"cache {route.name}: {gateway} is not on a network that this box is connected to now: "
                "its traffic takes the normal way"
            )
        elif not up(handles.ip, handles.index(device)):
            notes.append(f"cache {route.name}: {device} is down: its traffic takes the normal way")
        else:
            found.append(NextHop(version, route.table, gateway, device))
    return found


def has_loopback(version: int) -> bool:
    """Whether the loopback interface has its address: without IPv6 there is none."""
    try:
        with socket.socket(FAMILIES[version]) as sock:
            sock.bind(("127.0.0.1" if version == 4 else "::1", 0))
    except OSError:
        return False
    return True


def beyond(plan: KernelPlan, hops: dict[int, list[NextHop]], handles: Handles) -> tuple[str, ...]:
    """Devices that lead to caches and have no role: what goes there is seen as going to the WAN."""
    roles = {i.name for i in plan.interfaces}
    devices = [hop.device for each in hops.values() for hop in each if not hop.local]
    for route in plan.routes:
        if route.kind == "dns":
            devices += [leads_to(handles.ip, hop) or "" for hop in (route.next_hop4, route.next_hop6) if hop]
    return tuple(dict.fromkeys(device for device in devices if device and device not in {*roles, "lo"}))


def on_lan(plan: KernelPlan, hops: dict[int, list[NextHop]]) -> bool:
    lan = {i.name for i in plan.interfaces if i.role == "lan"}
    return any(hop.device in lan for found in hops.values() for hop in found)


def sysctls(plan: KernelPlan, hops: dict[int, list[NextHop]], handles: Handles) -> Iterator[Resource]:
    """Those that we hold already, and those that are not as we need them."""
    needed = {sysctl.ACCOUNTING: "1"}
    loose = {h.device for found in hops.values() for h in found if h.version == 4 and not h.local}
    if loose:
        lan = {i.name for i in plan.interfaces if i.role == "lan"}
        loose |= {device for device in lan if sysctl.marks_count_in_reverse(device)}
        loose |= {i.name for i in plan.interfaces if i.role == "wan"}  # a cache may answer by its own way
    for device in sorted(loose):
        if sysctl.strict(device) or sysctl.rp_filter(device) in handles.state.sysctls:
            needed[sysctl.rp_filter(device)] = "2"
    for path, value in needed.items():
        if path in handles.state.sysctls or sysctl.read(path) != value:
            yield sysctl.Sysctl(path, value)
