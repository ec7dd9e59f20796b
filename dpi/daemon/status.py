"""What `dpi status` tells: the daemon, its queues, and a row for each class, rule and cache."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dpi import __version__, enforce
from dpi.capture.nfqueue import kernel_counters
from dpi.daemon.count import counters as read_counters
from dpi.daemon.reload import Reloads
from dpi.daemon.state import State
from dpi.policy.conditions import unmet
from dpi.policy.plan import DIRECTIONS
from dpi.simulate.outcome import DEFAULT

TOP_QUOTAS = 10  # accounts that used most of theirs


async def status(state: State, reloads: Reloads, forwarded_before: int) -> dict[str, Any]:
    """forwarded_before: forwarded() when this life began."""
    plan = state.plan
    counters = await asyncio.to_thread(read_counters, state)
    reload, trial, version = reloads.last, reloads.trial, reloads.version
    engine = state.engine.counters()
    return {
        "version": __version__,
        "pid": os.getpid(),
        "started": state.started,
        "uptime": time.time() - state.started,
        "config": list(plan.sources),
        "policy_hash": plan.hash,
        "mode": plan.kernel.mode,
        "interfaces": [{"name": i.name, "role": i.role, "vlan": i.vlan} for i in plan.kernel.interfaces],
        "version_in_force": version and version.number,
        "own_files": state.policies.source == state.policies.own,
        "trial": trial and {"until": trial.until, "back_to": trial.before.number},
        "reload": reload and {"time": reload.time, "ok": reload.ok, "message": reload.message},
        "queues": _queues(state),
        "engine": engine,
        "flows": engine["active"],
        "max_flows": engine["capacity"],
        "forwarded_packets": max(forwarded(plan.engine.lan_devices) - forwarded_before, 0),
        "classes": classes(state, counters),
        "rules": rules(state, counters),
        "routes": routes(state, counters),
        "subscribers": _subscribers(state),
        "conditions": state.conditions.told(plan),
        "quotas": {
            "error": state.quotas.error,
            "accounts": (await asyncio.to_thread(state.quotas.told))[:TOP_QUOTAS],
        },
        "one_way": await asyncio.to_thread(_one_way, state),
        "undecided": {d: {"packets": c.packets, "bytes": c.bytes} for d, c in counters.undecided.items()},
        "records": state.records
        and plan.records
        and {
            "file": plan.records.file,
            "written": state.records.written,
            "lost": state.records.lost,
            "error": state.records.error,
        },
    }


def _subscribers(state: State) -> dict[str, Any] | None:
    """{"count", "on_demand": None where all have classes, or how it is with them}"""
    plan = state.plan.kernel.subscribers
    if plan is None:
        return None
    return {"count": sum(b.is_subscriber for b in plan.branches), "on_demand": state.demand.told()}


def _one_way(state: State) -> dict[str, Any]:
    """{"connections", "up", "down", "examples": [{"direction", "local", "remote"}]}, of TCP"""
    found = state.engine.one_way()
    if found.up or found.down:  # what came by without us, as a proxy's answers do, the kernel has counted
        state.accounts.refresh()
        found = state.engine.one_way()
    return {**found._asdict(), "examples": [example._asdict() for example in found.examples]}


def _queues(state: State) -> list[dict[str, Any]]:
    kernel = kernel_counters()
    rows = []
    for reader in state.queues.readers:
        there = kernel.get(reader.number, {})
        rows.append({"queue": reader.number, **reader.counters(), **{f"kernel_{k}": v for k, v in there.items()}})
    return rows


def classes(state: State, counters: enforce.Counters) -> list[dict[str, Any]]:
    """One row a class and direction.  Flows are those of the classes below it too, and of both directions."""
    trees = state.plan.kernel.trees
    parents = {c.name: c.parent for tree in trees for c in tree.classes}
    default = trees[0].default if trees else None
    of = {
        d.name: d.class_ or default for d in state.plan.kernel.dispositions if not (d.block or d.exempt or d.redirect)
    }
    now = _flows_of(parents, ((of.get(name or DEFAULT), n) for name, n in state.engine.decided_by_rule().items()))
    ended = _flows_of(parents, state.totals.flows_ended("classes").items())
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
                "last_hit": state.hits.last("class", c.name),
            }
    return list(rows.values())


def _flows_of(parents: Mapping[str, str | None], flows: Iterable[tuple[str | None, int]]) -> dict[str, int]:
    """Flows by class, those above it included."""
    found: dict[str, int] = {}
    for name, count in flows:
        class_ = name
        while class_ is not None and class_ in parents:
            found[class_] = found.get(class_, 0) + count
            class_ = parents[class_]
    return found


def rules(state: State, counters: enforce.Counters) -> list[dict[str, Any]]:
    plan = state.plan
    where = {rule.name: rule.where for rule in plan.engine.rules}
    waits = {rule.name: ", ".join(unmet(rule.match, state.conditions.holding)) for rule in plan.engine.rules}
    now = {name or DEFAULT: count for name, count in state.engine.decided_by_rule().items()}
    ended = state.totals.flows_ended("rules")
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
                "last_hit": state.hits.last("rule", d.name),
            }
        )
    return rows


def routes(state: State, counters: enforce.Counters) -> list[dict[str, Any]]:
    """`bytes` and `packets` are served; `fill_*` is what the cache itself fetched through this box."""
    rows = []
    for row in state.caches.state():
        name = row["name"]
        served, fill = (
            sum((found.get((way, name), enforce.Count()) for way in DIRECTIONS), enforce.Count())
            for found in (counters.routes, counters.fills)
        )
        rows.append(
            row
            | {"packets": served.packets, "bytes": served.bytes}
            | {"fill_packets": fill.packets, "fill_bytes": fill.bytes}
            | {"last_hit": state.hits.last("cache", name)}
        )
    return rows


def forwarded(devices: tuple[str, ...]) -> int:
    """Packets in and out of the LAN's interfaces, by /proc/net/dev."""
    total = 0
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        name, colon, numbers = line.partition(":")
        if colon and name.strip() in devices:
            fields = numbers.split()
            total += int(fields[1]) + int(fields[9])
    return total
