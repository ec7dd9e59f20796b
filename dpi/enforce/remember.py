"""What this process made of thousands of subscribers' classes, so that it need not read them all for one that changes.

The kernel takes seconds to list them.  They are read whole by a new process, after a failure, and when the kernel tells
that somebody removed something (drift.py); else what was made is what is there, and what a change touched is read back.
Where there are few, all is read each time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dpi.enforce.actual import roots
from dpi.enforce.operation import Operation
from dpi.enforce.qdisc.branch import BranchClasses
from dpi.enforce.qdisc.htb import HtbClass, HtbRoot
from dpi.enforce.resource import Handles, Resource, State, state_of
from dpi.enforce.state import identity

MANY = 200  # branches
ALL = 2000  # steps after which everything is read again

_trees: dict[tuple[str | int, ...], State] = {}  # by network namespace


def known(handles: Handles) -> Collection[Resource] | None:
    """Root qdiscs and classes of this namespace; None where they have to be read."""
    trees = _trees.get(tuple(identity()))
    if trees is None:
        return None
    names = {link["index"]: str(link.get_attr("IFLA_IFNAME")) for link in handles.ip.get_links()}
    if set(roots(handles.rtnl(), names)) != {tree for tree in trees.values() if isinstance(tree, HtbRoot)}:
        return None
    return trees.values()


def keep(state: State) -> None:
    trees = _of_trees(state.values())
    if sum(isinstance(each, BranchClasses) for each in trees) > MANY:
        _trees[tuple(identity())] = state_of(trees)


def changed(added: Iterable[Resource], removed: Iterable[Resource]) -> None:
    """Branches were made and taken away."""
    trees = _trees.get(tuple(identity()))
    if trees is not None:
        for each in removed:
            trees.pop(each.key, None)
        trees |= state_of(added)


def forget() -> None:
    _trees.pop(tuple(identity()), None)


def after(operations: list[Operation], wanted: State, handles: Handles) -> list[Resource] | None:
    """What there is after these steps: those of branches read back, the others as wanted.  None: all is to be read."""
    touched = {o.resource.key: o for o in operations if isinstance(o.resource, BranchClasses | HtbClass | HtbRoot)}
    if len(touched) > ALL or not all(isinstance(o.resource, BranchClasses) for o in touched.values()):
        return None
    found = [each for each in _of_trees(wanted.values()) if each.key not in touched]
    for operation in touched.values():
        branch = operation.resource
        assert isinstance(branch, BranchClasses)
        there = branch.read_back(handles)
        if there:
            found.append(there)
    return found


def _of_trees(resources: Iterable[Resource]) -> list[Resource]:
    return [each for each in resources if isinstance(each, BranchClasses | HtbClass | HtbRoot)]
