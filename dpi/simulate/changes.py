"""The flows of which two plans make something else, summed: by what changes, by app and host, and by shared address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import Any

from dpi.simulate.outcome import Outcome
from dpi.simulate.traffic import Judged, Key, key

OTHERS = "others"
NAMES = 4096  # of one sum; beyond them the least become OTHERS


@dataclass
class Sum:
    """Flows and bytes, up being what the opener sent."""

    flows: int = 0
    down: int = 0
    up: int = 0

    def add(self, judged: Judged) -> None:
        self.flows += 1
        self.down += judged.record.bytes_down
        self.up += judged.record.bytes_up

    @property
    def bytes(self) -> int:
        return self.down + self.up

    def to_json(self) -> dict[str, int]:
        return {"flows": self.flows, "bytes_down": self.down, "bytes_up": self.up}


class Names:
    """Sums by name, the largest first when read; bounded, however many names somebody makes up."""

    def __init__(self) -> None:
        self._sums: dict[str, Sum] = {}
        self.more = False  # some were folded into OTHERS

    def add(self, name: str, judged: Judged) -> None:
        if name not in self._sums and len(self._sums) >= NAMES:
            self._fold()
        self._sums.setdefault(name, Sum()).add(judged)

    def _fold(self) -> None:
        self.more = True
        rest = self._sums.pop(OTHERS, Sum())
        for name in sorted(self._sums, key=lambda n: self._sums[n].bytes)[: NAMES // 2]:
            gone = self._sums.pop(name)
            rest = Sum(rest.flows + gone.flows, rest.down + gone.down, rest.up + gone.up)
        self._sums[OTHERS] = rest

    def __len__(self) -> int:
        return len(self._sums)

    def top(self, most: int) -> list[tuple[str, Sum]]:
        return sorted(self._sums.items(), key=lambda item: (-item[1].bytes, -item[1].flows, item[0]))[:most]

    def to_json(self, most: int) -> list[dict[str, Any]]:
        return [{"name": name, **total.to_json()} for name, total in self.top(most)]


@dataclass
class Group:
    """All flows that one thing happens to."""

    before: Outcome
    after: Outcome
    total: Sum = field(default_factory=Sum)
    apps: Names = field(default_factory=Names)
    hosts: Names = field(default_factory=Names)
    subscribers: Names = field(default_factory=Names)
    rules: Names = field(default_factory=Names)  # `before → after`

    def to_json(self, most: int) -> dict[str, Any]:
        return {
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            **self.total.to_json(),
            "hosts": len(self.hosts),
            "subscribers": len(self.subscribers),
            "top_apps": self.apps.to_json(most),
            "top_hosts": self.hosts.to_json(most),
            "top_subscribers": self.subscribers.to_json(most),
            "rules": self.rules.to_json(most),
        }


@dataclass
class Collateral:
    """Flows that go to a cache (or no longer do) only because of another name at their address."""

    address: str
    cache: str
    by: str  # dns, flow, prefix
    name: str  # whose address it is to the cache: a host name, or the policy's prefix
    comes: bool  # it would go there; False: it went there
    total: Sum = field(default_factory=Sum)
    apps: Names = field(default_factory=Names)
    names: Names = field(default_factory=Names)

    def to_json(self, most: int) -> dict[str, Any]:
        return {
            "address": self.address,
            "cache": self.cache,
            "by": self.by,
            "learnt_for": self.name,
            "change": "to the cache" if self.comes else "from the cache",
            **self.total.to_json(),
            "top_apps": self.apps.to_json(most),
            "top_names": self.names.to_json(most),
        }


class Changes:
    """What becomes different, of all flows that were looked at.  `listed`: how many of the largest are kept whole."""

    def __init__(self, listed: int = 0) -> None:
        self.seen = Sum()
        self.changed = Sum()
        self.hosts = Names()
        self.subscribers = Names()
        self.groups: dict[tuple[Outcome, Outcome], Group] = {}
        self.collateral: dict[tuple[str, str, bool], Collateral] = {}
        self._listed = listed
        self._largest: list[tuple[int, int, Judged, Judged]] = []

    def add(self, before: Judged, after: Judged) -> None:
        """One flow, judged by both."""
        self.seen.add(after)
        if before.outcome == after.outcome:
            return
        self.changed.add(after)
        pair = before.outcome, after.outcome
        group = self.groups.get(pair)
        if group is None:
            group = self.groups[pair] = Group(*pair)
        group.total.add(after)
        group.apps.add(app_of(after), after)
        group.hosts.add(local_of(after), after)
        for who in dict.fromkeys(each.subscriber for each in (before, after) if each.subscriber):
            group.subscribers.add(who, after)
            self.subscribers.add(who, after)
        group.rules.add(before.rule if before.rule == after.rule else f"{before.rule} → {after.rule}", after)
        self.hosts.add(local_of(after), after)
        if before.outcome.cache != after.outcome.cache:
            for judged, comes in ((before, False), (after, True)):
                if judged.shared:
                    self._share(judged, comes)
        if self._listed:
            item = (after.record.bytes_down + after.record.bytes_up, -self.changed.flows, before, after)
            if len(self._largest) < self._listed:
                heappush(self._largest, item)
            else:
                heappushpop(self._largest, item)

    def _share(self, judged: Judged, comes: bool) -> None:
        origin = judged.origin
        assert origin is not None
        at = judged.record.dst, origin.cache, comes
        shared = self.collateral.get(at)
        if shared is None:
            shared = self.collateral[at] = Collateral(at[0], origin.cache, origin.by, origin.name, comes)
        shared.total.add(judged)
        shared.apps.add(app_of(judged), judged)
        shared.names.add(judged.record.hostname or "no name", judged)

    def largest(self) -> Iterator[tuple[Judged, Judged]]:
        for _, _, before, after in sorted(self._largest, key=lambda item: (-item[0], -item[1])):
            yield before, after

    def by_size(self) -> list[Group]:
        return sorted(self.groups.values(), key=lambda group: (-group.total.bytes, -group.total.flows))

    def shared_by_size(self) -> list[Collateral]:
        return sorted(self.collateral.values(), key=lambda each: (-each.total.bytes, -each.total.flows, each.address))

    def to_json(self, most: int) -> dict[str, Any]:
        """All of it; of apps, hosts and names the `most` largest."""
        return {
            "seen": self.seen.to_json(),
            "changed": {**self.changed.to_json(), "hosts": len(self.hosts), "subscribers": len(self.subscribers)},
            "changes": [group.to_json(most) for group in self.by_size()],
            "collateral": [each.to_json(most) for each in self.shared_by_size()],
            "flows": [flow_json(before, after) for before, after in self.largest()],
        }


def pairs(before: Iterable[Judged], after: Iterable[Judged]) -> Iterator[tuple[Judged, Judged]]:
    """The same flows judged by two plans, side by side; they come in about the same order, so few have to wait."""
    waiting: tuple[dict[Key, Judged], dict[Key, Judged]] = ({}, {})
    streams = (iter(before), iter(after))
    open_ = [True, True]
    while any(open_):
        for side in (0, 1):
            judged = next(streams[side], None)
            if judged is None:
                open_[side] = False
                continue
            name = key(judged.record)
            other = waiting[1 - side].pop(name, None)
            if other is None:
                waiting[side][name] = judged
            else:
                yield (other, judged) if side else (judged, other)


def app_of(judged: Judged) -> str:
    """What the flow is to people; to ask for a name is not to use it."""
    record = judged.record
    return record.protocol if record.protocol == "dns" else record.app or record.protocol


def local_of(judged: Judged) -> str:
    record = judged.record
    return record.dst if record.direction == "in" else record.src


def flow_json(before: Judged, after: Judged) -> dict[str, Any]:
    record = after.record
    said = ("l4", "src", "sport", "dst", "dport", "vlan", "protocol", "app", "hostname", "method", "start")
    return {
        **{name: getattr(record, name) for name in said},
        "bytes_down": record.bytes_down,
        "bytes_up": record.bytes_up,
        "before": {"rule": before.rule, "subscriber": before.subscriber, **before.outcome.to_json()},
        "after": {"rule": after.rule, "subscriber": after.subscriber, **after.outcome.to_json()},
        "collateral": before.shared or after.shared,
    }
