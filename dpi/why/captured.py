"""The flows of captures that are asked for, each explained as the daemon explains its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from heapq import heappush, heappushpop
from typing import Any

from dpi.captures import Captures
from dpi.match.names import Names
from dpi.policy.conditions import at
from dpi.policy.plan import Plan
from dpi.policy.subscriber_path import branch_of, spoken, way
from dpi.record.fields import FlowRecord
from dpi.rule_tables import facts_of
from dpi.simulate.traffic import Key, key
from dpi.subscriber_table import SubscriberTable
from dpi.why.evidence import shown
from dpi.why.ruled import asked, class_path, ruled
from dpi.why.taught import Taught, taught
from dpi.why.wanted import Wanted, local


def why_captured(
    captures: Captures,
    paths: Iterable[str | os.PathLike[str]],
    what: str,
    plan: Plan | None,
    *,
    most: int,
    faults: list[str],
    watch: Callable[[int], object] = lambda _: None,
) -> dict[str, Any]:
    """The daemon's answer (daemon/why.py), of captures that are pieces of one: the flows that carried most.

    plan: whose rules are asked; `captures` follows it.  most: flows that are explained.  faults, watch: as
    Captures.pieces() has them.
    """
    explained = _Explained(captures, plan)
    meant = explained.meant(what)
    at_start: dict[Key, Taught] = {}
    largest: list[tuple[int, int, FlowRecord, Taught | None]] = []
    found = 0
    names = Names(repeatable=True)
    for event in captures.pieces(paths, names, faults, watch):
        record = event.record
        if event.kind == "start":
            if known := taught(names, record, record.start):
                at_start[key(record)] = known
            continue
        known = at_start.pop(key(record), None)
        if not meant(record):
            continue
        if known is None and (later := taught(names, record, event.time)) and later.name == record.hostname:
            known = later  # what nothing has named until its end is named by what is known then
        found += 1
        item = record.bytes_up + record.bytes_down, -found, record, known
        if len(largest) < most:
            heappush(largest, item)
        else:
            heappushpop(largest, item)
    largest.sort(key=lambda each: each[:2], reverse=True)
    flows = [explained.flow(record, known) for _, _, record, known in largest]
    return {"what": what, "names": [], "rules": [], "class_path": [], "flows": flows, "more": found - len(flows)}


class _Explained:
    def __init__(self, captures: Captures, plan: Plan | None) -> None:
        self._signatures = captures.signatures
        self._plan = plan
        self._owners = SubscriberTable(plan.kernel.subscribers if plan else None)

    def meant(self, what: str) -> Callable[[FlowRecord], bool]:
        """Whether a flow is asked for: by Wanted, or as one of a subscriber of the plan's."""
        wanted = Wanted.of(what)
        branch = branch_of(self._plan.kernel, what.strip()) if self._plan else None
        if branch:
            return lambda record: self._owners.of_flow(record) is branch
        return wanted.takes

    def flow(self, record: FlowRecord, known: Taught | None) -> dict[str, Any]:
        """What is the kernel's or is counted by the daemon is None here."""
        return (
            record.as_dict()
            | shown(record, self._signatures, known)
            | {"route": None, "cache": None, "offloaded": None, "quotas": [], "device": None}
            | {"inspected": record.decided_at or record.packets_up + record.packets_down}
            | self._ruled(record)
        )

    def _ruled(self, record: FlowRecord) -> dict[str, Any]:
        """By the schedules at the flow's last packet; no quota is used up, nothing congested, no kind known."""
        plan = self._plan
        if plan is None:
            return {"class": None, "rules": [], "class_path": [], "subscriber": None, "subscriber_by": None}
        holding = at(plan.conditions, record.end).holding
        told = {}
        for kind, name in (each for rule in plan.engine.rules for each in asked(rule.match)):
            held = "in force" if name in holding.schedules else "not in force"
            told[kind, name] = f"{kind} {name} {held if kind == 'schedule' else 'is not known of a capture'}"
        tried, class_ = ruled(plan, facts_of(record, self._signatures), holding, told)
        owner = self._owners.owner_of_flow(record)
        if owner and class_ is not None:
            path = [node.to_json() | {"counters": None} for node in way(plan.kernel, owner.branch, class_)]
        else:
            path = list(class_path(plan.kernel, class_))
        by = self._owners.spoken(owner, local(record)) if owner and owner.kind != "default" else None
        return {
            "class": class_,
            "rules": tried,
            "class_path": path,
            "subscriber": owner and spoken(owner.branch),
            "subscriber_by": by,
        }
