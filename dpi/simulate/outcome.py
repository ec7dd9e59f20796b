"""What a plan makes of a flow: its class, cache, verdict and DSCP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from dpi.match.labels import Signatures
from dpi.match.rules import Rules
from dpi.policy.conditions import NOTHING, Holding, Moment, at
from dpi.policy.plan import Branch, Plan, PlannedRule
from dpi.policy.show import police
from dpi.policy.subscriber_path import own_class
from dpi.policy.units import dscp_name
from dpi.record.fields import FlowRecord
from dpi.rule_tables import ask, facts_of, tables
from dpi.subscriber_table import SubscriberTable

DEFAULT = "default"  # the rule of what no rule matches

Verdict = Literal["pass", "reject", "drop", "redirect"]


@dataclass(frozen=True)
class Outcome:
    """Two that are equal are the same to a flow."""

    class_: str | None = None  # None: not shaped
    cache: str | None = None
    verdict: Verdict = "pass"
    dscp: int | None = None
    limits: str = ""  # rates that it is held to, in words
    tariff: str | None = None  # of the subscriber: then the class is one of the subscriber's own

    def __str__(self) -> str:
        if self.verdict != "pass":
            return {"reject": "rejected", "drop": "dropped", "redirect": "redirected or refused"}[self.verdict]
        dscp = f", dscp {dscp_name(self.dscp)}" if self.dscp is not None else ""
        limits = f", {self.limits}" if self.limits else ""
        class_ = self.class_ or "unshaped"
        if self.tariff:
            class_ = f"{self.class_} of {self.tariff}" if self.class_ else self.tariff
        return class_ + limits + dscp + (f", by cache {self.cache}" if self.cache else "")

    def to_json(self) -> dict[str, Any]:
        dscp = None if self.dscp is None else dscp_name(self.dscp)
        return {
            "class": self.class_,
            "tariff": self.tariff,
            "cache": self.cache,
            "verdict": self.verdict,
            "dscp": dscp,
            "limits": self.limits,
            "words": str(self),
        }


class Outcomes:
    """What one plan makes of its rules' flows."""

    def __init__(self, plan: Plan) -> None:
        kernel = plan.kernel
        default = kernel.trees[0].default if kernel.trees else None
        self._of = {
            d.number: Outcome(
                None if d.block or d.exempt or d.redirect else d.class_ or default,
                verdict=d.block or ("redirect" if d.redirect else "pass"),
                dscp=d.dscp,
                limits=", ".join(police(limit) for limit in d.police),
            )
            for d in kernel.dispositions
        }
        self._kernel = kernel
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

    @cached_property
    def _subscribers(self) -> SubscriberTable:
        return SubscriberTable(self._kernel.subscribers)

    def subscriber(self, record: FlowRecord) -> Branch | None:
        """Whose flow it is."""
        return self._subscribers.of_flow(record)

    def for_subscriber(self, outcome: Outcome, branch: Branch | None) -> Outcome:
        """What becomes of a subscriber's flow: the class is one of their own."""
        if branch is None or outcome.class_ is None:  # blocked, or nothing shapes it
            return outcome
        return replace(outcome, class_=own_class(self._kernel, branch, outcome.class_), tariff=branch.tariff)


class Judge:
    """Asks a plan's rules of flows that are known by their records alone.

    holding: the conditions that hold; None: the schedules in force at a flow's last packet.
    """

    def __init__(self, plan: Plan, signatures: Signatures, holding: Holding | None = None) -> None:
        self.plan = plan
        self.signatures = signatures
        self.outcomes = Outcomes(plan)
        self._always = holding
        self._moment = Moment(NOTHING, 0.0, 0.0)
        self._tables: dict[Holding, Rules] = {}

    def rule_of(self, record: FlowRecord) -> PlannedRule | None:
        """The rule that the flow falls under."""
        number = self.rule(record)
        return None if number is None else self.plan.engine.rules[number]

    def rule(self, record: FlowRecord) -> int | None:
        """Its number."""
        if self._always is None and not self._moment.since <= record.end < self._moment.until:
            self._moment = at(self.plan.conditions, record.end)
        holding = self._always or self._moment.holding
        if holding not in self._tables:
            self._tables[holding], _ = tables(self.plan.engine, self.plan.kernel.targets, self.signatures, holding)
        return ask(self._tables[holding], facts_of(record, self.signatures), self.signatures)
