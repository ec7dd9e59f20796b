"""What the classes of subscribers counted, and when they were used.

The kernel counts bytes without a time.  When a class was last used is told by its flows: those that live, and the
ended ones, of which the last time is kept for each subscriber and class.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dpi import enforce
from dpi.daemon.state import State
from dpi.errors import UsageError
from dpi.policy.findings import near
from dpi.policy.plan import Branch
from dpi.policy.subscriber_path import Node, branch_of, nodes, own_class, spoken

Uses = dict[str, dict[str | None, tuple[int, float]]]  # subscriber → class of its own → flows, the last packet's time


def uses(state: State) -> Uses:
    """The flows that live, by subscriber and class of its own: how many, and when the last packet came."""
    kernel, found = state.plan.kernel, Uses()
    if kernel.subscribers is None:
        return found
    for record in state.engine.flows():
        branch, class_ = state.subscribers.of_flow(record), state.class_of(record)
        if branch and class_ is not None:
            classes = found.setdefault(branch.name, {})
            mine = own_class(kernel, branch, class_)
            count, last = classes.get(mine, (0, 0.0))
            classes[mine] = count + 1, max(last, record.end)
    return found


def told(state: State, name: str) -> dict[str, Any]:
    """{"id", "tariff", "address", "mac", "vlan", "learnt", "asleep", "classes"}; see learnt() and counted()."""
    kernel = state.plan.kernel
    branch = branch_of(kernel, name)
    if branch is None:
        names = [b.name for b in kernel.subscribers.branches if not b.is_site] if kernel.subscribers else []
        raise UsageError(f"there is no subscriber {name}{near(name, names)}")
    return {
        "id": spoken(branch),
        "tariff": branch.tariff,
        "address": list(branch.prefixes),
        "asleep": state.demand.is_asleep(branch.name),
        "mac": list(branch.macs),
        "vlan": list(branch.vlans),
        "learnt": state.subscribers.learnt(branch),
        "classes": counted(state, branch, nodes(kernel, branch), uses(state)),
    }


def counted(state: State, branch: Branch, wanted: Iterable[Node], used: Uses) -> list[dict[str, Any]]:
    """Classes of a subscriber, each with what the kernel counted; of its own also the flows and the last packet."""
    wanted = list(wanted)
    counts = enforce.class_counts(state.plan.kernel, [(node.direction, node.number) for node in wanted])
    now, ended = used.get(branch.name, {}), state.subscribers.last(branch.name)
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
