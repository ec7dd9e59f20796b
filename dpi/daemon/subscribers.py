"""What is known of the subscribers in force: whose a flow is, their addresses, and when they were there last."""

from __future__ import annotations

import threading
from typing import Any

from dpi.policy.plan import Branch, KernelPlan
from dpi.policy.subscriber_path import own_class
from dpi.record.fields import FlowRecord
from dpi.subscriber_table import SubscriberTable

Use = tuple[str, str | None]  # subscriber, class of its own


class Subscribers:
    """The subscribers of the plan in force.  May be asked from any thread."""

    def __init__(self) -> None:
        self.table = SubscriberTable(None)
        self._kernel: KernelPlan | None = None
        self._last: dict[Use, float] = {}
        self._lock = threading.Lock()

    def use(self, kernel: KernelPlan) -> None:
        """Another plan is in force.  Who is no subscriber any more is forgotten."""
        learnt = self.table.learnt
        table, self._kernel = SubscriberTable(kernel.subscribers), kernel
        table.learn(learnt)
        self.table = table
        names = {b.name for b in kernel.subscribers.branches} if kernel.subscribers else set()
        with self._lock:
            self._last = {use: when for use, when in self._last.items() if use[0] in names}

    def of_flow(self, record: FlowRecord) -> Branch | None:
        return self.table.of_flow(record)

    def prefixes(self, branch: Branch) -> tuple[str, ...]:
        """All that are known of a subscriber, those of their MAC addresses too."""
        learnt = (f"{address}/{128 if ':' in address else 32}" for address in self.table.learnt_of(branch))
        return (*branch.prefixes, *learnt)

    def all_prefixes(self) -> dict[str, tuple[str, ...]]:
        """prefixes() of each, by id."""
        plan = self._kernel.subscribers if self._kernel else None
        return {branch.name: self.prefixes(branch) for branch in plan.branches} if plan else {}

    def learnt(self, branch: Branch) -> list[dict[str, Any]]:
        """[{"address", "mac", "since"}] of the addresses that are a subscriber's by a MAC address; Unix times."""
        table = self.table
        return [{"address": address, **table.learnt[address]._asdict()} for address in table.learnt_of(branch)]

    def ended(self, record: FlowRecord, class_: str | None) -> None:
        """A flow of this class of the rules has ended."""
        if self._kernel is None or self._kernel.subscribers is None:
            return
        branch = self.of_flow(record)
        if branch and class_ is not None:  # else it was blocked
            use = branch.name, own_class(self._kernel, branch, class_)
            with self._lock:
                self._last[use] = max(record.end, self._last.get(use, 0.0))

    def last(self, name: str) -> dict[str | None, float]:
        """Unix time of the last packet of ended flows, by class."""
        with self._lock:
            return {use[1]: when for use, when in self._last.items() if use[0] == name}
