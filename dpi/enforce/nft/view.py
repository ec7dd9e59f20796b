"""What the table's parts ask of a plan: which rules do what, the marks in nft's words, and the ways between devices.

* Where LAN and WAN are one interface, what goes from the LAN back to the LAN there (hairpin NAT, two networks on one
  wire) is no traffic of the link.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpi.enforce.names import Family
from dpi.enforce.nft.networks import WORD, local_networks
from dpi.enforce.nft.spelling import quoted
from dpi.policy.plan import Direction, Interface, KernelPlan, Route

DIRECTIONS: tuple[Direction, ...] = ("up", "down")


@dataclass(frozen=True)
class Facts:
    """What the text depends on beside the plan."""

    nft_queue: bool = True  # the kernel has nft's queue statement
    beyond: tuple[str, ...] = ()  # devices that lead to caches and are neither lan nor wan
    cache_on_lan: bool = False  # a lan device leads to one


def family(plan: KernelPlan) -> Family:
    return "bridge" if plan.mode == "bridge" else "inet"


class View:
    """A plan with its facts; the words are masks and marks as nft spells them."""

    def __init__(self, plan: KernelPlan, facts: Facts) -> None:
        self.plan = plan
        self.facts = facts
        self.bridge = plan.mode == "bridge"
        marks = plan.marks
        self.disposition = f"{marks.disposition_mask:#010x}"
        self.final = f"{marks.final:#010x}"
        self.decision = f"{marks.disposition_mask | marks.final:#010x}"
        self.route = f"{marks.route_mask:#010x}"
        self.not_route = f"{~marks.route_mask & 0xFFFFFFFF:#010x}"
        self.undecided = f"ct mark & {self.final} == 0"
        self.blocked = [d for d in plan.dispositions if d.block]
        self.policed = [d for d in plan.dispositions if d.police]
        self.mirrored = [d for d in plan.dispositions if d.mirror is not None]
        self.copied = [d for d in plan.dispositions if d.copy]
        self.redirected = [d for d in plan.dispositions if d.redirect]
        self.exempt = [d for d in plan.dispositions if d.exempt]
        self.dscp = sorted({d.dscp for d in plan.dispositions if d.dscp is not None})
        self.lan = list(dict.fromkeys(i.name for i in plan.interfaces if i.role == "lan"))
        wan = dict.fromkeys(i.name for i in plan.interfaces if i.role == "wan")
        self.wan = list(dict.fromkeys([*wan, *facts.beyond]))
        self.one_armed = sorted(set(self.lan) & set(self.wan))
        self.here = [r for r in plan.routes if r.here]
        self.named = [r for r in plan.routes if r.kind == "dns"]

    # Marks

    def mark(self, number: int) -> str:
        """Of a disposition."""
        return f"{self.plan.marks.disposition(number):#010x}"

    def route_mark(self, route: Route) -> str:
        return f"{self.plan.marks.route(route.number):#010x}"

    def take_mark(self, route: Route) -> str:
        """Gives the packet its route."""
        return f"meta mark set meta mark & {self.not_route} | {self.route_mark(route)}"

    def minors(self, direction: Direction) -> dict[str | None, int]:
        """Class name → minor in this direction's trees, which share their classes."""
        return {c.name: c.minor for t in self.plan.trees if t.direction == direction for c in t.classes}

    def queues(self) -> str:
        last = self.plan.queue_base + self.plan.queues - 1
        return f"{self.plan.queue_base}-{last}" if self.plan.queues > 1 else f"{last}"

    def bridge_refuses(self) -> bool:
        return self.bridge and any(d.block == "reject" for d in self.blocked)

    def refusing_routes(self) -> list[Route]:
        return [r for r in self.plan.routes if r.when_down == "unreachable"]

    # Ways

    def ways(self) -> dict[tuple[str, str], str]:
        """(in, out) → chain: what goes between lan and wan; all else is not ours to see."""
        found = {}
        for lan in self.lan:
            for wan in self.wan:
                if lan == wan:
                    found[lan, wan] = "one_armed"
                else:
                    found[lan, wan] = "up"
                    found[wan, lan] = "down"
        return found

    def paths(self) -> list[str]:
        """The ways as a map's elements."""
        return [f'"{come}" . "{leave}" : goto {chain}' for (come, leave), chain in self.ways().items()]

    def with_vlan(self) -> bool:
        return self.bridge and any(i.vlan is not None for i in self.plan.interfaces)

    def vlan_paths(self) -> list[tuple[str, Direction]]:
        """Bridged VLANs: (condition, direction) for every pair of ends in the same VLAN."""

        def way(come: Interface, leave: Interface, vlan: int | None) -> str:
            ends = f'iifname "{come.name}" oifname "{leave.name}"'
            return ends if vlan is None else f"{ends} vlan id {vlan}"

        found: dict[str, Direction] = {}
        for lan in (i for i in self.plan.interfaces if i.role == "lan"):
            for wan in (i for i in self.plan.interfaces if i.role == "wan"):
                if lan.vlan is None or wan.vlan is None or lan.vlan == wan.vlan:
                    vlan = lan.vlan if lan.vlan is not None else wan.vlan
                    found[way(lan, wan, vlan)] = "up"
                    found[way(wan, lan, vlan)] = "down"
        return list(found.items())

    def dispatch(self) -> list[str]:
        """Rules that send what is between lan and wan to the chain of its direction."""
        if self.with_vlan():
            return [f"{way} goto {direction}" for way, direction in self.vlan_paths()]
        return ["iifname . oifname vmap @paths"]

    # One interface

    def local_sets(self) -> list[tuple[str, str]]:
        """(ip or ip6, the set of what is behind the LAN)"""
        return [(WORD[version], f"local{version}") for version, _ in local_networks(self.plan)]

    def hairpins(self, verdict: str) -> list[str]:
        """Where LAN and WAN are one interface: what stays within the LAN."""
        devices = quoted(self.one_armed)
        ways = f"iifname {{ {devices} }} oifname {{ {devices} }} " if verdict == "accept" else ""
        return [
            f"{ways}{address} saddr @{name} {address} daddr @{name} {verdict}"
            for address, name in (self.local_sets() if devices else ())
        ]

    def has_local(self, version: int) -> bool:
        return bool(self.one_armed) and version in (v for v, _ in local_networks(self.plan))
