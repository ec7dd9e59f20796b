"""Desired minus actual: the operations, in the order in which traffic never sees a half of it.

First goes what stands where something new must stand; then what is added or changed, by rank, parents before
children, so that the table that sends packets to a class comes after the class; then what is not wanted any
more, the other way round.
"""

from __future__ import annotations

from dpi.enforce.operation import Operation
from dpi.enforce.resource import Resource, State


def diff(desired: State, actual: State) -> list[Operation]:
    gone = [actual[key] for key in actual.keys() - desired.keys()]
    new = [desired[key] for key in desired.keys() - actual.keys()]
    changed = [key for key in desired.keys() & actual.keys() if desired[key] != actual[key]]
    wanted = {resource.slot for resource in new}
    blocking = {r.slot for r in gone} & wanted
    in_the_way: list[Resource] = []
    rest: list[Resource] = []
    for r in gone:
        (in_the_way if r.slot in blocking or not blocking.isdisjoint(r.above) else rest).append(r)
    steps = [*((None, r) for r in new), *((actual[key], desired[key]) for key in changed)]
    return [
        *(Operation(r, None) for r in sorted(in_the_way, key=_order, reverse=True)),
        *(Operation(b, a) for b, a in sorted(steps, key=lambda step: _order(step[1]))),
        *(Operation(r, None) for r in sorted(rest, key=_order, reverse=True)),
    ]


def _order(resource: Resource) -> tuple[int, int, str]:
    return (resource.rank, resource.depth, str(resource.key))
