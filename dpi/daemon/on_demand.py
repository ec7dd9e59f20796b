"""Subscribers' classes on demand: made when there is traffic of theirs, taken away when there was none for a while.

The kernel notes who has traffic and no classes; that is read a few times a second, so that nothing rests on user space
seeing a packet.  A turn is short whatever there is to do: changes of the policy and the daemon's end wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from pathlib import Path
from typing import Any

from dpi.daemon.idle import Idle
from dpi.enforce.on_demand import OnDemand, Sent
from dpi.errors import KernelError
from dpi.policy.plan import KernelPlan

log = logging.getLogger("dpi")

LOOK_SECONDS = 0.2  # between two looks at who has traffic and no classes
TURN_SECONDS = 0.25  # of making classes, after which others may change something
BREATH_SECONDS = 0.02  # between two turns while there are more to make
LOOKS = 100  # subscribers of a turn that may be idle
RETRY_SECONDS = 10.0  # after a failure, with the same subscriber


class Demand:
    """`changing` is held during a turn: it and a change of policy exclude each other."""

    def __init__(self, state_dir: Path, changing: asyncio.Lock) -> None:
        self._state_dir = state_dir
        self._changing = changing
        self._kernel: OnDemand | None = None
        self._seconds = 0.0  # idle, then away
        self._asleep: set[str] = set()
        self._idle = Idle()
        self._failed: dict[str, float] = {}  # when
        self._turning = threading.Lock()
        self._stopped = False
        self.made = self.taken = 0
        self.error: str | None = None

    def use(self, plan: KernelPlan, asleep: frozenset[str]) -> None:
        """Another plan is in force, or it was put in force anew.  `asleep`: as the report of that says."""
        self.close()
        subscribers = plan.subscribers
        if subscribers is None or subscribers.idle is None:
            self._asleep, self._idle, self._failed = set(), Idle(), {}
            return
        self._kernel = OnDemand(plan, self._state_dir)
        self._seconds = subscribers.idle
        self._asleep = set(asleep)
        there = (b.name for b in subscribers.branches if b.is_subscriber and b.name not in asleep)
        self._idle.these(there, time.monotonic())

    def is_asleep(self, name: str) -> bool:
        """Whether a subscriber has no classes now, because there was no traffic."""
        return name in self._asleep

    def port(self) -> int | None:
        """By which the kernel names us to those who listen for what is removed."""
        return self._kernel.port if self._kernel else None

    def told(self) -> dict[str, Any] | None:
        """None where classes are not made on demand."""
        if self._kernel is None:
            return None
        return {
            "awake": len(self._idle),
            "asleep": len(self._asleep),
            "made": self.made,
            "taken": self.taken,
            "error": self.error,
        }

    async def run(self) -> None:
        more = False
        while True:
            await asyncio.sleep(BREATH_SECONDS if more else LOOK_SECONDS)
            wanted = self._wanted()
            more = False
            if wanted or self._due():
                async with self._changing:
                    more = await asyncio.to_thread(self._turn, wanted)

    async def stop(self) -> None:
        """When this returns, no classes will be made any more."""

        def end() -> None:
            with self._turning:
                self._stopped = True

        await asyncio.to_thread(end)

    def close(self) -> None:
        if self._kernel:
            self._kernel.close()
            self._kernel = None

    def _wanted(self) -> list[str]:
        if self._kernel is None:
            return []
        try:
            found = self._kernel.wanted()
        except OSError as error:  # the table is not there: it will be put back
            log.debug("who has traffic cannot be read: %s", error)
            return []
        now = time.monotonic()
        return [n for n in dict.fromkeys(found) if n in self._asleep and now - self._failed.get(n, 0.0) > RETRY_SECONDS]

    def _due(self) -> list[str]:
        every = min(max(self._seconds / 10, 1.0), 60.0)
        return self._idle.due(time.monotonic(), every, LOOKS)

    def _turn(self, wanted: list[str]) -> bool:
        """Whether there is more to do at once."""
        with self._turning:
            kernel = self._kernel
            if kernel is None or self._stopped:
                return False
            try:
                more = self._make(kernel, [name for name in wanted if name in self._asleep])
                self._take(kernel)
            except (KernelError, OSError) as error:  # the table or a device is not there: it will be put back
                self._say(str(error))
                return False
            return more

    def _make(self, kernel: OnDemand, wanted: list[str]) -> bool:
        if not wanted:
            return False
        made, failed = kernel.make(wanted, time.monotonic() + TURN_SECONDS)
        now = time.monotonic()
        for name in made:
            self._asleep.discard(name)
            self._failed.pop(name, None)
            self._idle.add(name, now)
        self.made += len(made)
        self._failed |= dict.fromkeys(failed, now)
        if failed:
            self._say(next(iter(failed.values())))
        elif made:
            self.error = None
        return len(made) + len(failed) < len(wanted)

    def _take(self, kernel: OnDemand) -> None:
        now, idle = time.monotonic(), dict[str, Sent]()
        for name in self._due():
            sent = kernel.sent(name)
            if (
                sent is None
            ):  # somebody removed them: put back where packets are still led there, else made when asked for
                self._away(name)
            elif self._idle.saw(name, sent, now) >= self._seconds:
                idle[name] = sent
        for name in kernel.take(idle, idle) if idle else ():
            self._away(name)
            self.taken += 1

    def _away(self, name: str) -> None:
        self._idle.remove(name)
        self._asleep.add(name)

    def _say(self, error: str) -> None:
        if error != self.error:
            log.warning("classes of subscribers on demand: %s", error)
        self.error = error
