"""What is in force: a policy that was read, the rules whose conditions hold, the tariffs of those over a quota."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from dpi import enforce
from dpi.daemon import subscriber_addresses
from dpi.daemon.account import key_of_record
from dpi.daemon.reload import Guard
from dpi.daemon.session import Session, refuse_to_cut
from dpi.daemon.state import State
from dpi.enforce import conntrack
from dpi.errors import DpiError, UsageError
from dpi.policy.conditions import dispositions_absent
from dpi.policy.plan import Plan
from dpi.policy.throttle import throttled
from dpi.policy.versions import Source
from dpi.record.writer import Writer
from dpi.simulate.outcome import Judge

log = logging.getLogger("dpi")


async def put_in_force(state: State, source: Source, guard: Guard) -> tuple[Plan, dict[str, Any]]:
    """Reads a policy and puts it in force; what went wrong leaves the one before as it is."""
    base, warnings = await asyncio.to_thread(state.policies.read, source)
    old, plan = state.plan, with_tariffs(state, base)
    _refuse_restart_matters(old, plan)
    if guard is not None:
        await asyncio.to_thread(_refuse_to_cut, state, plan, guard)
    records = state.records if plan.records == old.records else writer(plan)
    try:
        await redirect(state, plan)
        report = await asyncio.to_thread(enforce.apply, plan.kernel, state_dir=state.options.state_dir)
    except DpiError:
        with contextlib.suppress(DpiError):
            await redirect(state, old)
        if records and records is not state.records:
            records.close()
        raise
    if state.signatures.adopt():
        state.engine.adopt(state.signatures.used)
        state.devices.use(state.signatures.used.devices)
        log.info("signatures read again; flows keep the labels that they have")
    state.base = base
    state.use(plan)
    state.demand.use(plan.kernel, report.asleep)
    state.quotas.use(plan.conditions.quotas)
    load_rules(state)
    state.records, before = records, state.records
    state.policies.keep(plan)
    await state.caches.use(plan.kernel)
    state.caches.watch()
    subscriber_addresses.follow(state)
    if before and before is not records:
        await asyncio.to_thread(before.close)
    await _throttle(state)  # of quotas that were not there before
    moved = await asyncio.to_thread(remark, state)
    message = f"policy {plan.hash} in force; changes in the kernel: {len(report.operations)}, flows moved: {moved}"
    return plan, {
        "message": message,
        "hash": plan.hash,
        "warnings": [str(w) for w in warnings],
        "flows_moved": moved,
        **report.to_json(),
    }


def _refuse_restart_matters(old: Plan, new: Plan) -> None:
    """What the queues and the flow table were made of cannot change under them."""
    for what, before, after in (
        ("interfaces", old.kernel.interfaces, new.kernel.interfaces),
        ("interfaces.mode", old.kernel.mode, new.kernel.mode),
        ("marks.mask", old.kernel.marks, new.kernel.marks),
        ("queue", (old.kernel.queues, old.kernel.queue_base), (new.kernel.queues, new.kernel.queue_base)),
        ("flows.max", old.engine.max_flows, new.engine.max_flows),
        ("flows.risks", old.engine.risks, new.engine.risks),
        ("control", (old.control.socket, old.control.group), (new.control.socket, new.control.group)),
    ):
        if before != after:
            raise UsageError(f"`{what}` cannot change while the daemon runs: restart it; the policy before is in force")


def _refuse_to_cut(state: State, plan: Plan, sessions: tuple[Session, ...]) -> None:
    """Raises DpiError where this plan would cut off who changes the policy."""
    new = Judge(plan, state.signatures.next, state.conditions.look(plan.conditions))
    now = Judge(state.plan, state.signatures.used, state.conditions.holding)
    refuse_to_cut(sessions, state.engine.flows(), now, new)


def writer(plan: Plan) -> Writer | None:
    """Where the plan wants records written."""
    if not plan.records:
        return None
    try:
        return Writer(Path(plan.records.file), plan.records.rotate, plan.records.keep)
    except OSError as error:
        raise UsageError(f"records: {plan.records.file}: {error.strerror}") from error


async def redirect(state: State, plan: Plan) -> None:
    """Before the kernel asks for it, so that the first request finds somebody who answers."""
    await state.portal.use(plan.kernel.portal)
    state.redirects.use(plan.kernel)


def load_rules(state: State) -> None:
    """Those of the plan in force whose conditions hold now."""
    plan = state.plan
    holding = state.conditions.look(plan.conditions)
    state.engine.load_rules(plan.engine, plan.kernel.targets, holding)
    state.conditions.use(plan.conditions, holding)


def remark(state: State) -> int:
    """Flows for which the rules now say something else: their connections get the new mark; → how many.

    Connections from before our start are in no table; they keep their class for as long as their rule is there, and
    are looked at anew when it is not.
    """
    marks = {key_of_record(r): r.mark for r in state.engine.reevaluate() if r.mark}
    layout = state.plan.kernel.marks
    forgotten = {layout.disposition(n) for n in dispositions_absent(state.plan.engine, state.conditions.holding)}
    if not marks and not forgotten:
        return 0
    keep = layout.route_mask  # a cache's established connections stay where they are
    changes = []
    for connection in conntrack.dump():
        mark = marks.get(conntrack.flow_key(connection))
        if mark is None and connection.mark & layout.disposition_mask in forgotten:
            mark = 0
        if mark is not None:
            changes.append((connection, mark & ~keep, layout.mask & ~keep))
    return conntrack.set_marks(changes)


async def switch(state: State) -> None:
    """Other conditions may hold than before: the same policy, with the rules that are there now."""
    async with state.changing:
        plan, before = state.plan, state.conditions.holding
        holding = state.conditions.look(plan.conditions)
        if holding == before:
            return
        await _throttle(state)
        await asyncio.to_thread(state.engine.load_rules, plan.engine, plan.kernel.targets, holding)
        state.conditions.use(plan.conditions, holding)
        moved = await asyncio.to_thread(remark, state)
        log.info("%s; flows moved: %d", state.conditions.words(before), moved)


async def _throttle(state: State) -> None:
    """The tariffs of those who have used up a quota."""
    plan = with_tariffs(state, state.base)
    if plan.kernel == state.plan.kernel:
        return
    try:
        report = await asyncio.to_thread(enforce.apply, plan.kernel, state_dir=state.options.state_dir)
    except DpiError as error:
        log.error("tariffs of quotas: %s", error)  # tried again with the next change of conditions
        return
    state.use(plan)
    state.demand.use(plan.kernel, report.asleep)
    subscriber_addresses.follow(state)


def with_tariffs(state: State, plan: Plan) -> Plan:
    """A plan with the tariffs of those who have used up a quota now."""
    tariffs = {
        who: quota.tariff
        for quota in plan.conditions.quotas
        if quota.tariff
        for who in state.quotas.over.get(quota.name, ())
    }
    return replace(plan, kernel=throttled(plan.kernel, tariffs))


def repaired(state: State, report: enforce.Report) -> None:
    """What somebody removed was put back."""
    state.demand.use(state.plan.kernel, report.asleep)
    state.caches.tell_again()
    subscriber_addresses.follow(state)  # what was learnt is no part of a plan
