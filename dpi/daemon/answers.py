"""What the control socket answers: each request's coroutine, made of what the worker knows.

What looks at every flow does so in a thread: with a million of them the control plane's loop would miss its beats.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dpi import __version__, enforce
from dpi.control import Handler
from dpi.daemon.neighbours import routed
from dpi.daemon.reload import Guard
from dpi.daemon.session import session_of
from dpi.daemon.subscribers import told, uses
from dpi.daemon.why import Counted, why
from dpi.enforce import neighbours
from dpi.errors import DpiError, UsageError
from dpi.policy import show
from dpi.policy.conditions import unmet
from dpi.policy.plan import Direction
from dpi.policy.versions import Source
from dpi.record.fields import FlowRecord
from dpi.simulate.outcome import DEFAULT

if TYPE_CHECKING:
    from dpi.daemon.worker import Worker

DIRECTIONS: tuple[Direction, ...] = ("down", "up")


def handlers(worker: Worker) -> dict[str, Handler]:
    """`do` of a request → its coroutine."""
    answers = Answers(worker)
    return {
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


TOP_QUOTAS = 10  # accounts in the answer to `status`, those that used most of theirs


class Answers:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._forwarded = forwarded(worker.plan.engine.lan_devices)  # before us

    async def status(self, request: dict[str, Any]) -> dict[str, Any]:
        worker = self._inline()
        plan = worker.plan
        counters = await asyncio.to_thread(worker.count)
        reload, trial, version = worker.reloads.last, worker.reloads.trial, worker.reloads.version
        engine = worker.engine.counters()
        return {
            "version": __version__,
            "pid": os.getpid(),
            "started": worker.started,
            "uptime": time.time() - worker.started,
            "config": list(plan.sources),
            "policy_hash": plan.hash,
            "mode": plan.kernel.mode,
            "interfaces": [{"name": i.name, "role": i.role, "vlan": i.vlan} for i in plan.kernel.interfaces],
            "version_in_force": version and version.number,
            "own_files": worker.policies.source == worker.policies.own,
            "trial": trial and {"until": trial.until, "back_to": trial.before.number},
            "reload": reload and {"time": reload.time, "ok": reload.ok, "message": reload.message},
            "queues": self._queues(),
            "engine": engine,
            "flows": engine["active"],
            "max_flows": engine["capacity"],
            "forwarded_packets": max(forwarded(plan.engine.lan_devices) - self._forwarded, 0),
            "classes": self._classes(counters),
            "rules": self._rules(counters),
            "routes": self._routes(counters),
            "subscribers": self._subscribers(),
            "conditions": worker.conditions.told(plan),
            "quotas": {
                "error": worker.quotas.error,
                "accounts": (await asyncio.to_thread(worker.quotas.told))[:TOP_QUOTAS],
            },
            "one_way": await asyncio.to_thread(self._one_way),
            "undecided": {d: {"packets": c.packets, "bytes": c.bytes} for d, c in counters.undecided.items()},
            "records": worker.records
            and plan.records
            and {
                "file": plan.records.file,
                "written": worker.records.written,
                "lost": worker.records.lost,
                "error": worker.records.error,
            },
        }

    def _subscribers(self) -> dict[str, Any] | None:
        """{"count", "on_demand": None where all have classes, or how it is with them}"""
        plan = self._worker.plan.kernel.subscribers
        if plan is None:
            return None
        return {"count": sum(b.is_subscriber for b in plan.branches), "on_demand": self._worker.demand.told()}

    def _one_way(self) -> dict[str, Any]:
        """{"connections", "up", "down", "examples": [{"direction", "local", "remote"}]}, of TCP"""
        found = self._worker.engine.one_way()
        if found.up or found.down:  # what came by without us, as a proxy's answers do, the kernel has counted
            self._worker.accounts.refresh()
            found = self._worker.engine.one_way()
        return {**found._asdict(), "examples": [example._asdict() for example in found.examples]}

    def _inline(self) -> Worker:
        if not self._worker.heart.ready:
            raise enforce_not_ready()
        return self._worker

    def _queues(self) -> list[dict[str, Any]]:
        from dpi.capture.nfqueue import kernel_counters

        kernel = kernel_counters()
        rows = []
        for reader in self._worker.readers:
            there = kernel.get(reader.number, {})
            rows.append({"queue": reader.number, **reader.counters(), **{f"kernel_{k}": v for k, v in there.items()}})
        return rows

    def _classes(self, counters: enforce.Counters) -> list[dict[str, Any]]:
        """One row a class and direction.  Flows are those of the classes below it too, and of both directions."""
        worker = self._worker
        trees = worker.plan.kernel.trees
        parents = {c.name: c.parent for tree in trees for c in tree.classes}
        default = trees[0].default if trees else None
        of = {
            d.name: d.class_ or default
            for d in worker.plan.kernel.dispositions
            if not (d.block or d.exempt or d.redirect)
        }
        now = _flows_of(parents, ((of.get(name or DEFAULT), n) for name, n in worker.engine.decided_by_rule().items()))
        ended = _flows_of(parents, worker.totals.flows_ended("classes").items())
        rows = {}
        for tree in trees:
            for c in tree.classes:
                count = counters.classes.get((tree.direction, c.name), enforce.Count())
                rows[tree.direction, c.name] = {
                    "name": c.name,
                    "parent": c.parent,
                    "direction": tree.direction,
                    "device": tree.ifb or tree.device,
                    "rate": c.rate,
                    "ceil": c.ceil,
                    "flows": now.get(c.name, 0),
                    "flows_total": now.get(c.name, 0) + ended.get(c.name, 0),
                    "packets": count.packets,
                    "bytes": count.bytes,
                    "drops": count.drops,
                    "backlog": count.backlog,
                    "last_hit": worker.hits.last("class", c.name),
                }
        return list(rows.values())

    def _rules(self, counters: enforce.Counters) -> list[dict[str, Any]]:
        worker = self._worker
        plan = worker.plan
        where = {rule.name: rule.where for rule in plan.engine.rules}
        waits = {rule.name: ", ".join(unmet(rule.match, worker.conditions.holding)) for rule in plan.engine.rules}
        now = {name or DEFAULT: count for name, count in worker.engine.decided_by_rule().items()}
        ended = worker.totals.flows_ended("rules")
        rows = []
        for d in plan.kernel.dispositions:
            down, up = (counters.rules.get((way, d.name), enforce.Count()) for way in DIRECTIONS)
            policed = sum((counters.policed.get((way, d.name), enforce.Count()) for way in DIRECTIONS), enforce.Count())
            rows.append(
                {
                    "name": d.name,
                    "where": where.get(d.name, ""),
                    "waits": waits.get(d.name, ""),  # for what, where a condition of it does not hold
                    "flows": now.get(d.name, 0),
                    "flows_total": now.get(d.name, 0) + ended.get(d.name, 0),
                    "packets": down.packets + up.packets,
                    "bytes": down.bytes + up.bytes,
                    "bytes_down": down.bytes,
                    "bytes_up": up.bytes,
                    "policed_packets": policed.packets,
                    "policed_bytes": policed.bytes,
                    "last_hit": worker.hits.last("rule", d.name),
                }
            )
        return rows

    def _routes(self, counters: enforce.Counters) -> list[dict[str, Any]]:
        """`bytes` and `packets` are served; `fill_*` is what the cache itself fetched through this box."""
        rows = []
        for state in self._worker.caches.state():
            name = state["name"]
            served, fill = (
                sum((found.get((way, name), enforce.Count()) for way in DIRECTIONS), enforce.Count())
                for found in (counters.routes, counters.fills)
            )
            rows.append(
                state
                | {"packets": served.packets, "bytes": served.bytes}
                | {"fill_packets": fill.packets, "fill_bytes": fill.bytes}
                | {"last_hit": self._worker.hits.last("cache", name)}
            )
        return rows

    async def caches(self, request: dict[str, Any]) -> dict[str, Any]:
        """{"caches": rows as in status, "apps": what caches serve of each app}"""
        worker = self._inline()
        counters = await asyncio.to_thread(worker.count)
        totals = await self.top(request)
        apps = {app for rule in worker.plan.engine.rules if rule.route for app in rule.match.apps}
        return {"caches": self._routes(counters), "apps": worker.offload.by_app(totals["apps"], apps)}

    async def drain(self, request: dict[str, Any]) -> dict[str, Any]:
        """No new connections to the cache `name`, or with `drained` false, again."""
        worker = self._inline()
        async with worker.changing:
            names = worker.caches.drain(str(request.get("name") or ""), drained=bool(request.get("drained", True)))
        return {"caches": names}

    async def flows(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        worker = self._inline()
        await asyncio.to_thread(worker.accounts.refresh)
        return await asyncio.to_thread(self._flows, worker, request)

    def _flows(self, worker: Worker, request: dict[str, Any]) -> list[dict[str, Any]]:
        limit = int(request.get("limit") or 100)
        app, host, class_ = request.get("app"), request.get("host"), request.get("class_")
        risky = bool(request.get("risky"))
        found = []
        for record in worker.engine.flows():
            if app and app not in (record.app, record.protocol):
                continue
            if host and not _concerns(record, host):
                continue
            if class_ and worker.class_of(record) != class_:
                continue
            if risky and not record.risks:
                continue
            found.append(record)
        found.sort(key=lambda r: (-r.risk_score if risky else 0, -(r.bytes_up + r.bytes_down)))
        return [self.describe(record) for record in found[:limit]]

    def describe(self, record: FlowRecord) -> dict[str, Any]:
        """A record with what the policy makes of it."""
        worker = self._worker
        marks = worker.plan.kernel.marks
        rule = next((r for r in worker.plan.engine.rules if r.name == record.rule), None)
        return record.as_dict() | {
            "class": worker.class_of(record),
            "route": rule.route if rule else None,
            "cache": worker.offload.machine(record),
            "offloaded": bool(record.mark & marks.final),
        }

    async def top(self, request: dict[str, Any]) -> dict[str, Any]:
        worker = self._inline()
        await asyncio.to_thread(worker.accounts.refresh)
        worker.catch_up()  # reading the kernel's table may have ended flows: not to be missing from both sums
        ended = worker.totals.copy()
        return await asyncio.to_thread(lambda: ended.read((r, worker.class_of(r) or "") for r in worker.engine.flows()))

    async def why(self, request: dict[str, Any]) -> dict[str, Any]:
        worker = self._inline()
        await asyncio.to_thread(worker.accounts.refresh)
        what = str(request.get("what") or "")
        counters = await asyncio.to_thread(worker.count)
        used = await asyncio.to_thread(uses, worker)
        conditions = worker.conditions.told(worker.plan)
        counted = Counted(self._rules(counters), self._classes(counters), used, conditions)
        return await asyncio.to_thread(why, worker, what, self.describe, counted)

    async def subscriber(self, request: dict[str, Any]) -> dict[str, Any]:
        """The subscriber `id`: its classes with what they counted."""
        worker = self._inline()
        await asyncio.to_thread(worker.accounts.refresh)
        found = await asyncio.to_thread(told, worker, str(request.get("id") or ""))
        return {"config": list(worker.plan.sources), **found}

    async def apply(self, request: dict[str, Any]) -> dict[str, Any]:
        """Puts the daemon's files in force anew, or with `config` that one; on trial for `confirm` seconds."""
        worker = self._inline()
        config, source = request.get("config"), None
        if config:
            if not Path(config).is_absolute():
                raise UsageError(f"{config}: the daemon needs an absolute path")
            source = Source(Path(config), tuple(request.get("sets") or ()))
        confirm = request.get("confirm")
        return await worker.reloads.apply(
            source,
            who=request["who"],
            comment=str(request.get("comment") or ""),
            confirm=worker.plan.control.confirm if confirm is None else float(confirm),
            guard=_guard(request),
        )

    async def confirm(self, request: dict[str, Any]) -> dict[str, Any]:
        return await self._inline().reloads.confirm()

    async def rollback(self, request: dict[str, Any]) -> dict[str, Any]:
        """Puts version `number` in force, or the one before."""
        number = request.get("number")
        return await self._inline().reloads.rollback(
            None if number is None else int(number), who=request["who"], guard=_guard(request)
        )

    async def history(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """The versions kept, oldest first."""
        worker = self._inline()
        now = worker.reloads.version
        kept = await asyncio.to_thread(worker.policies.versions.all)
        return [{**version.to_json(), "in_force": version == now} for version in kept]

    async def devices(self, request: dict[str, Any]) -> dict[str, Any]:
        """{"errors": why some are not heard or kept, "devices": those heard of, with their addresses of now}"""
        worker = self._inline()
        return await asyncio.to_thread(_devices, worker)

    async def quotas(self, request: dict[str, Any]) -> dict[str, Any]:
        """What was used of quotas, by all or by `account`: {"error", "accounts": [...]}, counted anew."""
        worker = self._inline()
        if worker.quotas:
            await worker.count_quotas()
        who = request.get("account")
        return {
            "error": worker.quotas.error,
            "accounts": await asyncio.to_thread(worker.quotas.told, str(who) if who else None),
        }

    async def reset_quotas(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forgets what `account` has used (None: all) of `quota` (None: of each)."""
        worker = self._inline()
        if worker.quotas:
            await worker.count_quotas()
        count = worker.quotas.reset(request.get("account"), request.get("quota"))
        if worker.quotas:
            await worker.count_quotas()
        return {"reset": count, "message": f"reset: {count} account{'s' * (count != 1)}"}

    async def policy(self, request: dict[str, Any]) -> dict[str, Any]:
        """The plan in force."""
        worker = self._inline()
        return {"words": show.words(worker.base), "data": show.data(worker.base)}

    async def plan(self, request: dict[str, Any]) -> dict[str, Any]:
        """What putting the policy in force anew would change, without doing it."""
        worker = self._inline()
        async with worker.changing:  # signatures that are read for this are none to put in force
            plan, warnings = await asyncio.to_thread(worker.policies.read)
        operations = await asyncio.to_thread(enforce.plan_operations, plan.kernel, state_dir=worker.options.state_dir)
        return {
            "hash": plan.hash,
            "warnings": [str(w) for w in warnings],
            "operations": [o.to_json() for o in operations],
        }


def _devices(worker: Worker) -> dict[str, Any]:
    """Their addresses are those of the kernel's neighbours, and of their flows: a bridge has no such neighbours."""
    found = [(each.mac, each.address) for each in neighbours.dump()]
    found += [(r.mac, r.dst if r.direction == "in" else r.src) for r in worker.engine.flows()]
    addresses = defaultdict(set)
    for mac, address in found:
        if mac and routed(address):
            addresses[mac].add(address)
    return {"errors": list(worker.devices.errors.values()), "devices": worker.devices.told(addresses)}


def _flows_of(parents: Mapping[str, str | None], flows: Iterable[tuple[str | None, int]]) -> dict[str, int]:
    """Flows by class, those above it included."""
    found: dict[str, int] = {}
    for name, count in flows:
        class_ = name
        while class_ is not None and class_ in parents:
            found[class_] = found.get(class_, 0) + count
            class_ = parents[class_]
    return found


def _guard(request: dict[str, Any]) -> Guard:
    """What a change may not cut: `session` is the caller's, as SSH_CONNECTION says it; `force`: it may."""
    if request.get("force"):
        return None
    session = request.get("session")
    return (session_of(str(session)),) if session else ()


def enforce_not_ready() -> DpiError:
    return DpiError("the daemon is still starting")


def _concerns(record: FlowRecord, host: str) -> bool:
    if host in (record.src, record.dst):
        return True
    name = record.hostname or ""
    return name == host or name.endswith("." + host)


def forwarded(devices: tuple[str, ...]) -> int:
    """Packets in and out of the LAN's interfaces, by /proc/net/dev."""
    total = 0
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        name, colon, numbers = line.partition(":")
        if colon and name.strip() in devices:
            fields = numbers.split()
            total += int(fields[1]) + int(fields[9])
    return total
