"""The process that is inline: a thread a queue in the C loop, and everything else in one asyncio loop.

Order of a start: the queues are bound, then the kernel is told to use them, so that nothing waits for a reader that
is not there.  Order of a stop: the kernel is told first, then the queues are let go with an ACCEPT for what is in
them.  At every moment between, a packet that nobody asks for passes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from dpi import control, enforce
from dpi.capture.nfqueue import QueueReader
from dpi.daemon.account import Accounts, Totals
from dpi.daemon.change import Policies
from dpi.daemon.conditions import ConditionWatch
from dpi.daemon.devices import Devices
from dpi.daemon.drain import Drained
from dpi.daemon.heart import CONTROL, FIRST_QUEUE, Heart
from dpi.daemon.hits import Hits
from dpi.daemon.neighbours import Neighbours
from dpi.daemon.offload import Offload
from dpi.daemon.on_demand import Demand
from dpi.daemon.override import Overrides
from dpi.daemon.portal import Portal
from dpi.daemon.quotas import Quotas
from dpi.daemon.redirect import Redirects
from dpi.daemon.reload import Guard, Reloads
from dpi.daemon.session import Session, refuse_to_cut
from dpi.daemon.steer import Caches
from dpi.daemon.subscribers import Subscribers
from dpi.enforce import conntrack, drift, load
from dpi.engine import Asked, Engine, FlowEvent, Learnt
from dpi.errors import DpiError, UsageError
from dpi.inline import InlineHandler
from dpi.match import signatures
from dpi.match.labels import Signatures
from dpi.policy.conditions import dispositions_absent
from dpi.policy.plan import Conditions, Plan, PlannedQuota
from dpi.policy.quota import apart
from dpi.policy.throttle import throttled
from dpi.policy.versions import FOLDER, Source, Versions
from dpi.record.fields import FlowRecord
from dpi.record.writer import Writer
from dpi.simulate.outcome import Judge
from dpi.vocabulary import of_signatures

log = logging.getLogger("dpi")

BEAT_SECONDS = 0.2  # a wake costs more than what it finds to do
WATCH_SECONDS = 1.0  # how often policy files are looked at; a change is read once it has been still for as long
MEASURE_SECONDS = 1.0  # between two looks at classes that may be congested
QUOTA_SECONDS = 5.0  # between two counts of what was used of quotas
REFRESH_SECONDS = 30.0  # conntrack, while nobody looks


@dataclass(frozen=True)
class Options:
    """What `dpi run` was told."""

    config: Path
    sets: tuple[str, ...] = ()
    state_dir: Path = Path("/run/dpi")
    versions_dir: Path = FOLDER
    socket: Path | None = None  # None: DPI_SOCKET, else as the policy says


class _Fresh(NamedTuple):
    """Signatures that were read and are not in use yet."""

    signatures: Signatures
    folders: tuple[Path, ...]
    stamp: signatures.Stamp


class Worker:
    """One life of the daemon."""

    def __init__(self, options: Options, heart: Heart) -> None:
        self.options = options
        self.heart = heart
        self.started = time.time()
        own = Source(options.config, options.sets)
        self.policies = Policies(own, options.state_dir, Versions(options.versions_dir), self._vocabulary)
        self.signatures: Signatures | None = None
        self._folders: tuple[Path, ...] = ()
        self._stamp: signatures.Stamp = ()  # of the signature files in use
        self._fresh: _Fresh | None = None  # what a policy that is being read would use instead
        self.base: Plan  # as the policy says
        self.plan: Plan  # … with the tariffs of those who have used up a quota
        self.engine: Engine
        self.handlers: list[InlineHandler] = []
        self.readers: list[QueueReader] = []
        self.totals = Totals()
        self.hits = Hits()
        self.subscribers = Subscribers()
        self.neighbours = Neighbours(self._learn)
        self.accounts: Accounts
        self.records: Writer | None = None
        overrides = Overrides(self._release, self._subscriber_at, lambda *which: self.engine.override(*which))
        self.caches = Caches(self._release, Drained(options.state_dir), overrides)
        self.offload = Offload()
        self.redirects, self.portal = Redirects(), Portal()
        self._threads: list[threading.Thread] = []
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.changing = asyncio.Lock()
        self.demand = Demand(options.state_dir, self.changing)
        self.reloads = Reloads(self.policies, self.changing, self._put_in_force, self._spawn)
        self.devices = Devices(options.versions_dir.parent / "devices.json")
        self.conditions = ConditionWatch(self._switch, over=self._over, devices=self.devices.known)
        self._counting = asyncio.Lock()
        self._over_before: tuple[tuple[object, ...], frozenset[tuple[str, str]]] = (None,) * 3, frozenset()
        self.quotas = Quotas(options.versions_dir.parent / "quotas.json", self._whose, _record_key, self._warn)
        self._stop = asyncio.Event()
        self._beating: asyncio.Task[Any] | None = None
        self._classes: dict[int, str | None] = {}
        self._applied = False

    def _vocabulary(self, folders: tuple[Path, ...]) -> Any:
        """The names of the signatures in these folders.  They are read again only where a file has changed."""
        stamp = signatures.stamp(folders)
        self._fresh = None
        if self.signatures is not None and (folders, stamp) == (self._folders, self._stamp):
            return of_signatures(self.signatures)
        self._fresh = _Fresh(signatures.load(folders, self.signatures), folders, stamp)
        return of_signatures(self._fresh.signatures)

    def _adopt(self) -> bool:
        """The policy that was read is in force, and so are its signatures.  False: they are the same as before."""
        if self._fresh is None:
            return False
        self.signatures, self._folders, self._stamp = self._fresh
        self._fresh = None
        return True

    async def main(self) -> int:
        """Until SIGTERM; the exit code."""
        if instead := self.policies.find():
            log.warning("%s", instead)
        plan, warnings = self.policies.read()
        self._adopt()
        for warning in warnings:
            log.warning("%s", warning)
        self.plan = self.base = plan
        self._know_classes(plan)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload("SIGHUP")))
        from dpi.daemon.answers import handlers

        server = control.Server(self._socket_path(plan), handlers(self), plan.control.group or control.GROUP)
        self._tasks: set[asyncio.Task[Any]] = set()
        await server.start()
        try:
            await self._go_inline(plan)
            log.info("inline: policy %s of %s", plan.hash, ", ".join(plan.sources))
            self.reloads.started(plan)
            self.heart.set_ready()
            keeping = drift.keep(
                lambda: self.plan.kernel,
                state_dir=self.options.state_dir,
                changing=self.changing,
                repaired=self._repaired,
                own=self.demand.port,
            )
            self._beating = self._spawn(self._beat())
            for task in (
                self._watch(),
                self._refresh(),
                self.conditions.run(),
                self._count_quotas(),
                self._measure(),
                self.demand.run(),
                self.neighbours.run(),
                self.devices.run(),
                keeping,
            ):
                self._spawn(task)
            loop.add_reader(self.accounts.fileno(), self.accounts.handle)
            await self._stop.wait()
        finally:
            await server.stop()
            await self._leave()
        return 0

    def _socket_path(self, plan: Plan) -> Path:
        if self.options.socket:
            return self.options.socket
        return Path(os.environ.get("DPI_SOCKET") or plan.control.socket or control.SOCKET)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        """A part that failed ends the daemon: its parent starts a whole one."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.critical("a part of the daemon failed", exc_info=error)
            os._exit(70)

    # In and out of the path

    async def _go_inline(self, plan: Plan) -> None:
        assert self.signatures is not None
        self.quotas.use(plan.conditions.quotas)
        plan = self.plan = self._throttled(plan)
        self._know_classes(plan)
        kernel = plan.kernel
        self.engine = Engine(
            self.signatures,
            max_flows=plan.engine.max_flows,
            shards=kernel.queues,
            offload=True,
            risks=plan.engine.risks,
        )
        self.devices.use(self.signatures.devices)
        self.devices.listen(plan.engine.lan_devices)
        holding = self.conditions.look(plan.conditions)
        self.engine.load_rules(plan.engine, plan.kernel.targets, holding)
        self.conditions.use(plan.conditions, holding)
        self.accounts = Accounts(self.engine, self.offload, self.quotas.gone)
        self.quotas.begin(await asyncio.to_thread(conntrack.carried))
        self.records = _writer(plan)
        lans, vlans = self._lans = _lans(plan)
        for n, core in enumerate(self.engine.cores):
            handler = InlineHandler(core, lans, _packed_prefixes(kernel.local), vlans, wake=self._wake)
            self.handlers.append(handler)
            reader = QueueReader(
                kernel.queue_base + n,
                handler,
                mask=kernel.marks.mask,
                heartbeat=self.heart.address(FIRST_QUEUE + n),
            )
            self.readers.append(reader)
            thread = threading.Thread(target=reader.run, name=f"queue-{kernel.queue_base + n}", daemon=True)
            thread.start()
            self._threads.append(thread)
        await self.caches.use(kernel)
        await self._redirect(plan)
        asyncio.get_running_loop().add_reader(self._wake, self._woken)
        report = await asyncio.to_thread(enforce.apply, kernel, state_dir=self.options.state_dir)
        self._applied = True
        self.demand.use(kernel, report.asleep)
        self.caches.watch()
        for note in report.notes:
            log.info("%s", note)
        self._follow_neighbours()
        self.policies.keep(plan)
        await asyncio.to_thread(self._remark)

    async def _leave(self) -> None:
        for task in self._tasks - {self._beating}:  # it beats until traffic is out of our hands
            task.cancel()
        await self.demand.stop()
        await self.caches.stop()
        self.neighbours.close()
        self.devices.close()
        await self.portal.close()
        try:
            # Where apply failed the kernel is as it was, so there is nothing to take back.
            if self._applied and self.plan.on_exit == "clean":
                await asyncio.to_thread(enforce.clean, state_dir=self.options.state_dir)
                log.info("out of the path: traffic passes unshaped, nothing of ours is left in the kernel")
            elif self._applied:
                log.info("out of the path: our shaping, routes and blocks stay, as on_exit says")
        finally:
            self.redirects.close()
            for reader in self.readers:
                reader.stop()
            for thread in self._threads:
                await asyncio.to_thread(thread.join, 5)
            for reader in self.readers:
                reader.close()
            if self.heart.ready:
                self.heart.set_out()
            if hasattr(self, "engine"):
                self._write_out()

    def _write_out(self) -> None:
        """The records of the flows that are still there."""
        for core in self.engine.cores:
            go_on = core.flush(0)
            self._take(self.engine.drain_events(10_000))
            while go_on:
                go_on = core.flush(go_on)
                self._take(self.engine.drain_events(10_000))
        self.quotas.look(self.quotas.ended_so_far(), ())
        self.quotas.save(now=True)
        self.accounts.close()
        if self.records:
            self.records.close()

    # Change

    async def _reload(self, who: str) -> None:
        """The files may have changed.  What is wrong is logged and shown by `dpi status`."""
        with contextlib.suppress(DpiError):
            await self.reloads.apply(who=who, confirm=self.plan.control.confirm)

    async def _put_in_force(self, source: Source, guard: Guard) -> tuple[Plan, dict[str, Any]]:
        """Reads a policy and puts it in force; what went wrong leaves the one before as it is."""
        plan, warnings = await asyncio.to_thread(self.policies.read, source)
        base, plan = plan, self._throttled(plan)
        old = self.plan
        _refuse_restart_matters(old, plan)
        if guard is not None:
            await asyncio.to_thread(self._guard, plan, guard)
        records = self.records if plan.records == old.records else _writer(plan)
        try:
            await self._redirect(plan)
            report = await asyncio.to_thread(enforce.apply, plan.kernel, state_dir=self.options.state_dir)
        except DpiError:
            with contextlib.suppress(DpiError):
                await self._redirect(old)
            if records and records is not self.records:
                records.close()
            raise
        if self._adopt():
            assert self.signatures is not None
            self.engine.adopt(self.signatures)
            self.devices.use(self.signatures.devices)
            log.info("signatures read again; flows keep the labels that they have")
        self.base, self.plan = base, plan
        self.demand.use(plan.kernel, report.asleep)
        self.quotas.use(plan.conditions.quotas)
        self._know_classes(plan)
        holding = self.conditions.look(plan.conditions)
        self.engine.load_rules(plan.engine, plan.kernel.targets, holding)
        self.conditions.use(plan.conditions, holding)
        self.records, before = records, self.records
        self.policies.keep(plan)
        await self.caches.use(plan.kernel)
        self.caches.watch()
        self._follow_neighbours()
        if before and before is not records:
            await asyncio.to_thread(before.close)
        await self._throttle()  # of quotas that were not there before
        moved = await asyncio.to_thread(self._remark)
        message = f"policy {plan.hash} in force; changes in the kernel: {len(report.operations)}, flows moved: {moved}"
        return plan, {
            "message": message,
            "hash": plan.hash,
            "warnings": [str(w) for w in warnings],
            "flows_moved": moved,
            **report.to_json(),
        }

    def _repaired(self, report: enforce.Report) -> None:
        """What somebody removed was put back."""
        self.demand.use(self.plan.kernel, report.asleep)
        self.caches.tell_again()
        self._follow_neighbours()  # what was learnt is no part of a plan

    def _follow_neighbours(self) -> None:
        """Of the policy in force; what is known of them is told to the kernel anew."""
        kernel = self.plan.kernel
        branches = kernel.subscribers.branches if kernel.subscribers and enforce.learns(kernel) else ()
        lan = [name for _, name in socket.if_nameindex() if name in self.plan.engine.lan_devices]
        self.neighbours.use({mac for b in branches for mac in b.macs}, [socket.if_nametoindex(name) for name in lan])

    async def _learn(self) -> None:
        """Addresses of subscribers who are known by MAC addresses may have come or gone."""
        async with self.changing:
            table, kernel = self.subscribers.table, self.plan.kernel
            if not enforce.learns(kernel):
                table.learn({})
                return
            found = self.neighbours.addresses.table(table.name_of_mac, table.is_written)
            branches = {a: b for a, each in found.items() if (b := table.of_mac(each.mac))}
            asleep = {b.name for b in branches.values() if self.demand.is_asleep(b.name)}
            await asyncio.to_thread(enforce.learnt, kernel, branches, asleep)
            if found != table.learnt:
                log.debug("addresses learnt of neighbours: %d", len(found))
                table.learn(found)

    async def _redirect(self, plan: Plan) -> None:
        """Before the kernel asks for it, so that the first request finds somebody who answers."""
        await self.portal.use(plan.kernel.portal)
        self.redirects.use(plan.kernel)

    def _guard(self, plan: Plan, sessions: tuple[Session, ...]) -> None:
        """Raises DpiError where this plan would cut off who changes the policy."""
        assert self.signatures is not None
        signatures = self._fresh.signatures if self._fresh else self.signatures
        new = Judge(plan, signatures, self.conditions.look(plan.conditions))
        refuse_to_cut(sessions, self.engine.flows(), Judge(self.plan, self.signatures, self.conditions.holding), new)

    async def _switch(self) -> None:
        """Other conditions hold than before: the same policy, with the rules that are there now."""
        async with self.changing:
            plan, before = self.plan, self.conditions.holding
            holding = self.conditions.look(plan.conditions)
            if holding == before:
                return
            await self._throttle()
            await asyncio.to_thread(self.engine.load_rules, plan.engine, plan.kernel.targets, holding)
            self.conditions.use(plan.conditions, holding)
            moved = await asyncio.to_thread(self._remark)
            log.info("%s; flows moved: %d", self.conditions.words(before), moved)

    def _over(self, conditions: Conditions) -> frozenset[tuple[str, str]]:
        """Prefixes of the accounts that have used up a quota."""
        known = self.quotas.over, conditions, self.subscribers.table.learnt
        if all(a is b for a, b in zip(known, self._over_before[0], strict=True)):
            return self._over_before[1]
        over, found = self.quotas.over, set[tuple[str, str]]()
        names = {quota.name: quota.each for quota in conditions.quotas}
        plan = self.plan.kernel.subscribers
        prefixes = {b.name: self.subscribers.prefixes(b) for b in plan.branches} if plan else {}
        for quota, each in names.items():
            if not (accounts := over.get(quota)):
                continue
            if each == "host":
                found |= {(quota, f"{host}/{128 if ':' in host else 32}") for host in accounts}
                continue
            used = {prefix for who in accounts for prefix in prefixes.get(who, ())}
            others = {prefix for who, theirs in prefixes.items() if who not in accounts for prefix in theirs}
            found |= {(quota, prefix) for prefix in apart(used, others)}
        self._over_before = known, frozenset(found)
        return frozenset(found)

    def _whose(self, quota: PlannedQuota, record: FlowRecord) -> str | None:
        """The account of a flow: a subscriber's id, a host's address."""
        if quota.each == "host":
            return record.dst if record.direction == "in" else record.src
        branch = self.subscribers.of_flow(record)
        return branch.name if branch and branch.is_subscriber else None

    def _warn(self, event: dict[str, Any]) -> None:
        who = event.get("subscriber") or event.get("host")
        log.warning(
            "quota %s: %s has used %d %%: %d of %d bytes",
            event["quota"], who, 100 * event["used"] // event["volume"], event["used"], event["volume"],
        )  # fmt: skip
        if self.records:
            self.records.put(event)

    async def _count_quotas(self) -> None:
        """Counts at intervals, that are longer where counting takes long."""
        took = 0.0
        while True:
            await asyncio.sleep(max(QUOTA_SECONDS, 20 * took))
            if self.quotas:
                began = time.monotonic()
                await self.count_quotas()
                took = time.monotonic() - began

    async def _measure(self) -> None:
        """How busy the classes are for whose congestion rules wait."""
        while True:
            await asyncio.sleep(MEASURE_SECONDS)
            congestion = self.conditions.congestion
            if congestion:
                try:
                    sent = await asyncio.to_thread(load.sent, self.plan.kernel, congestion.classes)
                except DpiError as error:
                    log.debug("%s", error)  # somebody took them away; they will be put back
                    continue
                congestion.look(time.monotonic(), sent)
                if self.conditions.changed():
                    await self._switch()

    async def count_quotas(self) -> None:
        """What was used up to now; where that changes what holds, it is in force when this returns."""
        async with self._counting:
            await asyncio.to_thread(self.accounts.refresh)
            self.catch_up()  # what the kernel's table has ended is in one of the two sums
            totals = self.quotas.ended_so_far()
            await asyncio.to_thread(lambda: self.quotas.look(totals, self.engine.flows()))
            self.quotas.forget()
            await asyncio.to_thread(self.quotas.save)
        if self.conditions.changed():
            await self._switch()

    async def _throttle(self) -> None:
        """The tariffs of those who have used up a quota."""
        plan = self._throttled(self.base)
        if plan.kernel == self.plan.kernel:
            return
        try:
            report = await asyncio.to_thread(enforce.apply, plan.kernel, state_dir=self.options.state_dir)
        except DpiError as error:
            log.error("tariffs of quotas: %s", error)  # tried again with the next change of conditions
            return
        self.plan = plan
        self.demand.use(plan.kernel, report.asleep)
        self._know_classes(plan)
        self._follow_neighbours()

    def _throttled(self, plan: Plan) -> Plan:
        """A plan with the tariffs of those who have used up a quota now."""
        tariffs = {
            who: quota.tariff
            for quota in plan.conditions.quotas
            if quota.tariff
            for who in self.quotas.over.get(quota.name, ())
        }
        return replace(plan, kernel=throttled(plan.kernel, tariffs))

    def _remark(self) -> int:
        """Flows for which the rules now say something else: their connections get the new mark.

        Connections from before our start are in no table; they keep their class for as long as their rule is there, and
        are looked at anew when it is not.
        """
        marks = {_record_key(r): r.mark for r in self.engine.reevaluate() if r.mark}
        layout = self.plan.kernel.marks
        forgotten = {layout.disposition(n) for n in dispositions_absent(self.plan.engine, self.conditions.holding)}
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

    def _know_classes(self, plan: Plan) -> None:
        default = plan.kernel.trees[0].default if plan.kernel.trees else None
        self._classes = {
            d.number: None if d.block or d.exempt or d.redirect else d.class_ or default
            for d in plan.kernel.dispositions
        }
        self._default_class = default
        self.subscribers.use(plan.kernel)
        self.offload.use(plan.kernel)

    def class_of(self, record: FlowRecord) -> str | None:
        """The class that a flow's packets are in; None where they are blocked, or nothing is shaped."""
        marks = self.plan.kernel.marks
        number = (record.mark & marks.disposition_mask) >> marks.shift
        return self._classes.get(number, self._default_class)

    # Loops

    async def _beat(self) -> None:
        """For the heart, and for the events that nothing waits for."""
        while True:
            self.heart.beat(CONTROL)
            busy = not self._stop.is_set() and self._take(self.engine.drain_events())
            await asyncio.sleep(0 if busy else BEAT_SECONDS)

    def catch_up(self) -> None:
        """Takes the events that are there now, or as many as can be taken without missing a beat."""
        deadline = time.monotonic() + BEAT_SECONDS
        while self._take(self.engine.drain_events()) and time.monotonic() < deadline:
            pass

    def _woken(self) -> None:
        """Something waits for an event."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        self._take(self.engine.drain_events())

    def _take(self, events: list[FlowEvent | Learnt | Asked]) -> bool:
        asked = [e for e in events if isinstance(e, Asked)]
        if asked:
            self.caches.answer(asked)
        learnt = [e for e in events if isinstance(e, Learnt)]
        if learnt:
            self.caches.learn(learnt)
        for event in events:
            if isinstance(event, FlowEvent):
                self._take_flow(event)
        return bool(events)

    def _take_flow(self, event: FlowEvent) -> None:
        record = event.record
        class_ = self.class_of(record)
        if event.kind == "end":
            self.totals.ended(record, class_ or "")
            self.subscribers.ended(record, class_)
            self.quotas.ended(record)
            if self.records:
                self.records.put({**record.as_dict(), "class": class_})
        if event.logged:
            log.info(
                "rule %s: %s %s:%d > %s:%d %s %s",
                record.rule, record.l4, record.src, record.sport, record.dst, record.dport,
                record.app or record.protocol, record.hostname or "",
            )  # fmt: skip

    def _know_lans(self) -> None:
        """An interface of the LAN may have gone and come back, with another index."""
        if self._lans != (now := _lans(self.plan)):
            self._lans = now
            for handler in self.handlers:
                handler.use_lans(*now)
            self._follow_neighbours()

    async def _watch(self) -> None:
        """A policy, drop-in or signature file that has changed is put in force once it has been still for a while."""
        known = self._stamps()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._know_lans()
            now = self._stamps()
            if now == known or self.reloads.trial:
                continue
            await asyncio.sleep(WATCH_SECONDS)
            if now != self._stamps():
                continue
            known = now
            await self._reload("changed file")

    def _stamps(self) -> tuple[Any, Any]:
        return self.policies.stamp(), signatures.stamp(self._folders)

    async def _refresh(self) -> None:
        while True:
            await asyncio.to_thread(self.count)
            await asyncio.sleep(REFRESH_SECONDS)
            await asyncio.to_thread(self.accounts.refresh)

    def count(self) -> enforce.Counters:
        """The kernel's counters as they are now.  Blocks."""
        counters = enforce.counters(self.plan.kernel)
        self.hits.look(counters)
        return counters

    def _release(self, shard: int, numbers: list[int], drop: bool) -> None:
        self.readers[shard].release(numbers, drop)

    def _subscriber_at(self, address: str) -> str:
        branch = self.subscribers.table.of(address)
        return branch.name if branch and branch.prefixes else ""


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


def _writer(plan: Plan) -> Writer | None:
    """Where the plan wants records written."""
    if not plan.records:
        return None
    try:
        return Writer(Path(plan.records.file), plan.records.rotate, plan.records.keep)
    except OSError as error:
        raise UsageError(f"records: {plan.records.file}: {error.strerror}") from error


def _lans(plan: Plan) -> tuple[list[int], dict[int, int]]:
    """The indexes of the LAN's interfaces that are there, and the VLAN that each interface of a router is."""
    names = {name: index for index, name in socket.if_nameindex()}
    lans = [names[name] for name in plan.engine.lan_devices if name in names]
    if plan.kernel.mode == "bridge":
        return lans, {}
    return lans, {names[i.name]: i.vlan or 0 for i in plan.kernel.interfaces if i.name in names}


def _packed_prefixes(prefixes: tuple[str, ...]) -> list[tuple[bytes, int]]:
    import ipaddress

    found = []
    for text in prefixes:
        network = ipaddress.ip_network(text)
        mapped = network.version == 4
        packed = (bytes(10) + b"\xff\xff" if mapped else b"") + network.network_address.packed
        found.append((packed, network.prefixlen + (96 if mapped else 0)))
    return found


def _record_key(record: FlowRecord) -> tuple[bytes, int, bytes, int, int]:
    family = socket.AF_INET6 if record.ip_version == 6 else socket.AF_INET
    protocol = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "icmpv6": 58}.get(record.l4, 0)
    return (
        socket.inet_pton(family, record.src),
        record.sport,
        socket.inet_pton(family, record.dst),
        record.dport,
        protocol,
    )


def work(options: Options, heart: Heart) -> int:
    """The worker's whole life; its exit code."""
    try:
        return asyncio.run(_live(options, heart))
    except DpiError as error:
        log.error("%s", error)
        return error.exit_code


async def _live(options: Options, heart: Heart) -> int:
    return await Worker(options, heart).main()
