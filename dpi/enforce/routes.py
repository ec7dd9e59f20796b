"""Policy routing: a rule that sends packets with a route's mark to its table, and the next hop in there.

The table holds nothing but a default route.  For a proxy on this box that is a local one: everything is delivered here.
When the next hop's device goes, the kernel withdraws that route,
the lookup finds nothing and goes on to the main table: the normal way.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any, ClassVar

from pyroute2.netlink.exceptions import NetlinkError

from dpi.enforce.names import PROTOCOL, RULE_PRIORITY
from dpi.enforce.resource import Handles, Key, Resource
from dpi.errors import KernelError

RTN_LOCAL, SCOPE_HOST = 2, 254
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


@dataclass(frozen=True)
class NextHop(Resource):
    """The default route of a cache's table, in one IP version."""

    kind: ClassVar[str] = "route"
    rank: ClassVar[int] = 6

    version: int
    table: int
    gateway: str | None
    device: str
    local: bool = False  # delivered on this box

    @property
    def key(self) -> Key:
        return (self.kind, self.version, self.table)

    def title(self) -> str:
        return f"IPv{self.version} default route of table {self.table}"

    def words(self) -> str:
        if self.local:
            return "local"
        return f"via {self.gateway} dev {self.device}" if self.gateway else f"dev {self.device}"

    def add(self, handles: Handles) -> None:
        self._send(handles, "add")

    def change(self, handles: Handles, before: Resource) -> None:
        self._send(handles, "replace")

    def remove(self, handles: Handles) -> None:
        self._send(handles, "del")

    def _send(self, handles: Handles, command: str) -> None:
        what: dict[str, Any] = {"gateway": self.gateway} if self.gateway else {}
        if self.local:
            what = {"type": RTN_LOCAL, "scope": SCOPE_HOST}
        try:
            handles.ip.route(
                command,
                family=FAMILIES[self.version],
                dst="default",
                table=self.table,
                proto=PROTOCOL,
                oif=handles.index(self.device),
                **what,
            )
        except NetlinkError as error:
            if command == "del" and error.code == 3:  # ESRCH: the kernel withdrew it with its device
                return
            raise KernelError(f"{self.title()} {self.words()}: {error}") from None


@dataclass(frozen=True)
class MarkRule(Resource):
    """`ip rule`: packets with the mark look into the table."""

    kind: ClassVar[str] = "rule"
    rank: ClassVar[int] = 7

    version: int
    priority: int
    mark: int
    mask: int
    table: int

    @property
    def key(self) -> Key:
        return (self.kind, self.version, self.priority)

    def title(self) -> str:
        return f"IPv{self.version} rule {self.priority}"

    def words(self) -> str:
        return f"fwmark {self.mark:#x}/{self.mask:#x} lookup {self.table}"

    def add(self, handles: Handles) -> None:
        self._send(handles, "add")

    def remove(self, handles: Handles) -> None:
        self._send(handles, "del")

    def _send(self, handles: Handles, command: str) -> None:
        try:
            handles.ip.rule(
                command,
                family=FAMILIES[self.version],
                priority=self.priority,
                fwmark=self.mark,
                fwmask=self.mask,
                table=self.table,
                FRA_PROTOCOL=PROTOCOL,
            )
        except NetlinkError as error:
            raise KernelError(f"{self.title()} {self.words()}: {error}") from None


def rule_priority(number: int) -> int:
    return RULE_PRIORITY + number


def leads_to(ip: Any, address: str) -> str | None:
    """The device on whose link an address is; None where it is not on a connected network."""
    version = ipaddress.ip_address(address).version
    try:
        found = ip.route("get", family=FAMILIES[version], dst=address)
    except NetlinkError:
        return None
    if not found or found[0].get_attr("RTA_GATEWAY") or found[0]["type"] != 1:  # RTN_UNICAST
        return None
    index = found[0].get_attr("RTA_OIF")
    links = ip.get_links(index)
    return str(links[0].get_attr("IFLA_IFNAME")) if links else None


def up(ip: Any, index: int) -> bool:
    """Whether a device is switched on and has a carrier: on others the kernel refuses a route or ignores it."""
    flags = ip.get_links(index)[0]["flags"]
    return bool(flags & 0x1) and bool(flags & 0x10000)  # IFF_UP, IFF_LOWER_UP


def read_rules(ip: Any) -> list[MarkRule]:
    found = []
    for version, family in FAMILIES.items():
        for rule in ip.get_rules(family=family):
            if rule.get_attr("FRA_PROTOCOL") == PROTOCOL:
                found.append(
                    MarkRule(
                        version,
                        rule.get_attr("FRA_PRIORITY") or 0,
                        rule.get_attr("FRA_FWMARK") or 0,
                        rule.get_attr("FRA_FWMASK") or 0,
                        rule.get_attr("FRA_TABLE") or rule["table"],
                    )
                )
    return found


def read_next_hops(ip: Any, names: dict[int, str]) -> list[NextHop]:
    """Our routes in all tables: the kernel does the filtering, as a router may have a million others."""
    found = []
    for version, family in FAMILIES.items():
        for route in ip.route("dump", family=family, proto=PROTOCOL):
            if route["proto"] == PROTOCOL:
                table = route.get_attr("RTA_TABLE") or route["table"]
                device = names.get(route.get_attr("RTA_OIF") or 0, "?")
                local = route["type"] == RTN_LOCAL
                found.append(NextHop(version, table, route.get_attr("RTA_GATEWAY"), device, local))
    return found
