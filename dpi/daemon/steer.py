"""Caches: destinations that were learnt, told to the kernel before the answer that named them is let go; and health.

The loop holds a DNS answer that names a server of a cached app and says so (`Learnt`).  Its address goes into the
kernel's set, then the answer is released: the client's first packet to the server already finds the way to the cache.
An answer that nobody releases is let go by the queue's reader at its deadline.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from dpi.enforce import Learner, set_route_state
from dpi.enforce.health import Standing, Watcher
from dpi.engine import Learnt
from dpi.errors import DpiError
from dpi.policy.plan import KernelPlan

log = logging.getLogger("dpi.caches")

Release = Callable[[int, list[int]], None]  # shard, numbers of held packets


class Caches:
    """The caches of the plan in force."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self._plan: KernelPlan | None = None
        self._learner: Learner | None = None
        self._standings: dict[str, Standing] = {}
        self._watcher: Watcher | None = None
        self._watching: asyncio.Task[None] | None = None
        self._names: dict[int, str] = {}
        self._started = time.time()
        self._learnt: dict[str, int] = defaultdict(int)
        self.failed = 0  # addresses that the kernel did not take

    async def use(self, plan: KernelPlan) -> None:
        """From now on these caches.  What is known of the health of those that stay is kept.

        Before the kernel is told of the plan, so that the first answer that is held finds somebody who learns.
        """
        await self.stop()
        self._plan = plan
        self._names = {route.number: route.name for route in plan.routes}
        if not plan.routes:
            return
        self._learner = Learner(plan)
        watcher = Watcher(plan, self._changed)
        for name, standing in watcher.standings.items():
            if name in self._standings:
                standing.up, standing.since = self._standings[name].up, self._standings[name].since
        self._standings = watcher.standings
        self._watcher = watcher

    def watch(self) -> None:
        """Looks after their health from now on: the kernel knows the plan."""
        if self._watcher:
            self._watching = asyncio.ensure_future(self._watcher.run())

    async def stop(self) -> None:
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        self._watcher = None
        if self._learner:
            self._learner.close()
            self._learner = None

    def forget(self) -> None:
        """Somebody took the kernel's sets away: nothing that they were told still holds."""
        if self._learner:
            self._learner.forget()

    def learn(self, found: Iterable[Learnt]) -> None:
        """Tells the kernel, then lets the answers go whatever came of it."""
        routes: dict[str, list[tuple[str | bytes, float]]] = defaultdict(list)
        holds: dict[int, list[int]] = defaultdict(list)
        for each in found:
            if name := self._names.get(each.route):
                routes[name].append((each.address, float(each.ttl)))
            if each.hold:
                holds[each.shard].append(each.hold)
        try:
            for name, addresses in routes.items():
                if self._learner:
                    self._learnt[name] += self._learner.learn(name, addresses)
        except DpiError as error:
            self.failed += sum(map(len, routes.values()))
            log.warning("%s", error)
        finally:
            for shard, numbers in holds.items():
                self._release(shard, numbers)

    def _changed(self, name: str, up: bool) -> None:
        assert self._plan is not None
        set_route_state(self._plan, name, up=up)

    def state(self) -> list[dict[str, Any]]:
        """[{"name", "state", "since" (seconds), "error", "destinations" (told to the kernel so far)}]"""
        now = time.time()
        rows = []
        for name in self._names.values():
            standing = self._standings.get(name, Standing(name))
            rows.append(
                {
                    "name": name,
                    "state": "up" if standing.up else "down",
                    "since": now - (standing.since or self._started),
                    "error": standing.last_error,
                    "destinations": self._learnt[name],
                }
            )
        return rows
