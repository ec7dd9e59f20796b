"""Which classes are congested: over a share of their rate for so long, until they are under a lower one for as long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dpi.policy.plan import Direction, PlannedCongestion


@dataclass
class _Load:
    congested: bool = False
    crossed: float | None = None  # when the rate went over (or, when congested, under) what it is held against
    share: float = 0.0  # of its rate, at the last look


class Congestions:
    """Looked at every now and then with what the classes have sent until then.  Times are seconds of any clock."""

    def __init__(self) -> None:
        self._planned: tuple[PlannedCongestion, ...] = ()
        self._loads: dict[str, _Load] = {}
        self._before: tuple[float, Mapping[tuple[Direction, str], int]] | None = None

    def __bool__(self) -> bool:
        return bool(self._planned)

    def use(self, planned: tuple[PlannedCongestion, ...]) -> None:
        """These are in force; what stays the same keeps its state."""
        same = set(self._planned) & set(planned)
        self._loads = {p.name: self._loads.get(p.name, _Load()) if p in same else _Load() for p in planned}
        self._planned = planned

    @property
    def classes(self) -> set[tuple[Direction, str]]:
        return {(planned.direction, planned.class_) for planned in self._planned}

    def look(self, now: float, sent: Mapping[tuple[Direction, str], int]) -> None:
        before, self._before = self._before, (now, sent)
        if before is None or now <= before[0]:
            return
        for planned in self._planned:
            key = planned.direction, planned.class_
            count = sent.get(key, 0) - before[1].get(key, sent.get(key, 0))
            self._judge(planned, now, before[0], max(count, 0) * 8 / (now - before[0]) / planned.rate)

    def _judge(self, planned: PlannedCongestion, now: float, since: float, share: float) -> None:
        load = self._loads[planned.name]
        load.share = share
        crosses = share < planned.below if load.congested else share > planned.above
        if not crosses:
            load.crossed = None
            return
        load.crossed = since if load.crossed is None else load.crossed
        if now - load.crossed >= planned.lasting:
            load.congested, load.crossed = not load.congested, None

    @property
    def holding(self) -> frozenset[str]:
        return frozenset(name for name, load in self._loads.items() if load.congested)

    def told(self, planned: PlannedCongestion) -> dict[str, Any]:
        load = self._loads.get(planned.name, _Load())
        now = f"{100 * load.share:.0f} % of its rate"
        return {
            "holds": load.congested,
            "share": load.share,
            "words": f"{'' if load.congested else 'not '}congested: {now}",
        }
