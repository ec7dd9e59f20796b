"""What flows come to: by what they are, how that is known, who talks to whom, and over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any, Literal, Self

from dpi.record.counts import Counts, Sums

WHAT = ("apps", "protocols", "categories", "methods", "vlans", "risks")
WHOM: tuple[Literal["clients"], Literal["servers"], Literal["devices"]] = ("clients", "servers", "devices")
KINDS = ("apps", "protocols", "categories", "methods", "clients", "devices", "servers", "vlans", "risks")


@dataclass(slots=True)
class Outside:
    """Packets of captures that are in no flow.

    captured: all there were.  not_ip.  fragments: but the first.  unread: cut in a header that is needed, with a header
    that contradicts itself, of a link type that is not known.
    """

    captured: int = 0
    not_ip: int = 0
    fragments: int = 0
    unread: int = 0

    @classmethod
    def of(cls, counters: Mapping[str, int]) -> Self:
        """By what the cores have counted together that took the captures through."""
        captured, not_ip, fragments = (counters[each] for each in ("records", "not_ip", "later_fragment"))
        return cls(captured, not_ip, fragments, captured - counters["packets"] - not_ip - fragments)


class Summary:
    """Of counts that are done.

    total: all flows.  kinds: {kind: {name: Sums}}; an app is the protocol where there is no app, a server its address
    where it has no name, a device the MAC address behind the LAN where a frame showed one.  times: as rows begin
    (seconds since 1970), a row for each `interval` seconds.
    """

    def __init__(self, counts: Counts, outside: Outside) -> None:
        self.counts = counts
        self.outside = outside
        self.total = counts.total
        self.kinds: dict[str, dict[str, Sums]] = {kind: defaultdict(Sums) for kind in WHAT}
        for (protocol, app, category, method, risks, vlan), sums in counts.by_what():
            for kind, name in (
                ("apps", app or protocol),
                ("protocols", protocol),
                ("categories", category or "unknown"),
                ("methods", method or "unknown"),
                ("vlans", str(vlan)),
                *(("risks", risk) for risk in risks),
            ):
                self.kinds[kind][name].join(sums)
        for whom in WHOM:
            self.kinds[whom] = dict(counts.by_whom(whom))
        self.interval = counts.times.width
        self.times = [(begins, Sums(*carried)) for begins, *carried in counts.times.rows_told()]

    def largest(self, kind: str, n: int) -> list[tuple[str, Sums]]:
        """The n names of a kind that carried most, the largest first; of risks, those that most flows have."""
        size = attrgetter("flows" if kind == "risks" else "bytes")
        return sorted(self.kinds[kind].items(), key=lambda item: size(item[1]), reverse=True)[:n]

    def as_dict(self, n: int) -> dict[str, Any]:
        """All of it as JSON has it, of each kind the n largest."""
        counts = self.counts
        facts = {"named": counts.named, "guessed": counts.guessed, "with_app": counts.apps}
        kinds = {kind: [{"name": name} | sums.as_dict() for name, sums in self.largest(kind, n)] for kind in KINDS}
        times = [{"start": start} | sums.as_dict() for start, sums in self.times]
        span = {"start": counts.start, "end": counts.end}
        return (
            self.total.as_dict()
            | facts
            | span
            | asdict(self.outside)
            | kinds
            | {"interval": self.interval, "times": times}
        )
