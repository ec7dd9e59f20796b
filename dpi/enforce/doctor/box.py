"""The machine as the checks see it: read once, when first asked for, in the calling thread's network namespace.

/sys/class/net shows the namespace in which /sys was mounted, so links are asked for by netlink; /proc/sys/net and
/proc/thread-self/net follow the thread.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from typing import Any

from dpi.enforce.doctor.firewall import read_ruleset
from dpi.enforce.doctor.ruleset import Ruleset
from dpi.enforce.names import LINK_GROUP
from dpi.enforce.probe import Features, probe
from dpi.enforce.sysctl import read
from dpi.errors import DpiError, KernelError
from dpi.policy.plan import KernelPlan, MarkLayout, Plan

PROC_NET = Path("/proc/thread-self/net")
# Where a packet to the internet leaves is asked of the routing table with these (a.root-servers.net): routed
# everywhere, also where there is no default route but a full table.
ANYWHERE = {4: "198.41.0.4", 6: "2001:503:ba3e::2:30"}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class CannotLookError(DpiError):
    """Something could not be read; the text says what is needed."""


@dataclass(frozen=True)
class Link:
    """An interface."""

    name: str
    index: int
    kind: str  # IFLA_INFO_KIND: bridge, vlan, veth, …; empty for hardware
    up: bool  # switched on
    carrier: bool
    mtu: int
    master: str | None  # the bridge, bond or VRF that it is part of
    ours: bool  # an IFB of ours
    xdp: bool  # an XDP program is attached


@dataclass(frozen=True)
class Root:
    """A root or ingress qdisc."""

    device: str
    kind: str
    major: int  # 0: the kernel's own default
    where: str  # root, ingress, clsact


@dataclass
class Box:
    """What the checks are told, and what they read.  Raises CannotLookError where a thing may not be read."""

    plan: Plan | None = None
    policy_faults: tuple[str, ...] = ()  # what is wrong with the policy, when that is why there is no plan
    status: dict[str, Any] | None = None  # of the running daemon
    status_fault: str = ""  # why there is none
    in_force: Plan | None = None  # the daemon's, with the numbers that it gave
    module_faults: dict[str, str] = field(default_factory=dict)  # compiled modules that cannot be imported
    state_dir: Path = Path("/run/dpi")

    # The policy

    @property
    def kernel(self) -> KernelPlan:
        if self.plan is None:
            raise CannotLookError("no policy")
        return self.plan.kernel

    @property
    def marks(self) -> MarkLayout:
        return self.plan.kernel.marks if self.plan else MarkLayout()

    @property
    def queues(self) -> range:
        return range(self.kernel.queue_base, self.kernel.queue_base + self.kernel.queues)

    def devices(self, role: str | None = None) -> list[str]:
        return list(dict.fromkeys(i.name for i in self.kernel.interfaces if role in (None, i.role)))

    def present(self, role: str | None = None) -> list[Link]:
        """The policy's interfaces that are there."""
        return [self.links[name] for name in self.devices(role) if name in self.links]

    # The machine

    @property
    def root(self) -> bool:
        return os.geteuid() == 0

    def need_root(self) -> None:
        if not self.root:
            raise CannotLookError("root is needed")

    def sysctl(self, path: str) -> int | None:
        """A number below /proc/sys; None where there is no such setting."""
        text = read(path)
        return int(text) if text is not None and text.lstrip("-").isdigit() else None

    @cached_property
    def features(self) -> Features:
        """Tried anew: a module may have been installed since the daemon tried.  It then starts from this."""
        self.need_root()
        try:
            return probe(self.state_dir if self.state_dir.is_dir() else None, fresh=True)
        except KernelError as fault:
            raise CannotLookError(str(fault)) from fault

    @cached_property
    def links(self) -> dict[str, Link]:
        from pyroute2 import IPRoute

        with IPRoute(groups=0) as ip:
            found = list(ip.get_links())
        names = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in found}
        return {names[link["index"]]: _link(link, names) for link in found}

    @cached_property
    def addresses(self) -> dict[str, list[IPv4Interface | IPv6Interface]]:
        from pyroute2 import IPRoute

        by_index: dict[int, list[IPv4Interface | IPv6Interface]] = {}
        with IPRoute(groups=0) as ip:
            for entry in ip.get_addr():
                address = entry.get_attr("IFA_LOCAL") or entry.get_attr("IFA_ADDRESS")
                if address:
                    found = ip_interface(f"{address}/{entry['prefixlen']}")
                    by_index.setdefault(entry["index"], []).append(found)
        return {name: by_index.get(link.index, []) for name, link in self.links.items()}

    @cached_property
    def leaves_by(self) -> dict[int, str | None]:
        """IP version → the interface by which a packet to the internet leaves; None: there is no way."""
        from pyroute2 import IPRoute
        from pyroute2.netlink.exceptions import NetlinkError

        names = {link.index: link.name for link in self.links.values()}
        ways: dict[int, str | None] = {}
        with IPRoute(groups=0) as ip:
            for version, address in ANYWHERE.items():
                ways[version] = None
                try:
                    for route in ip.route("get", family=FAMILIES[version], dst=address):
                        if route["type"] == 1:  # RTN_UNICAST
                            ways[version] = names.get(route.get_attr("RTA_OIF"))
                except (NetlinkError, OSError):
                    continue
        return ways

    @cached_property
    def roots(self) -> list[Root]:
        from pyroute2 import IPRoute

        names = {link.index: link.name for link in self.links.values()}
        with IPRoute(groups=0) as ip:
            return list(_roots(ip.get_qdiscs(), names))

    @cached_property
    def rules(self) -> list[Any]:
        """pyroute2's messages of `ip rule`, both versions."""
        from pyroute2 import IPRoute

        with IPRoute(groups=0) as ip:
            return [rule for family in FAMILIES.values() for rule in ip.get_rules(family=family)]

    @cached_property
    def ours(self) -> list[str]:
        """Titles of all that bears our sign in the kernel."""
        from dpi.enforce.actual import actual
        from dpi.enforce.reconcile import handles

        with handles(self.state_dir) as h:
            return [resource.title() for resource in actual(h).values()]

    @cached_property
    def ruleset(self) -> Ruleset:
        """What others have in nftables and iptables."""
        self.need_root()
        if not shutil.which("nft"):
            raise CannotLookError("nft is not installed")
        return read_ruleset(PROC_NET)


def _link(link: Any, names: dict[int, str]) -> Link:
    info = link.get_attr("IFLA_LINKINFO")
    xdp = link.get_attr("IFLA_XDP")
    return Link(
        name=str(link.get_attr("IFLA_IFNAME")),
        index=int(link["index"]),
        kind=str((info and info.get_attr("IFLA_INFO_KIND")) or ""),
        up=bool(link["flags"] & 0x1),
        carrier=bool(link["flags"] & 0x10000),  # IFF_LOWER_UP
        mtu=int(link.get_attr("IFLA_MTU") or 0),
        master=names.get(link.get_attr("IFLA_MASTER") or 0),
        ours=link.get_attr("IFLA_GROUP") == LINK_GROUP,
        xdp=bool(xdp and xdp.get_attr("IFLA_XDP_ATTACHED")),
    )


def _roots(qdiscs: Any, names: dict[int, str]) -> Iterator[Root]:
    for qdisc in qdiscs:
        kind, parent = str(qdisc.get_attr("TCA_KIND")), qdisc["parent"]
        where = {0xFFFFFFFF: "root", 0xFFFFFFF1: kind}.get(parent)
        if where and qdisc["index"] in names:
            yield Root(names[qdisc["index"]], kind, qdisc["handle"] >> 16, where)
