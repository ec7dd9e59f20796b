"""The way of a subscriber's packets through the tree: its classes, the subscriber, the sites that it is behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from dpi.policy.plan import DIRECTIONS, Branch, Direction, KernelPlan, SubscriberPlan
from dpi.policy.subscribe import DEFAULT, SITE

OTHERS = "(all others)"  # whom the default tariff is for


class Node(NamedTuple):
    """A class of the kernel's.  Rates in bits a second."""

    kind: Literal["class", "subscriber", "site"]
    name: str
    direction: Direction
    rate: int  # assured
    ceil: int
    number: int  # tree << 16 | minor

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in self._asdict().items() if key != "number"}


def branch_of(kernel: KernelPlan, name: str) -> Branch | None:
    """A subscriber by id."""
    branches = kernel.subscribers.branches if kernel.subscribers else ()
    return next((b for b in branches if b.name == name and not b.is_site), None)


def spoken(branch: Branch) -> str:
    """A branch's name for people."""
    return OTHERS if branch.name == DEFAULT else branch.name.removeprefix(SITE)


def nodes(kernel: KernelPlan, branch: Branch | None) -> Iterator[Node]:
    """All classes of a subscriber in both directions, the leaves first, and the sites that they are behind."""
    if branch is None or kernel.subscribers is None:
        return
    above = list(_sites(kernel.subscribers, branch))
    names = {offset: name for name, offset in kernel.subscribers.shares}
    for direction in DIRECTIONS:
        shape = branch.down if direction == "down" else branch.up
        for share in shape.shares:
            number = branch.number + share.offset
            yield Node("class", names[share.offset], direction, share.rate, share.ceil, number)
        yield Node("subscriber", spoken(branch), direction, shape.rate, shape.ceil, branch.number)
        for site in above:
            shape = site.down if direction == "down" else site.up
            yield Node("site", spoken(site), direction, shape.rate, shape.ceil, site.number)


def way(kernel: KernelPlan, branch: Branch, class_: str | None) -> Iterator[Node]:
    """As nodes(), of the class alone that a rule's class is for this subscriber."""
    mine = own_class(kernel, branch, class_)
    return (node for node in nodes(kernel, branch) if node.kind != "class" or node.name == mine)


def own_class(kernel: KernelPlan, branch: Branch, class_: str | None) -> str | None:
    """Which class of the subscriber's own a rule's class is: itself, else that of all other traffic; None: its tariff
    is not shared among classes."""
    if kernel.subscribers is None or not branch.down.shares:
        return None
    names: Mapping[str, int] = dict(kernel.subscribers.shares)
    return class_ if class_ in names else kernel.subscribers.shares[0][0]


def _sites(plan: SubscriberPlan, branch: Branch) -> Iterator[Branch]:
    by_number = {b.number: b for b in plan.branches if b.is_site}
    parent = branch.parent
    while parent in by_number:
        yield by_number[parent]
        parent = by_number[parent].parent
