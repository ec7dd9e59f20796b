"""What the control socket answers: each request's coroutine, made of what the worker's parts know.

What looks at every flow does so in a thread: with a million of them the control plane's loop would miss its beats.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import Any

from dpi import enforce
from dpi.analyse.known import known
from dpi.analyse.selection import Selection, asked
from dpi.control import Handler
from dpi.daemon import count, status
from dpi.daemon.events import catch_up
from dpi.daemon.neighbours import routed
from dpi.daemon.reload import Guard, Reloads
from dpi.daemon.session import session_of
from dpi.daemon.state import State
from dpi.daemon.subscriber_counts import told, uses
from dpi.daemon.why import Counted, why
from dpi.enforce import neighbours
from dpi.errors import DpiError, UsageError
from dpi.policy import show
from dpi.policy.versions import Source
from dpi.record.fields import FlowRecord


def handlers(state: State, reloads: Reloads) -> dict[str, Handler]:
    """`do` of a request → its coroutine, which raises DpiError before we are inline."""
    answers = Answers(state, reloads)

    def once_inline(answer: Handler) -> Handler:
        async def answered(request: dict[str, Any]) -> Any:
            if not state.heart.ready:
                raise DpiError("the daemon is still starting")
            return await answer(request)

        return answered

    answered_by: dict[str, Handler] = {
        "status": answers.status,
        "flows": answers.flows,
        "top": answers.top,
        "why": answers.why,
        "subscriber": answers.subscriber,
        "apply": answers.apply,
        "confirm": answers.confirm,
        "rollback": answers.rollback,
        "history": answers.history,
        "quotas": answers.quotas,
        "devices": answers.devices,
        "reset_quotas": answers.reset_quotas,
        "policy": answers.policy,
        "plan": answers.plan,
        "caches": answers.caches,
        "drain": answers.drain,
    }
    return {do: once_inline(answer) for do, answer in answered_by.items()}


class Answers:
    def __init__(self, state: State, reloads: Reloads) -> None:
        self._state = state
        self._reloads = reloads
        self._forwarded = status.forwarded(state.plan.engine.lan_devices)  # before us

    async def status(self, request: dict[str, Any]) -> dict[str, Any]:
        return await status.status(self._state, self._reloads, self._forwarded)

    async def caches(self, request: dict[str, Any]) -> dict[str, Any]:
        """{"caches": rows as in status, "apps": what caches serve of each app}"""
        state = self._state
        counters = await asyncio.to_thread(count.counters, state)
        totals = await self.top(request)
        apps = {app for rule in state.plan.engine.rules if rule.route for app in rule.match.apps}
        return {"caches": status.routes(state, counters), "apps": state.offload.by_app(totals["apps"], apps)}

    async def drain(self, request: dict[str, Any]) -> dict[str, Any]:
        """No new connections to the cache `name`, or with `drained` false, again."""
        state = self._state
        async with state.changing:
            names = state.caches.drain(str(request.get("name") or ""), drained=bool(request.get("drained", True)))
        return {"caches": names}

    async def flows(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        state = self._state
        await asyncio.to_thread(state.accounts.refresh)
        return await asyncio.to_thread(self._flows, request)

    def _flows(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        state = self._state
        limit = int(request.get("limit") or 100)
        words = {each: request.get(each) or () for each in ("apps", "hosts", "ports", "categories")}
        meant = known(Selection.of(**words), state.engine.signatures)
        class_, risky = request.get("class_"), bool(request.get("risky"))
        found = []
        for record in state.engine.flows():
            if not meant.takes(*asked(record)):
                continue
            if class_ and state.class_of(record) != class_:
                continue
            if risky and not record.risks:
                continue
            found.append(record)
        found.sort(key=lambda r: (-r.risk_score if risky else 0, -(r.bytes_up + r.bytes_down)))
        return [self.describe(record) for record in found[:limit]]

    def describe(self, record: FlowRecord) -> dict[str, Any]:
        """A record with what the policy makes of it."""
        state = self._state
        marks = state.plan.kernel.marks
        rule = next((r for r in state.plan.engine.rules if r.name == record.rule), None)
        return record.as_dict() | {
            "class": state.class_of(record),
            "route": rule.route if rule else None,
            "cache": state.offload.machine(record),
            "offloaded": bool(record.mark & marks.final),
        }

    async def top(self, request: dict[str, Any]) -> dict[str, Any]:
        state = self._state
        await asyncio.to_thread(state.accounts.refresh)
        catch_up(state)  # reading the kernel's table may have ended flows: not to be missing from both sums
        ended = state.totals.copy()
        return await asyncio.to_thread(lambda: ended.read((r, state.class_of(r) or "") for r in state.engine.flows()))

    async def why(self, request: dict[str, Any]) -> dict[str, Any]:
        state = self._state
        await asyncio.to_thread(state.accounts.refresh)
        what = str(request.get("what") or "")
        counters = await asyncio.to_thread(count.counters, state)
        used = await asyncio.to_thread(uses, state)
        conditions = state.conditions.told(state.plan)
        counted = Counted(status.rules(state, counters), status.classes(state, counters), used, conditions)
        most = int(request.get("limit") or 100)
        return await asyncio.to_thread(why, state, what, self.describe, counted, most)

    async def subscriber(self, request: dict[str, Any]) -> dict[str, Any]:
        """The subscriber `id`: its classes with what they counted."""
        state = self._state
        await asyncio.to_thread(state.accounts.refresh)
        found = await asyncio.to_thread(told, state, str(request.get("id") or ""))
        return {"config": list(state.plan.sources), **found}

    async def apply(self, request: dict[str, Any]) -> dict[str, Any]:
        """Puts the daemon's files in force anew, or with `config` that one; on trial for `confirm` seconds."""
        state = self._state
        config, source = request.get("config"), None
        if config:
            if not Path(config).is_absolute():
                raise UsageError(f"{config}: the daemon needs an absolute path")
            source = Source(Path(config), tuple(request.get("sets") or ()))
        confirm = request.get("confirm")
        return await self._reloads.apply(
            source,
            who=request["who"],
            comment=str(request.get("comment") or ""),
            confirm=state.plan.control.confirm if confirm is None else float(confirm),
            guard=_guard(request),
        )

    async def confirm(self, request: dict[str, Any]) -> dict[str, Any]:
        return await self._reloads.confirm()

    async def rollback(self, request: dict[str, Any]) -> dict[str, Any]:
        """Puts version `number` in force, or the one before."""
        number = request.get("number")
        return await self._reloads.rollback(
            None if number is None else int(number), who=request["who"], guard=_guard(request)
        )

    async def history(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The versions kept, oldest first."""
        state = self._state
        now = self._reloads.version
        kept = await asyncio.to_thread(state.policies.versions.all)
        return [{**version.to_json(), "in_force": version == now} for version in kept]

    async def devices(self, request: dict[str, Any]) -> dict[str, Any]:
        """{"errors": why some are not heard or kept, "devices": those heard of, with their addresses of now}"""
        state = self._state
        return await asyncio.to_thread(_devices, state)

    async def quotas(self, request: dict[str, Any]) -> dict[str, Any]:
        """What was used of quotas, by all or by `account`: {"error", "accounts": [...]}, counted anew."""
        state = self._state
        if state.quotas:
            await count.quotas(state)
        who = request.get("account")
        return {
            "error": state.quotas.error,
            "accounts": await asyncio.to_thread(state.quotas.told, str(who) if who else None),
        }

    async def reset_quotas(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forgets what `account` has used (None: all) of `quota` (None: of each)."""
        state = self._state
        if state.quotas:
            await count.quotas(state)
        forgotten = state.quotas.reset(request.get("account"), request.get("quota"))
        if state.quotas:
            await count.quotas(state)
        return {"reset": forgotten, "message": f"reset: {forgotten} account{'s' * (forgotten != 1)}"}

    async def policy(self, request: dict[str, Any]) -> dict[str, Any]:
        """The plan in force."""
        state = self._state
        return {"words": show.words(state.base), "data": show.data(state.base)}

    async def plan(self, request: dict[str, Any]) -> dict[str, Any]:
        """What putting the policy in force anew would change, without doing it."""
        state = self._state
        async with state.changing:  # signatures that are read for this are none to put in force
            plan, warnings = await asyncio.to_thread(state.policies.read)
        operations = await asyncio.to_thread(enforce.plan_operations, plan.kernel, state_dir=state.options.state_dir)
        return {
            "hash": plan.hash,
            "warnings": [str(w) for w in warnings],
            "operations": [o.to_json() for o in operations],
        }


def _devices(state: State) -> dict[str, Any]:
    """Their addresses are those of the kernel's neighbours, and of their flows: a bridge has no such neighbours."""
    found = [(each.mac, each.address) for each in neighbours.dump()]
    found += [(r.mac, r.dst if r.direction == "in" else r.src) for r in state.engine.flows()]
    addresses = defaultdict(set)
    for mac, address in found:
        if mac and routed(address):
            addresses[mac].add(address)
    return {"errors": list(state.devices.errors.values()), "devices": state.devices.told(addresses)}


def _guard(request: dict[str, Any]) -> Guard:
    """What a change may not cut: `session` is the caller's, as SSH_CONNECTION says it; `force`: it may."""
    if request.get("force"):
        return None
    session = request.get("session")
    return (session_of(str(session)),) if session else ()
