"""The kernel's counters for the flows that it has: into the flow table, the records and the totals.

A decided flow is the kernel's alone.  Its conntrack entry counts for it; when the entry goes, its event brings the
final counters, and the flow ends here too.  Between, the table is read when somebody looks, and rarely otherwise.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from dpi.daemon.offload import Key, Offload
from dpi.enforce import conntrack
from dpi.engine import Engine
from dpi.record.fields import FlowRecord

MAPPED = bytes(10) + b"\xff\xff"
NAMES = 65_536
OTHERS = "others"
FRESH_SECONDS = 0.7  # a reading of the table that is younger is not repeated


def key_of(connection: conntrack.Connection) -> Key:
    """The flow as the forward hook sees it: behind the destination's NAT, before the source's."""
    original, reply = connection.original, connection.reply
    ports = original.protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_SCTP)
    return (
        _sixteen(original.source),
        original.sport if ports else 0,
        _sixteen(reply.source),
        reply.sport if ports else 0,
        0,
        original.protocol,
    )


def key_of_record(record: FlowRecord) -> tuple[bytes, int, bytes, int, int]:
    """What conntrack.flow_key() makes of a flow's connection."""
    family = socket.AF_INET6 if record.ip_version == 6 else socket.AF_INET
    protocol = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}.get(record.l4, 0)
    return (
        socket.inet_pton(family, record.src),
        record.sport,
        socket.inet_pton(family, record.dst),
        record.dport,
        protocol,
    )


def _sixteen(address: bytes) -> bytes:
    return address if len(address) == 16 else MAPPED + address


class Totals:
    """Bytes by name since the start: of flows that have ended, and on reading of those that live.

    Of each kind at most NAMES names: beyond, the lesser half becomes OTHERS, so that addresses that somebody makes up
    cost no memory.
    """

    def __init__(self) -> None:
        self._ended: dict[str, dict[str, list[int]]] = {kind: {} for kind in ("apps", "hosts", "classes", "rules")}

    def copy(self) -> Totals:
        """As it is now, to be read elsewhere meanwhile."""
        copy = Totals()
        copy._ended = {kind: {name: list(t) for name, t in names.items()} for kind, names in self._ended.items()}
        return copy

    def ended(self, record: FlowRecord, class_: str) -> None:
        for kind, name in self._names(record, class_):
            names = self._ended[kind]
            if name not in names and len(names) >= NAMES:
                _fold(names)
            total = names.setdefault(name, [0, 0, 0])
            total[0] += record.bytes_down
            total[1] += record.bytes_up
            total[2] += 1

    def flows_ended(self, kind: str) -> dict[str, int]:
        """{name: flows} of one kind."""
        return {name: total[2] for name, total in self._ended[kind].copy().items()}

    def read(self, live: Iterable[tuple[FlowRecord, str]]) -> dict[str, Any]:
        """{"time", "apps": {name: {"down", "up", "flows"}}, "hosts": …, "classes": …, "rules": …}"""
        answer: dict[str, Any] = {"time": time.monotonic()}
        for kind, names in self._ended.items():
            answer[kind] = {name: {"down": t[0], "up": t[1], "flows": 0} for name, t in names.items()}
        for record, class_ in live:
            for kind, name in self._names(record, class_):
                total = answer[kind].setdefault(name, {"down": 0, "up": 0, "flows": 0})
                total["down"] += record.bytes_down
                total["up"] += record.bytes_up
                total["flows"] += 1
        return answer

    def _names(self, record: FlowRecord, class_: str) -> tuple[tuple[str, str], ...]:
        local = record.dst if record.direction == "in" else record.src
        return ("apps", app_of(record)), ("hosts", local), ("classes", class_), ("rules", record.rule or "default")


def app_of(record: FlowRecord) -> str:
    """The app, or the protocol where there is none; and of DNS, for to ask for a name is not to use it."""
    return record.protocol if record.protocol == "dns" else record.app or record.protocol


def _fold(names: dict[str, list[int]]) -> None:
    """Adds the half with the fewest bytes to OTHERS."""
    rest = names.pop(OTHERS, [0, 0, 0])
    for name in sorted(names, key=lambda n: sum(names[n][:2]))[: len(names) // 2]:
        rest = [a + b for a, b in zip(rest, names.pop(name), strict=True)]
    names[OTHERS] = rest


class Accounts:
    """Reads conntrack for the engine."""

    def __init__(self, engine: Engine, offload: Offload, stranger: Callable[[Any], None] = lambda _: None) -> None:
        """stranger: told of connections that end and are in no table, as conntrack.flow_key() has them."""
        self._stranger = stranger
        self._engine = engine
        self._offload = offload
        self._read = 0.0
        self.events = conntrack.Events()

    def fileno(self) -> int:
        return self.events.fileno()

    def handle(self) -> None:
        """Ends the flows whose connections have ended."""
        for event in self.events.read():
            if event.ended:
                c = event.connection
                if (route := self._offload.route(c)) and (app := self._app(c)):
                    self._offload.ended(app, route, c)
                counters = c.packets_original, c.bytes_original, c.packets_reply, c.bytes_reply
                if not self._engine.close_packed(key_of(c), *counters):
                    self._stranger(conntrack.flow_key(c))

    def refresh(self) -> None:
        """Reads the kernel's table into the flows, unless that was done a moment ago.  Blocks."""
        if time.monotonic() - self._read < FRESH_SECONDS:
            return
        now = time.time_ns()
        steered: list[tuple[str, str, conntrack.Connection]] = []
        machines: dict[Key, str] = {}
        for c in conntrack.dump():
            if route := self._offload.route(c):
                machines[key_of(c)] = route
                if app := self._app(c):
                    steered.append((app, route, c))
            self._engine.update_packed(
                key_of(c), c.packets_original, c.bytes_original, c.packets_reply, c.bytes_reply, now
            )
        self._offload.live(steered, machines)
        self._read = time.monotonic()

    def _app(self, connection: conntrack.Connection) -> str | None:
        record = self._engine.find_packed(key_of(connection))
        return app_of(record) if record else None

    def close(self) -> None:
        self.events.close()
