"""Which conditions hold now: looked at once a second and whenever one of them is known to change, told where it is so.

The clock is the machine's, which may be set: so nothing sleeps until an hour, and what was found is good for the time
between two changes, not for so many seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from dpi.daemon.congestion import Congestions
from dpi.policy.conditions import NOTHING, Holding, Moment, at
from dpi.policy.plan import Conditions, Plan
from dpi.policy.schedule import state, told

log = logging.getLogger("dpi")

LOOK_SECONDS = 1.0
LEAST_SECONDS = 0.005


class ConditionWatch:
    """The conditions of the plan in force.

    over: (quota, prefix) of all that have used one up; devices: (kind,
    MAC address) of all that are known to be of these kinds.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        over: Callable[[Conditions], frozenset[tuple[str, str]]] = lambda _: frozenset(),
        devices: Callable[[tuple[str, ...]], frozenset[tuple[str, str]]] = lambda _: frozenset(),
    ) -> None:
        self._over = over
        self._devices = devices
        self.congestion = Congestions()
        self._clock = clock
        self._conditions = Conditions()
        self._moment = Moment(NOTHING, 0.0, 0.0)
        self._there = asyncio.Event()  # there is something to look at
        self.holding = NOTHING  # in force

    def look(self, conditions: Conditions) -> Holding:
        """What holds now of these conditions, which need not be in force."""
        return self._all(at(conditions, self._clock()).holding, conditions)

    def _all(self, holding: Holding, conditions: Conditions) -> Holding:
        """With what is not the clock's to say."""
        names = {each.name for each in conditions.congestion}
        return replace(
            holding,
            congestion=self.congestion.holding & names,
            over=self._over(conditions),
            devices=self._devices(conditions.devices),
        )

    def use(self, conditions: Conditions, holding: Holding) -> None:
        """These are in force now, with what holds of them."""
        self._conditions, self.holding = conditions, holding
        self._moment = Moment(holding, 0.0, 0.0)
        self.congestion.use(conditions.congestion)
        if conditions != Conditions():
            self._there.set()
        else:
            self._there.clear()

    def changed(self) -> bool:
        """Whether something else holds than what is in force."""
        now = self._clock()
        if not self._moment.since <= now < self._moment.until:
            self._moment = at(self._conditions, now)
        return self._all(self._moment.holding, self._conditions) != self.holding

    async def run(self, switch: Callable[[], Awaitable[None]]) -> None:
        """switch: puts in force what holds from now on."""
        while await self._there.wait():
            if self.changed():
                await switch()
            left = self._moment.until - self._clock()
            await asyncio.sleep(min(max(left, LEAST_SECONDS), LOOK_SECONDS))

    def words(self, before: Holding) -> str:
        """What is different from before."""
        now, both = self._clock(), before.schedules ^ self.holding.schedules
        words = [f"schedule {s.name} {told(s, now)}" for s in self._conditions.schedules if s.name in both]
        for name in sorted(before.congestion ^ self.holding.congestion):
            words.append(f"congestion {name} {'begins' if name in self.holding.congestion else 'ends'}")
        for sign, over in (
            ("used up", self.holding.over - before.over),
            ("left again", before.over - self.holding.over),
        ):
            for quota in sorted({quota for quota, _ in over}):
                words.append(f"quota {quota} {sign} by {sum(each == quota for each, _ in over)} prefixes")
        for kind in sorted({kind for kind, _ in before.devices ^ self.holding.devices}):
            words.append(f"devices known to be {kind}: {self._known(kind)}")
        return "; ".join(words)

    def _known(self, kind: str) -> int:
        return sum(each == kind for each, _ in self.holding.devices)

    def told(self, plan: Plan) -> list[dict[str, Any]]:
        """Each condition as `dpi status` has it; times are Unix times, None where nothing changes."""
        rows: list[dict[str, Any]] = []
        now = self._clock()
        for schedule in plan.conditions.schedules:
            _, since, until = state(schedule, now)
            rows.append(
                {
                    "kind": "schedule",
                    "name": schedule.name,
                    "where": schedule.where,
                    "holds": schedule.name in self.holding.schedules,
                    "since": since,
                    "until": until,
                    "says": schedule.words,
                    "words": told(schedule, now),
                    "rules": _asking(plan, "during", schedule.name),
                }
            )
        for quota in plan.conditions.quotas:
            over = sum(name == quota.name for name, _ in self.holding.over)
            rows.append(
                {
                    "kind": "quota",
                    "name": quota.name,
                    "where": quota.where,
                    "holds": over > 0,
                    "since": None,
                    "until": None,
                    "says": quota.words,
                    "words": f"used up by {over} prefixes" if over else "used up by nobody",
                    "rules": _asking(plan, "over", quota.name),
                }
            )
        for congestion in plan.conditions.congestion:
            rows.append(
                {
                    "kind": "congestion",
                    "name": congestion.name,
                    "where": congestion.where,
                    "since": None,
                    "until": None,
                    "says": congestion.words,
                    **self.congestion.told(congestion),
                    "rules": _asking(plan, "congested", congestion.name),
                }
            )
        for kind in plan.conditions.devices:
            rows.append(
                {
                    "kind": "device",
                    "name": kind,
                    "where": "",
                    "holds": self._known(kind) > 0,
                    "since": None,
                    "until": None,
                    "says": "as DHCP shows it",
                    "words": f"known: {self._known(kind)}",
                    "rules": _asking(plan, "devices", kind),
                }
            )
        return rows


def _asking(plan: Plan, key: str, name: str) -> list[str]:
    """The rules that have this condition."""
    return list(dict.fromkeys(rule.name for rule in plan.engine.rules if name in getattr(rule.match, key)))
