"""Flows, each with what one plan would make of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dpi.engine import Engine, Learnt
from dpi.match.labels import Signatures
from dpi.match.prefixes import Prefixes
from dpi.policy.plan import Plan
from dpi.record.fields import FlowRecord
from dpi.simulate.destinations import Destinations, Origin
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


def key(record: FlowRecord) -> Key:
    """The same for a flow all its life (who opened it may turn out late), and whatever plan judges it."""
    one, other = sorted(((record.src, record.sport), (record.dst, record.dport)))
    return record.l4, one, other, record.vlan, record.tunnel, record.start


def of_capture(path: str | os.PathLike[str], plan: Plan, signatures: Signatures) -> Iterator[Judged]:
    """The flows of a capture, as the loop itself decides them.  Raises CaptureError as Engine.classify() does."""
    engine = Engine(signatures)
    engine.load_rules(plan.engine, plan.ids.routes)
    if plan.kernel.local:
        engine.local = Prefixes([(prefix, 1) for prefix in plan.kernel.local])
    marks = plan.kernel.marks
    route_shift = (marks.route_mask & -marks.route_mask).bit_length() - 1
    outcomes, there = Outcomes(plan), Destinations(plan)
    taken: dict[Key, Origin] = {}  # by flows that have not ended
    for event in engine.replay(path):
        if isinstance(event, Learnt):
            if route := there.route(event.route):
                there.answered(route, event.address, event.time, event.ttl, event.name)
            continue
        record = event.record
        if event.kind == "start" and (origin := _taken(there, record, event.time)):
            taken[key(record)] = origin
        number = (record.mark & marks.route_mask) >> route_shift
        if number and record.direction != "in" and (route := there.route(number)):
            there.shown(route, record.dst, event.time, record.hostname or record.app or record.dst)
        if event.kind == "end":
            yield _judged(record, outcomes.of_mark(record.mark), event.route, there, taken.pop(key(record), None))


def of_records(records: Iterable[FlowRecord], judge: Judge) -> Iterator[Judged]:
    """Flows that are known by their records, in order of their start.

    What DNS answers taught is not in them, so a flow that belongs to a cache is taken to have gone there itself: its
    answer came first.
    """
    there = Destinations(judge.plan)
    by_name = {route.name: route for route in judge.plan.kernel.routes}
    for record in sorted(records, key=lambda r: r.start):
        number = judge.rule(record)
        rule = None if number is None else judge.plan.engine.rules[number]
        route = by_name.get(rule.route) if rule and rule.route else None
        if route and record.direction != "in":
            there.shown(route, record.dst, record.start, record.hostname or record.app or record.dst)
        origin = _taken(there, record, record.start)
        own = route.number if route else 0
        yield _judged(record, judge.outcomes.of_rule(number), own, there, origin, rule.name if rule else DEFAULT)


def _taken(there: Destinations, record: FlowRecord, now: float) -> Origin | None:
    """Only connections that the LAN opens are steered."""
    return None if record.direction == "in" else there.find(record.src, record.dst, now)


def _judged(
    record: FlowRecord, outcome: Outcome, own: int, there: Destinations, origin: Origin | None, rule: str | None = None
) -> Judged:
    """own: the number of the route that the flow's own rule gives it, 0 for none."""
    name = rule or record.rule or DEFAULT
    if origin is None or outcome.verdict != "pass":
        return Judged(record, name, outcome)
    route = there.route(own)
    steered = Outcome(outcome.class_, origin.route, outcome.verdict, outcome.dscp)
    return Judged(record, name, steered, origin, shared=route is None or route.name != origin.route)
