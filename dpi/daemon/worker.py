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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dpi import control, enforce
from dpi.capture.nfqueue import QueueReader
from dpi.daemon.account import Accounts, Totals
from dpi.daemon.change import Policies
from dpi.daemon.heart import CONTROL, FIRST_QUEUE, Heart
from dpi.daemon.hits import Hits
from dpi.daemon.reload import Guard, Reloads
from dpi.daemon.session import Session, refuse_to_cut
from dpi.daemon.steer import Caches
from dpi.enforce import conntrack, drift
from dpi.engine import Engine, FlowEvent, Learnt
from dpi.errors import DpiError, UsageError
from dpi.inline import InlineHandler
from dpi.match import signatures
from dpi.match.labels import Signatures
from dpi.policy.plan import Plan
from dpi.policy.versions import FOLDER, Source, Versions
from dpi.record.fields import FlowRecord
from dpi.record.writer import Writer
from dpi.simulate.outcome import Judge
from dpi.vocabulary import of_signatures

log = logging.getLogger("dpi")

BEAT_SECONDS = 0.1
WATCH_SECONDS = 1.0  # how often policy files are looked at; a change is read once it has been still for as long
DRAIN_SECONDS = 0.05  # events that nothing waits for
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
        self.plan: Plan
        self.engine: Engine
        self.readers: list[QueueReader] = []
        self.totals = Totals()
        self.hits = Hits()
        self.accounts: Accounts
        self.records: Writer | None = None
        self.caches = Caches(self._release)
        self._threads: list[threading.Thread] = []
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.changing = asyncio.Lock()
        self.reloads = Reloads(self.policies, self.changing, self._put_in_force, self._spawn)
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
        self.plan = plan
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
                repaired=lambda _: self.caches.forget(),
            )
            self._beating = self._spawn(self._beat())
            for task in (self._drain(), self._watch(), self._refresh(), keeping):
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
        kernel = plan.kernel
        self.engine = Engine(
            self.signatures,
            max_flows=plan.engine.max_flows,
            shards=kernel.queues,
            offload=True,
            risks=plan.engine.risks,
        )
        self.engine.load_rules(plan.engine, plan.ids.routes)
        self.accounts = Accounts(self.engine)
        self.records = _writer(plan)
        lans = [socket.if_nametoindex(name) for name in plan.engine.lan_devices]
        for n, core in enumerate(self.engine.cores):
            handler = InlineHandler(core, lans, _packed_prefixes(kernel.local), wake=self._wake)
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
        asyncio.get_running_loop().add_reader(self._wake, self._woken)
        report = await asyncio.to_thread(enforce.apply, kernel, state_dir=self.options.state_dir)
        self._applied = True
        self.caches.watch()
        for note in report.notes:
            log.info("%s", note)
        self.policies.keep(plan)

    async def _leave(self) -> None:
        for task in self._tasks - {self._beating}:  # it beats until traffic is out of our hands
            task.cancel()
        await self.caches.stop()
        try:
            # Where apply failed the kernel is as it was, so there is nothing to take back.
            if self._applied and self.plan.on_exit == "clean":
                await asyncio.to_thread(enforce.clean, state_dir=self.options.state_dir)
                log.info("out of the path: traffic passes unshaped, nothing of ours is left in the kernel")
            elif self._applied:
                log.info("out of the path: our shaping, routes and blocks stay, as on_exit says")
        finally:
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
        old = self.plan
        _refuse_restart_matters(old, plan)
        if guard is not None:
            await asyncio.to_thread(self._guard, plan, guard)
        records = self.records if plan.records == old.records else _writer(plan)
        try:
            report = await asyncio.to_thread(enforce.apply, plan.kernel, state_dir=self.options.state_dir)
        except DpiError:
            if records and records is not self.records:
                records.close()
            raise
        if self._adopt():
            assert self.signatures is not None
            self.engine.adopt(self.signatures)
            log.info("signatures read again; flows keep the labels that they have")
        self.engine.load_rules(plan.engine, plan.ids.routes)
        self.plan = plan
        self.records, before = records, self.records
        self._know_classes(plan)
        self.policies.keep(plan)
        await self.caches.use(plan.kernel)
        self.caches.watch()
        if before and before is not records:
            await asyncio.to_thread(before.close)
        moved = await asyncio.to_thread(self._remark)
        message = f"policy {plan.hash} in force; changes in the kernel: {len(report.operations)}, flows moved: {moved}"
        return plan, {
            "message": message,
            "hash": plan.hash,
            "warnings": [str(w) for w in warnings],
            "flows_moved": moved,
            **report.to_json(),
        }

    def _guard(self, plan: Plan, sessions: tuple[Session, ...]) -> None:
        """Raises DpiError where this plan would cut off who changes the policy."""
        assert self.signatures is not None
        new = Judge(plan, self._fresh.signatures if self._fresh else self.signatures)
        refuse_to_cut(sessions, self.engine.flows(), Judge(self.plan, self.signatures), new)

    def _remark(self) -> int:
        """Flows for which the rules now say something else: their connections get the new mark."""
        marks = {_record_key(r): r.mark for r in self.engine.reevaluate() if r.mark}
        if not marks:
            return 0
        marks_layout = self.plan.kernel.marks
        keep = marks_layout.route_mask  # a cache's established connections stay where they are
        changes = []
        for connection in conntrack.dump():
            o, r = connection.original, connection.reply
            key = (o.source, o.sport, r.source, r.sport, o.protocol)
            mark = marks.get(key)
            if mark is not None:
                changes.append((connection, mark & ~keep, marks_layout.mask & ~keep))
        return conntrack.set_marks(changes)

    def _know_classes(self, plan: Plan) -> None:
        default = plan.kernel.trees[0].default if plan.kernel.trees else None
        self._classes = {d.number: None if d.block else d.class_ or default for d in plan.kernel.dispositions}
        self._default_class = default

    def class_of(self, record: FlowRecord) -> str | None:
        """The class that a flow's packets are in; None where they are blocked, or nothing is shaped."""
        marks = self.plan.kernel.marks
        number = (record.mark & marks.disposition_mask) >> marks.shift
        return self._classes.get(number, self._default_class)

    # Loops

    async def _beat(self) -> None:
        while True:
            self.heart.beat(CONTROL)
            await asyncio.sleep(BEAT_SECONDS)

    async def _drain(self) -> None:
        while True:
            busy = self._take(self.engine.drain_events())
            await asyncio.sleep(0 if busy else DRAIN_SECONDS)

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

    def _take(self, events: list[FlowEvent | Learnt]) -> bool:
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
            if self.records:
                self.records.put({**record.as_dict(), "class": class_})
        if event.logged:
            log.info(
                "rule %s: %s %s:%d > %s:%d %s %s",
                record.rule, record.l4, record.src, record.sport, record.dst, record.dport,
                record.app or record.protocol, record.hostname or "",
            )  # fmt: skip

    async def _watch(self) -> None:
        """A policy, drop-in or signature file that has changed is put in force once it has been still for a while."""
        known = self._stamps()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
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

    def _release(self, shard: int, numbers: list[int]) -> None:
        self.readers[shard].release(numbers)


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
