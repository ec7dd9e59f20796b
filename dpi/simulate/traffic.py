"""Flows, each with what one plan would make of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dpi.captures import Captures
from dpi.flow_events import Learnt
from dpi.match.labels import Signatures
from dpi.policy.plan import Plan
from dpi.record.fields import FlowRecord
from dpi.simulate.destinations import Destinations, Origin, is_plain
from dpi.simulate.outcome import DEFAULT, Judge, Outcome, Outcomes

Key = tuple[str, tuple[str, int], tuple[str, int], int, str | None, float]


@dataclass(frozen=True, slots=True)
class Judged:
    """A flow and what becomes of it.

    origin: why its connection goes to the cache.  shared: not for its own sake, but because another name has its
    address, or the policy its prefix.
    """

    record: FlowRecord
    rule: str
    outcome: Outcome
    origin: Origin | None = None
    shared: bool = False
    subscriber: str | None = None  # whose flow it is; None: nobody's that is listed


def key(record: FlowRecord) -> Key:
    """The same for a flow all its life (who opened it may turn out late), and whatever plan judges it."""
    one, other = sorted(((record.src, record.sport), (record.dst, record.dport)))
    return record.l4, one, other, record.vlan, record.tunnel, record.start


def of_capture(path: str | os.PathLike[str], plan: Plan, signatures: Signatures) -> Iterator[Judged]:
    """The flows of a capture, as the loop itself decides them, by the schedules at their last packet.

    Raises CaptureError as Captures.classify() does.
    """
    captures = Captures(signatures)
    captures.follow(plan)
    marks = plan.kernel.marks
    route_shift = (marks.route_mask & -marks.route_mask).bit_length() - 1
    outcomes, there = Outcomes(plan), Destinations(plan)
    judge = Judge(plan, signatures) if plan.conditions.schedules else None
    taken: dict[Key, Origin] = {}  # by flows that have not ended
    for event in captures.replay(path):
        if isinstance(event, Learnt):
            if cache := there.cache(event.route):
                there.answered(cache, event.address, event.time, event.ttl, event.name)
            continue
        record = event.record
        if event.kind == "start" and (origin := _taken(there, record, event.time)):
            taken[key(record)] = origin
        number = (record.mark & marks.route_mask) >> route_shift
        if number and record.direction != "in" and (cache := there.cache(number)):
            there.shown(cache, record.dst, event.time, record.hostname or record.app or record.dst)
        if event.kind == "end":
            origin = taken.pop(key(record), None)
            if judge is None:
                yield _judged(record, outcomes.of_mark(record.mark), outcomes, event.route, there, origin)
            else:
                yield _by_record(record, judge, there, origin)


def of_records(records: Iterable[FlowRecord], judge: Judge) -> Iterator[Judged]:
    """Flows that are known by their records, in order of their start.

    What DNS answers taught is not in them, so a flow that belongs to a cache is taken to have gone there itself: its
    answer came first.
    """
    there = Destinations(judge.plan)
    for record in sorted(records, key=lambda r: r.start):
        rule = judge.rule_of(record)
        cache = there.named(rule.route) if rule else None
        if cache and record.direction != "in":
            there.shown(cache, record.dst, record.start, record.hostname or record.app or record.dst)
        yield _by_record(record, judge, there, _taken(there, record, record.start))


def _by_record(record: FlowRecord, judge: Judge, there: Destinations, origin: Origin | None) -> Judged:
    rule = judge.rule_of(record)
    cache = there.named(rule.route) if rule else None
    outcome, own = judge.outcomes.of_disposition(rule.disposition if rule else 1), cache.number if cache else 0
    return _judged(record, outcome, judge.outcomes, own, there, origin, rule.name if rule else DEFAULT)


def _taken(there: Destinations, record: FlowRecord, now: float) -> Origin | None:
    """Only connections that the LAN opens are steered."""
    return None if record.direction == "in" else there.find(record.src, record.dst, now, plain=is_plain(record))


def _judged(
    record: FlowRecord,
    ruled: Outcome,
    outcomes: Outcomes,
    own: int,
    there: Destinations,
    origin: Origin | None,
    rule: str | None = None,
) -> Judged:
    """ruled: what the flow's rule says.  own: the number of the route that this rule gives it, 0 for none."""
    name = rule or record.rule or DEFAULT
    branch = outcomes.subscriber(record)
    outcome, who = outcomes.for_subscriber(ruled, branch), branch.name if branch and branch.is_subscriber else None
    if origin is None or outcome.verdict != "pass":
        return Judged(record, name, outcome, subscriber=who)
    cache = there.cache(own)
    steered = replace(outcome, cache=origin.cache)
    return Judged(record, name, steered, origin, cache is None or cache.name != origin.cache, who)
