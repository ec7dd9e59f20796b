"""The kernel's half of a plan: what it shall be, what it is, and the difference made so.

The faces for the daemon and the CLI.  All block (netlink, `nft`), so a coroutine calls them by
`asyncio.to_thread`; `Learner.learn` and `set_route_state` are one short netlink exchange and may be called
anywhere.  All act in the network namespace of the calling thread.  Everything raises `KernelError`, whose text
says which step failed and why; after it the kernel is as it was before the call.

    report = apply(plan.kernel, state_dir=Path("/run/dpi"))    # twice: the second has no operations
    for operation in plan_operations(plan.kernel, state_dir=...): print(operation)
    learner = Learner(plan.kernel); learner.learn("cache", [("192.0.2.7", 3600)])
    set_route_state(plan.kernel, "cache", up=False)
    counters(plan.kernel).classes["down", "video"].bytes
    clean(state_dir=...)

Elsewhere: `conntrack` (events, dump, marks), `health` (checks that call `set_route_state`), `probe` (what this
kernel offers), `doctor` (findings).

What user space says in a verdict's mark (`MarkLayout`): the disposition; `final` when the kernel may go on
without user space; and in the route bits the route that this flow's *server* belongs to: the kernel then
learns the server's address for new connections at once.  A mark without disposition and final says nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpi.enforce.operation import Operation, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping
    from pathlib import Path

    from dpi.enforce.count import Count, Counters
    from dpi.enforce.learn import Learner
    from dpi.policy.plan import Branch, Direction, KernelPlan

__all__ = [
    "Count",
    "Counters",
    "Learner",
    "Operation",
    "Report",
    "apply",
    "class_counts",
    "clean",
    "counters",
    "learns",
    "learnt",
    "plan_operations",
    "set_route_drained",
    "set_route_state",
]


def plan_operations(plan: KernelPlan, *, state_dir: Path) -> list[Operation]:
    """What `apply` would do now, in order, without doing it.  Needs root, as reading the kernel does."""
    from dpi.enforce.reconcile import plan_operations as run

    return run(plan, state_dir)


def apply(
    plan: KernelPlan,
    *,
    state_dir: Path,
    fail_at: int | None = None,
    on_step: Callable[[Operation], None] | None = None,
    look_again: bool = False,
) -> Report:
    """Makes the kernel as the plan says: all of it, or nothing of it and KernelError.

    `state_dir` keeps what cannot be read back from the kernel (sysctls' old values) and the lock that keeps
    two of us from acting at once.  `fail_at` makes the step of that index fail, for tests.  `on_step` is told
    each operation before it is done.  `look_again`: somebody else may have changed qdiscs or classes, so what this
    process remembers of them, where there are thousands, is not relied on.
    """
    from dpi.enforce.reconcile import apply as run

    return run(plan, state_dir, fail_at=fail_at, on_step=on_step, look_again=look_again)


def clean(*, state_dir: Path) -> Report:
    """Takes away all that is ours, in this namespace: objects, sysctls' values, our bits of flows' marks."""
    from dpi.enforce.reconcile import clean as run

    return run(state_dir)


def set_route_state(plan: KernelPlan, name: str, *, up: bool) -> None:
    """Tells the kernel that a route's next hop is up or down.

    Down: no new connection is given to it, and those it has go the normal way from their next packet on (or
    are refused, `when_down: unreachable`), for good.  Takes effect at once and survives a reload.
    """
    from dpi.enforce.learn import set_route_state as run

    run(plan, name, up)


def set_route_drained(plan: KernelPlan, name: str, *, drained: bool) -> None:
    """Drained: no new connection is given to the route's next hop; those it has finish there.

    Takes effect at once and survives a reload.
    """
    from dpi.enforce.learn import set_route_drained as run

    run(plan, name, drained)


def learns(plan: KernelPlan) -> bool:
    """Whether addresses are to be learnt of neighbours, and told to learnt()."""
    from dpi.enforce.nft.host_maps import learns as run

    return run(plan)


def learnt(plan: KernelPlan, addresses: Mapping[str, Branch], asleep: Container[str] = ()) -> None:
    """Tells the kernel all that was learnt: the branch that each address is of.  Others are forgotten.

    Nothing else is touched.  To be told again after apply(), where the table was made anew.  asleep: names of the
    branches that have no classes now.
    """
    from dpi.enforce.nft.host_elements import learnt as run

    run(plan, addresses, asleep)


def counters(plan: KernelPlan) -> Counters:
    """Bytes and packets per class, rule and route since they were first applied."""
    from dpi.enforce.count import counters as run

    return run(plan)


def class_counts(plan: KernelPlan, wanted: Iterable[tuple[Direction, int]]) -> dict[tuple[Direction, int], Count]:
    """What some classes of subscribers counted, by direction and number (tree << 16 | minor); others are left out."""
    from dpi.enforce.count import class_counts as run

    return run(plan, wanted)


def __getattr__(name: str) -> object:
    if name in ("Count", "Counters"):
        from dpi.enforce import count

        return getattr(count, name)
    if name == "Learner":
        from dpi.enforce.learn import Learner

        return Learner
    raise AttributeError(name)
