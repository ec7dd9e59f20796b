"""Whose a flow is for a quota, and which addresses are of those who have used one up."""

from __future__ import annotations

from collections.abc import Mapping

from dpi.daemon.subscribers import Subscribers
from dpi.policy.plan import Conditions, PlannedQuota
from dpi.policy.quota import apart
from dpi.record.fields import FlowRecord

Prefixes = frozenset[tuple[str, str]]  # (quota, prefix)


class QuotaAccounts:
    """An account is a subscriber's id or a host's address."""

    def __init__(self, subscribers: Subscribers) -> None:
        self._subscribers = subscribers
        self._before: tuple[tuple[object, ...], Prefixes] = (None,) * 3, frozenset()

    def of_flow(self, quota: PlannedQuota, record: FlowRecord) -> str | None:
        """The account of a flow."""
        if quota.each == "host":
            return record.dst if record.direction == "in" else record.src
        branch = self._subscribers.of_flow(record)
        return branch.name if branch and branch.is_subscriber else None

    def prefixes(self, over: Mapping[str, list[str]], conditions: Conditions) -> Prefixes:
        """Of the accounts that have used up a quota of these; `over`: those accounts, by quota."""
        known = over, conditions, self._subscribers.table.learnt
        if all(a is b for a, b in zip(known, self._before[0], strict=True)):
            return self._before[1]
        found = set[tuple[str, str]]()
        names = {quota.name: quota.each for quota in conditions.quotas}
        prefixes = self._subscribers.all_prefixes()
        for quota, each in names.items():
            if not (accounts := over.get(quota)):
                continue
            if each == "host":
                found |= {(quota, f"{host}/{128 if ':' in host else 32}") for host in accounts}
                continue
            used = {prefix for who in accounts for prefix in prefixes.get(who, ())}
            others = {prefix for who, theirs in prefixes.items() if who not in accounts for prefix in theirs}
            found |= {(quota, prefix) for prefix in apart(used, others)}
        self._before = known, frozenset(found)
        return self._before[1]
