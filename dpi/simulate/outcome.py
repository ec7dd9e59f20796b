"""What a plan makes of a flow: its class, cache, verdict and DSCP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from dpi.match.labels import Signatures
from dpi.policy.plan import Plan
from dpi.policy.units import dscp_name
from dpi.record.fields import FlowRecord
from dpi.rule_tables import ask, facts_of, tables

DEFAULT = "default"  # the rule of what no rule matches

Verdict = Literal["pass", "reject", "drop"]


@dataclass(frozen=True)
class Outcome:
    """Two that are equal are the same to a flow."""

    class_: str | None = None  # None: not shaped
    cache: str | None = None
    verdict: Verdict = "pass"
    dscp: int | None = None

    def __str__(self) -> str:
        if self.verdict != "pass":
            return {"reject": "rejected", "drop": "dropped"}[self.verdict]
        dscp = f", dscp {dscp_name(self.dscp)}" if self.dscp is not None else ""
        return (self.class_ or "unshaped") + dscp + (f", by cache {self.cache}" if self.cache else "")

    def to_json(self) -> dict[str, Any]:
        dscp = None if self.dscp is None else dscp_name(self.dscp)
        return {"class": self.class_, "cache": self.cache, "verdict": self.verdict, "dscp": dscp, "words": str(self)}


class Outcomes:
    """What one plan makes of its rules' flows."""

    def __init__(self, plan: Plan) -> None:
        kernel = plan.kernel
        default = kernel.trees[0].default if kernel.trees else None
        self._of = {
            d.number: Outcome(None, None, d.block) if d.block else Outcome(d.class_ or default, dscp=d.dscp)
            for d in kernel.dispositions
        }
        self._marks = kernel.marks
        self._rules = plan.engine.rules

    def of_mark(self, mark: int) -> Outcome:
        """By our bits of a mark, the cache left out.  A flow that nothing was said of yet has the default's."""
        return self.of_disposition((mark & self._marks.disposition_mask) >> self._marks.shift)

    def of_disposition(self, number: int) -> Outcome:
        return self._of.get(number, self._of[1])

    def of_rule(self, number: int | None) -> Outcome:
        """By the number of a rule; None: no rule matches."""
        return self._of[1 if number is None else self._rules[number].disposition]


class Judge:
    """Asks a plan's rules of flows that are known by their records alone."""

    def __init__(self, plan: Plan, signatures: Signatures) -> None:
        self.plan = plan
        self.signatures = signatures
        self.outcomes = Outcomes(plan)
        self._rules, _ = tables(plan.engine, plan.ids.routes, signatures)

    def rule(self, record: FlowRecord) -> int | None:
        """The number of the rule that the flow falls under."""
        return ask(self._rules, facts_of(record, self.signatures), self.signatures)
