"""The rules of a policy that were tried for a flow, and the class that the one which holds leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dpi.policy.conditions import Holding
from dpi.policy.explain import Facts, explain
from dpi.policy.plan import KernelPlan, Match, Plan, ShapedClass
from dpi.policy.show import actions
from dpi.simulate.outcome import DEFAULT, Outcomes


class Ruled(NamedTuple):
    """tried: [{"name", "where", "matched", "says", "conditions", "counters"}], each rule with what it does or the
    condition that failed; the last one holds.  class_: which it leads to, None for none.
    """

    tried: list[dict[str, Any]]
    class_: str | None


def ruled(plan: Plan, facts: Facts, holding: Holding, told: Mapping[tuple[str, str], str]) -> Ruled:
    """By the conditions that hold; told: how they are, in words, by kind and name.  Nothing is counted here."""
    verdicts = explain(plan.engine, facts, holding)
    dispositions = {d.number: d for d in plan.kernel.dispositions}
    tried: list[dict[str, Any]] = [
        {
            "name": v.rule.name,
            "where": v.rule.where,
            "matched": v.matched,
            "says": actions(v.rule, dispositions[v.rule.disposition]) if v.matched else v.reason,
            "conditions": [told[each] for each in asked(v.rule.match)],
            "counters": None,
        }
        for v in verdicts
    ]
    matched = next((v.rule.disposition for v in verdicts if v.matched), None)
    if matched is None:
        tried.append(
            {
                "name": DEFAULT,
                "where": "no rule matches",
                "matched": True,
                "says": "the default class",
                "conditions": [],
                "counters": None,
            }
        )
    return Ruled(tried, Outcomes(plan).of_disposition(matched or 1).class_)


def asked(match: Match) -> Iterator[tuple[str, str]]:
    """The conditions that hold at times, by kind and name."""
    for kind, names in (
        ("schedule", match.during),
        ("congestion", match.congested),
        ("quota", match.over),
        ("device", match.devices),
    ):
        yield from ((kind, name) for name in names)


def class_path(kernel: KernelPlan, name: str | None) -> Iterator[dict[str, Any]]:
    """The class and those above it, in each direction, the leaf first: {"kind", "name", "direction", "rate", "ceil"}"""
    for tree in {t.direction: t for t in kernel.trees}.values():
        known: dict[str | None, ShapedClass] = {c.name: c for c in tree.classes}
        node = known.get(name)
        while node:
            yield {
                "kind": "class",
                "name": node.name,
                "direction": tree.direction,
                "rate": node.rate,
                "ceil": node.ceil,
                "counters": None,
            }
            node = known.get(node.parent)
