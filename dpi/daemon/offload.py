"""What caches serve of each app: bytes of the connections that went there, as conntrack counts them.

A connection's mark says for good which cache it went to, and the flow table which app it is.  Both are known when the
connection ends, and while it lives when the kernel's table is read.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from typing import Any

from dpi.enforce.conntrack import Connection
from dpi.match.addresses import pack
from dpi.policy.plan import KernelPlan
from dpi.record.fields import FlowRecord

APPS = 4096  # more than there are labels

Key = tuple[
    bytes, int, bytes, int, int, int
]  # a flow in the engine's table: addresses of 16 bytes, ports, VLAN, protocol
Served = dict[tuple[str, str], int]  # (app, route's name) → bytes


class Offload:
    """Sums since the start.  `use` another plan before its marks are seen."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._mask = 0
        self._ended: Served = {}
        self._live: Served = {}
        self._machines: Mapping[Key, str] = {}

    def use(self, plan: KernelPlan) -> None:
        self._mask = plan.marks.route_mask
        self._names = {plan.marks.route(route.number): route.name for route in plan.routes}

    def route(self, connection: Connection) -> str | None:
        """The cache, or the member of one, that a connection goes to."""
        return self._names.get(connection.mark & self._mask)

    def ended(self, app: str, route: str, connection: Connection) -> None:
        _add(self._ended, app, route, connection)

    def live(self, found: Iterable[tuple[str, str, Connection]], machines: Mapping[Key, str]) -> None:
        """All that live now, as (app, route, connection); and by flow the route of each, also where no app is known."""
        served: Served = {}
        for app, route, connection in found:
            _add(served, app, route, connection)
        self._live, self._machines = served, machines

    def machine(self, record: FlowRecord) -> str | None:
        """The cache, or the member of one, that a flow's connection went to, if it lived when the table was read."""
        protocol = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}.get(record.l4, 0)
        return self._machines.get((pack(record.src), record.sport, pack(record.dst), record.dport, 0, protocol))

    def by_app(self, totals: Mapping[str, Mapping[str, int]], wanted: Iterable[str]) -> list[dict[str, Any]]:
        """[{"app", "on_net", "off_net", "offload_ratio" (None without traffic), "caches": {route: bytes}}]

        totals: {app: {"down", "up"}} of all its traffic.  Apps that caches serve or served, the largest first.
        """
        served: dict[str, dict[str, int]] = {app: {} for app in wanted}
        for (app, route), count in [*self._ended.items(), *self._live.items()]:
            there = served.setdefault(app, {})
            there[route] = there.get(route, 0) + count
        rows = []
        for app, caches in served.items():
            total = totals.get(app, {})
            on = sum(caches.values())
            every = max(total.get("down", 0) + total.get("up", 0), on)
            ratio = on / every if every else None
            rows.append({"app": app, "on_net": on, "off_net": every - on, "offload_ratio": ratio, "caches": caches})
        return sorted(rows, key=lambda row: -row["on_net"] - row["off_net"])


def _add(served: Served, app: str, route: str, connection: Connection) -> None:
    key = app, route
    if key in served or len(served) < APPS:
        served[key] = served.get(key, 0) + connection.bytes_original + connection.bytes_reply
