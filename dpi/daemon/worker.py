"""The process that is inline, at its start and its end: a thread a queue, everything else in one asyncio loop.

Order of a start: the queues are bound, then the kernel is told to use them, so that nothing waits for a reader that
is not there.  Order of a stop: the kernel is told first, then the queues are let go with an ACCEPT for what is in
them.  At every moment between, a packet that nobody asks for passes.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from dpi import control, enforce
from dpi.daemon import events, in_force, periodic, subscriber_addresses
from dpi.daemon.account import Accounts
from dpi.daemon.answers import handlers
from dpi.daemon.heart import Heart
from dpi.daemon.reload import Reloads
from dpi.daemon.state import Options, State
from dpi.enforce import conntrack, drift
from dpi.engine import Engine
from dpi.errors import DpiError
from dpi.policy.plan import Plan

log = logging.getLogger("dpi")


class Worker:
    """One life of the daemon."""

    def __init__(self, options: Options, heart: Heart) -> None:
        self.state = State(options, heart)
        put_in_force = partial(in_force.put_in_force, self.state)
        self.reloads = Reloads(self.state.policies, self.state.changing, put_in_force, self._spawn)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stop = asyncio.Event()
        self._beating: asyncio.Task[Any] | None = None
        self._applied = False

    async def main(self) -> int:
        """Until SIGTERM; the exit code."""
        state = self.state
        plan = self._read()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        answering = handlers(state, self.reloads)
        server = control.Server(self._socket_path(plan), answering, plan.control.group or control.GROUP)
        await server.start()
        try:
            await self._go_inline(plan)
            log.info("inline: policy %s of %s", plan.hash, ", ".join(plan.sources))
            self.reloads.started(plan)
            state.heart.set_ready()
            self._begin()
            loop.add_reader(state.accounts.fileno(), state.accounts.handle)
            await self._stop.wait()
        finally:
            await server.stop()
            await self._leave()
        return 0

    def _read(self) -> Plan:
        """The policy to begin with."""
        state = self.state
        if instead := state.policies.find():
            log.warning("%s", instead)
        plan, warnings = state.policies.read()
        state.signatures.adopt()
        for warning in warnings:
            log.warning("%s", warning)
        state.base = plan
        state.use(plan)
        return plan

    def _socket_path(self, plan: Plan) -> Path:
        if self.state.options.socket:
            return self.state.options.socket
        return Path(os.environ.get("DPI_SOCKET") or plan.control.socket or control.SOCKET)

    def _hung_up(self) -> None:
        self._spawn(self.reloads.files_changed("SIGHUP", self.state.plan.control.confirm))

    def _begin(self) -> None:
        """What goes on until the end."""
        state = self.state
        keeping = drift.keep(
            lambda: state.plan.kernel,
            state_dir=state.options.state_dir,
            changing=state.changing,
            repaired=partial(in_force.repaired, state),
            own=state.demand.port,
        )
        self._beating = self._spawn(periodic.beat(state, self._stop))
        for work in (
            periodic.watch_files(state, self.reloads),
            periodic.refresh(state),
            state.conditions.run(partial(in_force.switch, state)),
            periodic.count_quotas(state),
            periodic.measure_congestion(state),
            state.demand.run(),
            state.neighbours.run(partial(subscriber_addresses.learn, state)),
            state.devices.run(),
            keeping,
        ):
            self._spawn(work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        """A part that failed ends the daemon: its parent starts a whole one."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.critical("a part of the daemon failed", exc_info=error)
            os._exit(70)

    async def _go_inline(self, base: Plan) -> None:
        state = self.state
        state.quotas.use(base.conditions.quotas)
        plan = in_force.with_tariffs(state, base)
        state.use(plan)
        kernel = plan.kernel
        state.engine = Engine(
            state.signatures.used,
            max_flows=plan.engine.max_flows,
            shards=kernel.queues,
            offload=True,
            risks=plan.engine.risks,
        )
        state.devices.use(state.signatures.used.devices)
        state.devices.listen(plan.engine.lan_devices)
        in_force.load_rules(state)
        state.accounts = Accounts(state.engine, state.offload, state.quotas.gone)
        state.quotas.begin(await asyncio.to_thread(conntrack.carried))
        state.records = in_force.writer(plan)
        state.queues.start(state.engine, plan)
        await state.caches.use(kernel)
        await in_force.redirect(state, plan)
        asyncio.get_running_loop().add_reader(state.queues.wake, events.woken, state)
        report = await asyncio.to_thread(enforce.apply, kernel, state_dir=state.options.state_dir)
        self._applied = True
        state.demand.use(kernel, report.asleep)
        state.caches.watch()
        for note in report.notes:
            log.info("%s", note)
        subscriber_addresses.follow(state)
        state.policies.keep(plan)
        await asyncio.to_thread(in_force.remark, state)

    async def _leave(self) -> None:
        state = self.state
        for task in self._tasks - {self._beating}:  # it beats until traffic is out of our hands
            task.cancel()
        await state.demand.stop()
        await state.caches.stop()
        state.neighbours.close()
        state.devices.close()
        await state.portal.close()
        try:
            # Where apply failed the kernel is as it was, so there is nothing to take back.
            if self._applied and state.plan.on_exit == "clean":
                await asyncio.to_thread(enforce.clean, state_dir=state.options.state_dir)
                log.info("out of the path: traffic passes unshaped, nothing of ours is left in the kernel")
            elif self._applied:
                log.info("out of the path: our shaping, routes and blocks stay, as on_exit says")
        finally:
            state.redirects.close()
            await state.queues.stop()
            if state.heart.ready:
                state.heart.set_out()
            if hasattr(state, "engine"):
                self._write_out()

    def _write_out(self) -> None:
        """The records of the flows that are still there, and what was used of quotas."""
        state = self.state
        events.flush(state)
        state.quotas.look(state.quotas.ended_so_far(), ())
        state.quotas.save(now=True)
        state.accounts.close()
        if state.records:
            state.records.close()


def work(options: Options, heart: Heart) -> int:
    """The worker's whole life; its exit code."""
    try:
        return asyncio.run(_live(options, heart))
    except DpiError as error:
        log.error("%s", error)
        return error.exit_code


async def _live(options: Options, heart: Heart) -> int:
    return await Worker(options, heart).main()
