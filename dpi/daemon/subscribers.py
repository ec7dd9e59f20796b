"""What is known of subscribers while the daemon runs: whose a flow is, what their classes counted, when they were used.

The kernel counts bytes without a time.  When a class was last used is told by its flows: those that live, and the
ended ones, of which the last time is kept for each subscriber and class.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dpi import enforce
from dpi.errors import UsageError
from dpi.policy.findings import near
from dpi.policy.plan import Branch, KernelPlan
from dpi.policy.subscriber_path import Node, branch_of, nodes, own_class, spoken
from dpi.record.fields import FlowRecord
from dpi.subscriber_table import SubscriberTable

if TYPE_CHECKING:
    from dpi.daemon.worker import Worker

Use = tuple[str, str | None]  # subscriber, class of its own
Uses = dict[str, dict[str | None, tuple[int, float]]]


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


def uses(worker: Worker) -> Uses:
    """The flows that live, by subscriber and class of its own: how many, and when the last packet came."""
    kernel, found = worker.plan.kernel, Uses()
    if kernel.subscribers is None:
        return found
    for record in worker.engine.flows():
        branch, class_ = worker.subscribers.of_flow(record), worker.class_of(record)
        if branch and class_ is not None:
            classes = found.setdefault(branch.name, {})
            mine = own_class(kernel, branch, class_)
            count, last = classes.get(mine, (0, 0.0))
            classes[mine] = count + 1, max(last, record.end)
    return found


def told(worker: Worker, name: str) -> dict[str, Any]:
    """{"id", "tariff", "address", "mac", "vlan", "learnt", "asleep", "classes"}; see learnt() and counted()."""
    kernel = worker.plan.kernel
    branch = branch_of(kernel, name)
    if branch is None:
        names = [b.name for b in kernel.subscribers.branches if not b.is_site] if kernel.subscribers else []
        raise UsageError(f"there is no subscriber {name}{near(name, names)}")
    return {
        "id": spoken(branch),
        "tariff": branch.tariff,
        "address": list(branch.prefixes),
        "asleep": worker.demand.is_asleep(branch.name),
        "mac": list(branch.macs),
        "vlan": list(branch.vlans),
        "learnt": worker.subscribers.learnt(branch),
        "classes": counted(worker, branch, nodes(kernel, branch), uses(worker)),
    }


def counted(worker: Worker, branch: Branch, wanted: Iterable[Node], used: Uses) -> list[dict[str, Any]]:
    """Classes of a subscriber, each with what the kernel counted; of its own also the flows and the last packet."""
    wanted = list(wanted)
    counts = enforce.class_counts(worker.plan.kernel, [(node.direction, node.number) for node in wanted])
    now, ended = used.get(branch.name, {}), worker.subscribers.last(branch.name)
    last = ended | {class_: max(when, ended.get(class_, 0.0)) for class_, (_, when) in now.items()}
    rows = []
    for node in wanted:
        count = counts.get((node.direction, node.number), enforce.Count())
        own: dict[str, Any] = {"flows": None, "last_hit": None}
        if node.kind == "class":
            own = {"flows": now.get(node.name, (0, 0.0))[0], "last_hit": last.get(node.name)}
        elif node.kind == "subscriber":
            own = {"flows": sum(n for n, _ in now.values()), "last_hit": max(last.values(), default=None)}
        kernels = {"packets": count.packets, "bytes": count.bytes, "drops": count.drops, "backlog": count.backlog}
        rows.append(node.to_json() | {"counters": kernels | own})
    return rows
