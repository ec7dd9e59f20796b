"""Changes of the policy in force: on trial where that is asked for, then confirmed or undone.

What the next start has to use is written down before a change on trial is made (policy/versions.py), so a daemon, a
shell or a machine that dies meanwhile comes back with the version before.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from dpi.daemon.change import Policies
from dpi.daemon.session import Session
from dpi.errors import DpiError, UsageError
from dpi.policy.plan import Plan
from dpi.policy.versions import Source, Version

log = logging.getLogger("dpi")

UNDO_AGAIN = 5.0  # seconds after which a way back that failed is tried again

Guard = tuple[Session, ...] | None  # sessions that are not to be cut, beside those of sshd; None: cut what you will
PutInForce = Callable[[Source, Guard], Awaitable[tuple[Plan, dict[str, Any]]]]
Spawn = Callable[[Coroutine[Any, Any, None]], object]


@dataclass(frozen=True)
class Reload:
    """What came of the last change of policy."""

    time: float
    ok: bool
    message: str


@dataclass(frozen=True)
class Trial:
    """A change that is undone unless it is confirmed."""

    before: Version
    until: float  # Unix time
    end: asyncio.TimerHandle


class Reloads:
    """`put_in_force` makes one change, all of it or nothing; `changing` is held meanwhile; `spawn` runs a task."""

    def __init__(self, policies: Policies, changing: asyncio.Lock, put_in_force: PutInForce, spawn: Spawn) -> None:
        self._policies = policies
        self._changing = changing
        self._put_in_force = put_in_force
        self._spawn = spawn
        self.version: Version | None = None  # in force; None where it could not be kept
        self.trial: Trial | None = None
        self.last: Reload | None = None

    def started(self, plan: Plan) -> None:
        """The first policy of this life is in force."""
        self._keep(plan, "dpi run", "")
        instead = self._policies.versions.instead()
        if instead and instead.unconfirmed:
            self._settle()  # it is undone; what is in force is not on trial

    async def files_changed(self, who: str, confirm: float) -> None:
        """The daemon's own files may have changed.  What is wrong is logged and shown by `dpi status`."""
        with contextlib.suppress(DpiError):
            await self.apply(who=who, confirm=confirm)

    async def apply(
        self,
        source: Source | None = None,
        *,
        who: str = "",
        comment: str = "",
        confirm: float = 0.0,
        guard: Guard = (),
    ) -> dict[str, Any]:
        """Puts a policy in force, by default the daemon's own files; on trial for `confirm` seconds."""
        async with self._changing:
            try:
                if self.trial:
                    raise DpiError(
                        f"a change waits to be confirmed until {clock(self.trial.until)}: "
                        "`dpi policy confirm` or `dpi policy rollback` first"
                    )
                return await self._apply(source or self._policies.own, who, comment, confirm, guard)
            except DpiError as error:
                self.last = Reload(time.time(), False, str(error))
                log.error("reload: %s", error)
                raise

    async def _apply(self, source: Source, who: str, comment: str, confirm: float, guard: Guard) -> dict[str, Any]:
        before, instead = self.version, self._policies.versions.instead()
        if confirm:
            if before is None:
                raise DpiError(f"there is no way back: {self._policies.versions.folder} cannot be written")
            self._policies.stand(before, unconfirmed=True)
        try:
            result = await self._put(source, who, comment, guard=guard)
        except BaseException:
            if confirm:
                self._policies.versions.set_instead(instead)
            raise
        if confirm and before and self.version != before:
            end = asyncio.get_running_loop().call_later(confirm, lambda: self._spawn(self._undo()))
            self.trial = Trial(before, time.time() + confirm, end)
            result["confirm_until"] = self.trial.until
            result["message"] += f"; undone at {clock(self.trial.until)} unless `dpi policy confirm`"
        else:
            self._settle()
        return result

    async def confirm(self) -> dict[str, Any]:
        """The change on trial stays."""
        async with self._changing:
            if self.trial is None:
                raise DpiError("no change waits to be confirmed")
            self.trial.end.cancel()
            self.trial = None
            self._settle()
            message = f"confirmed: {_number(self.version)}"
            log.info("%s", message)
            return {"message": message, "version": self.version and self.version.number}

    async def rollback(self, number: int | None = None, *, who: str = "", guard: Guard = ()) -> dict[str, Any]:
        """Puts an earlier version in force; by default the one before the change on trial, else before the newest."""
        async with self._changing:
            version = self._earlier(number)
            log.info("back to version %d, says %s", version.number, who)
            try:
                return await self._back(version, guard)
            except DpiError as error:
                self.last = Reload(time.time(), False, str(error))
                raise

    def _earlier(self, number: int | None) -> Version:
        if number is not None:
            return self._policies.versions.get(number)
        if self.trial:
            return self.trial.before
        now = self.version.number if self.version else 1 << 30
        earlier = [version for version in self._policies.versions.all() if version.number < now]
        if not earlier:
            raise UsageError("there is no version before the one in force")
        return earlier[-1]

    async def _back(self, version: Version, guard: Guard) -> dict[str, Any]:
        own = self._policies.own
        result = await self._put(own if version.digest == own.digest() else version.source, kept=version, guard=guard)
        if self.trial:
            self.trial.end.cancel()
            self.trial = None
        self._settle()
        return result

    async def _put(
        self, source: Source, who: str = "", comment: str = "", kept: Version | None = None, *, guard: Guard
    ) -> dict[str, Any]:
        plan, result = await self._put_in_force(source, guard)
        self._policies.source = source
        if kept:
            self.version = kept
        else:
            self._keep(plan, who, comment)
        if self.version is None:
            result["notes"].append("this version could not be kept: there will be no way back to it")
        result["version"] = self.version and self.version.number
        result["message"] = f"{_number(self.version)}: {result['message']}"
        self.last = Reload(time.time(), True, result["message"])
        log.info("%s", result["message"])
        return result

    def _keep(self, plan: Plan, who: str, comment: str) -> None:
        try:
            self.version = self._policies.keep_version(plan, who, comment)
        except DpiError as error:
            self.version = None
            log.warning("%s", error)

    def _settle(self) -> None:
        """What is in force now is what the next start uses."""
        try:
            self._policies.stand(self.version)
        except DpiError as error:
            log.warning("%s", error)

    async def _undo(self) -> None:
        while True:
            async with self._changing:
                if self.trial is None:  # confirmed at the last moment
                    return
                log.warning("not confirmed: back to %s", _number(self.trial.before))
                try:
                    await self._back(self.trial.before, None)  # nobody is asked who could say --force
                    return
                except DpiError as error:
                    self.last = Reload(time.time(), False, f"not confirmed, and cannot be undone: {error}")
                    log.critical("%s", self.last.message)
            await asyncio.sleep(UNDO_AGAIN)


def clock(when: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(when))


def _number(version: Version | None) -> str:
    return f"version {version.number}" if version else "a version that was not kept"
