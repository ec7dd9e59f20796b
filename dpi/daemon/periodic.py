"""What the worker does again and again while it runs, each until it is cancelled."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from dpi.daemon import count, subscriber_addresses
from dpi.daemon.events import BEAT_SECONDS, take
from dpi.daemon.heart import CONTROL
from dpi.daemon.in_force import switch
from dpi.daemon.reload import Reloads
from dpi.daemon.state import State
from dpi.enforce import load
from dpi.errors import DpiError

log = logging.getLogger("dpi")

WATCH_SECONDS = 1.0  # how often policy files are looked at; a change is read once it has been still for as long
MEASURE_SECONDS = 1.0  # between two looks at classes that may be congested
QUOTA_SECONDS = 5.0  # between two counts of what was used of quotas
REFRESH_SECONDS = 30.0  # conntrack, while nobody looks


async def beat(state: State, stop: asyncio.Event) -> None:
    """For the heart, and for the events that nothing waits for."""
    while True:
        state.heart.beat(CONTROL)
        busy = not stop.is_set() and take(state)
        await asyncio.sleep(0 if busy else BEAT_SECONDS)


async def watch_files(state: State, reloads: Reloads) -> None:
    """A policy, drop-in or signature file that has changed is put in force once it has been still for a while."""
    known = _stamps(state)
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        if state.queues.look_at_lans(state.plan):
            subscriber_addresses.follow(state)
        now = _stamps(state)
        if now == known or reloads.trial:
            continue
        await asyncio.sleep(WATCH_SECONDS)
        if now != _stamps(state):
            continue
        known = now
        await reloads.files_changed("changed file", state.plan.control.confirm)


def _stamps(state: State) -> tuple[Any, Any]:
    return state.policies.stamp(), state.signatures.stamp()


async def refresh(state: State) -> None:
    """Reads the kernel's counters and its flows, so that they are not old when nobody asks."""
    while True:
        await asyncio.to_thread(count.counters, state)
        await asyncio.sleep(REFRESH_SECONDS)
        await asyncio.to_thread(state.accounts.refresh)


async def count_quotas(state: State) -> None:
    """Counts at intervals, that are longer where counting takes long."""
    took = 0.0
    while True:
        await asyncio.sleep(max(QUOTA_SECONDS, 20 * took))
        if state.quotas:
            began = time.monotonic()
            await count.quotas(state)
            took = time.monotonic() - began


async def measure_congestion(state: State) -> None:
    """How busy the classes are for whose congestion rules wait."""
    while True:
        await asyncio.sleep(MEASURE_SECONDS)
        congestion = state.conditions.congestion
        if congestion:
            try:
                sent = await asyncio.to_thread(load.sent, state.plan.kernel, congestion.classes)
            except DpiError as error:
                log.debug("%s", error)  # somebody took them away; they will be put back
                continue
            congestion.look(time.monotonic(), sent)
            if state.conditions.changed():
                await switch(state)
