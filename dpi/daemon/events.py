"""What the engine tells of flows: into the totals, quotas and records, and to the caches."""

from __future__ import annotations

import contextlib
import logging
import os
import time

from dpi.daemon.state import State
from dpi.flow_events import Asked, FlowEvent, Learnt

log = logging.getLogger("dpi")

BEAT_SECONDS = 0.2  # of the control plane's heart; a wake costs more than what it finds to do


def take(state: State, most: int = 1024) -> bool:
    """Takes at most `most` events of each shard.  False: there was none."""
    events = state.engine.drain_events(most)
    asked = [e for e in events if isinstance(e, Asked)]
    if asked:
        state.caches.answer(asked)
    learnt = [e for e in events if isinstance(e, Learnt)]
    if learnt:
        state.caches.learn(learnt)
    for event in events:
        if isinstance(event, FlowEvent):
            _take_flow(state, event)
    return bool(events)


def _take_flow(state: State, event: FlowEvent) -> None:
    record = event.record
    class_ = state.class_of(record)
    if event.kind == "end":
        state.totals.ended(record, class_ or "")
        state.subscribers.ended(record, class_)
        state.quotas.ended(record)
        if state.records:
            state.records.put({**record.as_dict(), "class": class_})
    if event.logged:
        log.info(
            "rule %s: %s %s:%d > %s:%d %s %s",
            record.rule, record.l4, record.src, record.sport, record.dst, record.dport,
            record.app or record.protocol, record.hostname or "",
        )  # fmt: skip


def catch_up(state: State) -> None:
    """Takes the events that are there now, or as many as can be taken without missing a beat."""
    deadline = time.monotonic() + BEAT_SECONDS
    while take(state) and time.monotonic() < deadline:
        pass


def woken(state: State) -> None:
    """Something waits for an event."""
    with contextlib.suppress(BlockingIOError):
        os.eventfd_read(state.queues.wake)
    take(state)


def flush(state: State) -> None:
    """Ends the flows that are still there, for their records."""
    for core in state.engine.cores:
        go_on = core.flush(0)
        take(state, 10_000)
        while go_on:
            go_on = core.flush(go_on)
            take(state, 10_000)
