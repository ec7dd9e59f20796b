"""Whose an address or a flow is, as the kernel's maps say it: an address or prefix counts (the longest), then a MAC
address, then a VLAN; what is nobody's is the default's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Literal, NamedTuple

from dpi.match.prefixes import Prefixes
from dpi.policy.plan import Branch, SubscriberPlan
from dpi.record.fields import FlowRecord


class Learnt(NamedTuple):
    """The MAC address that an address has, and since when (Unix time)."""

    mac: str
    since: float


class Owner(NamedTuple):
    """Who, and by which key: a prefix, a MAC address, a VLAN's number; empty where it is the default's."""

    branch: Branch
    kind: Literal["address", "mac", "vlan", "default"]
    key: str


class SubscriberTable:
    """The subscribers of a plan by address; of none, where the plan has none."""

    def __init__(self, plan: SubscriberPlan | None) -> None:
        self._branches = [b for b in plan.branches if b.prefixes] if plan else []
        self._default = next((b for b in plan.branches if b.number == plan.default), None) if plan else None
        texts = [(prefix, n) for n, b in enumerate(self._branches) for prefix in b.prefixes]
        self._owners = [n for _, n in texts]
        self._texts = [prefix for prefix, _ in texts]
        self._prefixes = Prefixes([(prefix, 1) for prefix in self._texts])
        self._by_mac = {mac: b for b in plan.branches for mac in b.macs} if plan else {}
        self._by_vlan = {vlan: b for b in plan.branches for vlan in b.vlans} if plan else {}
        self.learnt: Mapping[str, Learnt] = {}
        self._learnt_of: dict[str, list[str]] = {}

    def learn(self, learnt: Mapping[str, Learnt]) -> None:
        """The MAC addresses of addresses that are nobody's by themselves.  Whose MAC address is not, is left out."""
        self.learnt = {address: each for address, each in learnt.items() if each.mac in self._by_mac}
        self._learnt_of = {}
        for address, each in sorted(self.learnt.items()):
            self._learnt_of.setdefault(self._by_mac[each.mac].name, []).append(address)

    def learnt_of(self, branch: Branch) -> list[str]:
        """The addresses that a subscriber's devices have."""
        return self._learnt_of.get(branch.name, [])

    def of(self, address: str) -> Branch | None:
        """Who has an address; None: it is shaped by the link's classes."""
        owner = self.owner(address)
        return owner.branch if owner else None

    def owner(self, address: str, mac: str | None = None, vlan: int = 0) -> Owner | None:
        """As of(), with the key; of a flow also by what its frames show."""
        if hit := self._prefixes.match(address) if self._branches else None:
            return Owner(self._branches[self._owners[hit.entry]], "address", self._texts[hit.entry])
        for known in (self.learnt[address].mac if address in self.learnt else None, mac):
            if known and (branch := self._by_mac.get(known)):
                return Owner(branch, "mac", known)
        if branch := self._by_vlan.get(vlan):
            return Owner(branch, "vlan", str(vlan))
        return Owner(self._default, "default", "") if self._default else None

    def spoken(self, owner: Owner, address: str) -> str:
        """By which key an address is somebody's: `MAC address 02:11:22:33:44:55, learnt 2026-11-22 21:40:03`."""
        if owner.kind == "address":
            whole = owner.key.endswith("/128" if ":" in owner.key else "/32")
            return "its address" if whole else f"its prefix {owner.key}"
        if owner.kind == "mac":
            learnt = self.learnt.get(address)
            since = f", learnt {time.strftime('%F %T', time.localtime(learnt.since))}" if learnt else ""
            return f"MAC address {owner.key}{since}"
        return f"VLAN {owner.key}"

    def is_written(self, address: str) -> bool:
        """Whether a subscriber's address or prefix holds it."""
        return bool(self._branches) and self._prefixes.match(address) is not None

    def of_mac(self, mac: str) -> Branch | None:
        return self._by_mac.get(mac)

    def name_of_mac(self, mac: str) -> str | None:
        branch = self.of_mac(mac)
        return branch.name if branch else None

    def owner_of_flow(self, record: FlowRecord) -> Owner | None:
        """Whose flow it is, and by which key: the side behind the LAN counts."""
        return self.owner(record.dst if record.direction == "in" else record.src, record.mac, record.vlan)

    def of_flow(self, record: FlowRecord) -> Branch | None:
        owner = self.owner_of_flow(record)
        return owner.branch if owner else None
