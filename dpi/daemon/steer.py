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

from dpi.daemon.drain import Drained
from dpi.daemon.override import Overrides
from dpi.enforce import Learner, set_route_drained, set_route_state
from dpi.enforce.health import Standing, Watcher
from dpi.errors import DpiError, UsageError
from dpi.flow_events import Asked, Learnt
from dpi.policy.plan import KernelPlan
from dpi.policy.spread import shares

log = logging.getLogger("dpi.caches")

Release = Callable[[int, list[int], bool], None]  # shard, numbers of held packets, whether to drop them


class Caches:
    """The caches of the plan in force."""

    def __init__(self, release: Release, drained: Drained, overrides: Overrides) -> None:
        self._release = release
        self._overrides = overrides
        self._drained = drained
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
        self._names = {number: name for name, number in plan.targets.items()}
        self._overrides.use(plan)
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
        self._tell_drained()
        self._tell_usable()
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

    def tell_again(self) -> None:
        """Somebody took the kernel's sets away: nothing that they were told still holds."""
        if self._learner:
            self._learner.forget()
        self._tell_drained()

    def drain(self, name: str, *, drained: bool) -> list[str]:
        """A cache or one of its members gets no new connections, or does again; the names that this is true of.

        Raises UsageError where there is no such cache, DpiError where it can be neither kept nor told.
        """
        routes = [r.name for r in self._plan.routes if name in (r.name, r.cache)] if self._plan else []
        if not routes:
            known = ", ".join(r.name for r in self._plan.routes) if self._plan else ""
            raise UsageError(f"there is no cache {name}; there are {known}" if known else "the policy has no caches")
        assert self._plan is not None
        for each in routes:
            self._drained.change(each, drained=drained)
            set_route_drained(self._plan, each, drained=drained)
            log.warning("cache %s is %s", each, "drained: no new connections" if drained else "no longer drained")
        self._tell_usable()
        return routes

    def _tell_drained(self) -> None:
        """The kernel has the plan, and knows those that an earlier daemon drained only where it has kept its sets."""
        plan = self._plan
        if plan is None:
            return
        for route in plan.routes:
            try:
                set_route_drained(plan, route.name, drained=route.name in self._drained.names)
            except DpiError as error:
                log.error("cache %s: %s", route.name, error)

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
                self._release(shard, numbers, False)

    def answer(self, found: Iterable[Asked]) -> None:
        """Answers queries in the resolver's place, or lets them go there."""
        self._overrides.answer(found)

    def _tell_usable(self) -> None:
        routes = self._plan.routes if self._plan else ()
        up = {r.name for r in routes if r.name not in self._standings or self._standings[r.name].up}
        self._overrides.usable(frozenset(up - self._drained.names))

    def _changed(self, name: str, up: bool) -> None:
        assert self._plan is not None
        self._tell_usable()
        set_route_state(self._plan, name, up=up)

    def state(self) -> list[dict[str, Any]]:
        """One row a cache, or a member of one:

        "name", "cache", "weight", "share" (of the clients, while all are up), "state" (up, down), "drained",
        "since" (seconds), "error", "destinations" (of the cache, told to the kernel so far), "answered" (DNS queries)
        """
        now = time.time()
        rows = []
        for name, routes in (self._plan.caches if self._plan else {}).items():
            part = shares([(route.name, route.weight) for route in routes])
            for route in routes:
                standing = self._standings.get(route.name, Standing(route.name))
                rows.append(
                    {
                        "name": route.name,
                        "cache": name,
                        "weight": route.weight,
                        "share": part[route.name],
                        "state": "up" if standing.up else "down",
                        "drained": route.name in self._drained.names,
                        "since": now - (standing.since or self._started),
                        "error": standing.last_error,
                        "destinations": self._learnt[name],
                        "answered": self._overrides.answered.get(route.name, 0),
                    }
                )
        return rows
