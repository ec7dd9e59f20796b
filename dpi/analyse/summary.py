"""What flows come to, added up: by app, protocol, category, client, server and risk.

It is an `out` of record.lines.Lines, so the flows of a large capture are added up as they end, and none is kept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

STYLE = "jsonl"
FIELDS = (
    *("protocol", "app", "category", "src", "dst", "hostname", "risks"),
    *("packets_up", "bytes_up", "packets_down", "bytes_down", "start", "end"),
)
FACTS = ("named", "with_app", "start", "end", "captured", "not_ip", "fragments", "unread")
KINDS = ("apps", "protocols", "categories", "clients", "servers", "risks")
NAMES_MAX = 1 << 16  # of a kind that are kept; beyond it the smaller half is forgotten


@dataclass(slots=True)
class Sums:
    """flows, and what they carried.  "up" is what the sides that opened have sent; sizes are bytes of IP packets."""

    flows: int = 0
    packets: int = 0
    bytes_up: int = 0
    bytes_down: int = 0

    @property
    def bytes(self) -> int:
        return self.bytes_up + self.bytes_down

    def add(self, packets: int, up: int, down: int) -> None:
        self.flows += 1
        self.packets += packets
        self.bytes_up += up
        self.bytes_down += down

    def as_dict(self) -> dict[str, int]:
        return {each: getattr(self, each) for each in ("flows", "packets", "bytes_up", "bytes_down")}


@dataclass(slots=True)
class Summary:
    """Takes lines of STYLE with FIELDS.

    An app is the protocol where there is no app, a server its address where it has no name.  named: flows with an app
    or a protocol.  start, end: seconds since 1970 of the first and the last packet, None where there was none.
    captured: packets of the captures.  Of these no flow has those that are not IP (not_ip), fragments but the first,
    and those that could not be read (unread): cut in a header that is needed, with a header that contradicts itself, of
    a link type that is not known.
    """

    total: Sums = field(default_factory=Sums)
    kinds: dict[str, dict[str, Sums]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    named: int = 0
    with_app: int = 0
    start: float | None = None
    end: float | None = None
    captured: int = 0
    not_ip: int = 0
    fragments: int = 0
    unread: int = 0

    def took(self, counters: dict[str, int]) -> None:
        """What a core has counted that took captures through, and takes no more."""
        self.captured += counters["records"]
        self.not_ip += counters["not_ip"]
        self.fragments += counters["later_fragment"]
        self.unread += counters["records"] - counters["packets"] - counters["not_ip"] - counters["later_fragment"]

    def write(self, data: memoryview) -> int:
        for flow in json.loads(b"[" + b",".join(bytes(data).splitlines()) + b"]"):
            self._add(flow)
        return len(data)

    def _add(self, flow: dict[str, Any]) -> None:
        carried = flow["packets_up"] + flow["packets_down"], flow["bytes_up"], flow["bytes_down"]
        self.total.add(*carried)
        self.named += flow["app"] is not None or flow["protocol"] != "unknown"
        self.with_app += flow["app"] is not None
        self.start = flow["start"] if self.start is None else min(self.start, flow["start"])
        self.end = flow["end"] if self.end is None else max(self.end, flow["end"])
        names = {
            "apps": [flow["app"] or flow["protocol"]],
            "protocols": [flow["protocol"]],
            "categories": [flow["category"] or "unknown"],
            "clients": [flow["src"]],
            "servers": [flow["hostname"] or flow["dst"]],
            "risks": flow["risks"],
        }
        for kind, each in names.items():
            known = self.kinds[kind]
            for name in each:
                if name not in known:
                    if len(known) == NAMES_MAX:
                        self.kinds[kind] = known = dict(_largest(known, NAMES_MAX // 2))
                    known[name] = Sums()
                known[name].add(*carried)

    def largest(self, kind: str, n: int) -> list[tuple[str, Sums]]:
        """The n names of a kind that carried most, the largest first; of risks, those that most flows have."""
        return _largest(self.kinds[kind], n, "flows" if kind == "risks" else "bytes")

    def as_dict(self, n: int) -> dict[str, Any]:
        """All of it as JSON has it, of each kind the n largest."""
        kinds = {kind: [{"name": name} | sums.as_dict() for name, sums in self.largest(kind, n)] for kind in KINDS}
        facts = {each: getattr(self, each) for each in FACTS}
        return self.total.as_dict() | facts | kinds


def _largest(known: dict[str, Sums], n: int, by: str = "bytes") -> list[tuple[str, Sums]]:
    size = attrgetter(by)
    return sorted(known.items(), key=lambda item: size(item[1]), reverse=True)[:n]
