"""Read, compare, apply one by one, read back, compare; and on any failure undo all of it, last step first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dpi.enforce import conntrack, iptables, remember
from dpi.enforce.actual import actual
from dpi.enforce.asleep import asleep
from dpi.enforce.desired import Desired, desired
from dpi.enforce.diff import diff
from dpi.enforce.operation import Operation, Report
from dpi.enforce.probe import probe
from dpi.enforce.qdisc.ifb import Redirect, take_back_clsact
from dpi.enforce.resource import Handles, State
from dpi.enforce.state import StateFile, locked
from dpi.errors import KernelError
from dpi.policy.plan import KernelPlan, MarkLayout

OnStep = Callable[[Operation], None]


@contextmanager
def handles(state_dir: Path) -> Iterator[Handles]:
    from pyroute2 import IPRoute

    try:
        ip = IPRoute(groups=0, ext_ack=True, strict_check=True)
    except OSError as error:
        raise KernelError(f"netlink: {error.strerror}") from None
    with ip:
        found = Handles(ip, StateFile.load(state_dir))
        try:
            yield found
        finally:
            found.close()


def plan_operations(plan: KernelPlan, state_dir: Path) -> list[Operation]:
    on_demand = plan.subscribers is not None and plan.subscribers.on_demand
    with locked(state_dir) if on_demand else contextlib.nullcontext(), handles(state_dir) as h:
        there = actual(h, remember.known(h))
        return diff(_desired(plan, h, state_dir, asleep(plan.subscribers, there)).state, there)


def apply(
    plan: KernelPlan,
    state_dir: Path,
    *,
    fail_at: int | None = None,
    on_step: OnStep | None = None,
    look_again: bool = False,
) -> Report:
    with locked(state_dir), handles(state_dir) as h:
        trees = None if look_again else remember.known(h)
        there = actual(h, trees)
        settle(h, there)
        sleeping = asleep(plan.subscribers, there)
        wanted = _desired(plan, h, state_dir, sleeping)
        operations = diff(wanted.state, there)
        remember.forget()
        with _marks(plan, operations, h):
            _run(operations, h, fail_at, on_step, wanted.state, known=trees is not None)
        remember.keep(wanted.state)
    return Report(tuple(operations), tuple(wanted.notes), sleeping)


def settle(h: Handles, there: State) -> None:
    """Takes back what a step that was cut short had brought in for a thing that is not there."""
    filtered = {each.device for each in there.values() if isinstance(each, Redirect)}
    for device in set(h.state.clsact) - filtered:
        take_back_clsact(h, device)
    stepped = {each.version for each in there.values() if isinstance(each, iptables.QueueStep)}
    for version in set(h.state.iptables) - stepped:
        iptables.take_back_table(h, version)


@contextmanager
def _marks(plan: KernelPlan, operations: list[Operation], h: Handles) -> Iterator[None]:
    """Clears bits of connections' marks that mean nothing once the operations are done.

    Where our table was not there, nobody kept them true; under a new mask, the old one's bits are others'.
    """
    before = h.state.mask, h.state.stale
    if any(o.resource.kind == "nft" and o.verb == "add" for o in operations):
        h.state.stale |= plan.marks.mask | (h.state.mask or 0)
    elif h.state.mask != plan.marks.mask:
        h.state.stale |= h.state.mask or 0
    h.state.mask = plan.marks.mask
    if before != (h.state.mask, h.state.stale):
        h.state.save()
    try:
        yield
    except BaseException:
        h.state.mask, h.state.stale = before
        h.state.save()
        raise
    _clear_marks(h.state.stale)
    h.state.stale = 0
    h.state.save()


def _clear_marks(mask: int) -> None:
    if mask:
        with contextlib.suppress(OSError):  # a kernel without ctnetlink cannot be told
            conntrack.clear_marks(mask)


def clean(state_dir: Path) -> Report:
    with locked(state_dir), handles(state_dir) as h:
        remember.forget()
        there = actual(h)
        settle(h, there)
        operations = diff({}, there)
        if operations and h.state.mask is None:
            h.state.mask = MarkLayout().mask  # of whose file is lost
            h.state.save()
        _run(operations, h, None, None, {})
        _clear_marks((h.state.mask or 0) | h.state.stale)
        h.state.mask, h.state.stale = None, 0
        h.state.save()
    return Report(tuple(operations))


def _desired(plan: KernelPlan, h: Handles, state_dir: Path, sleeping: frozenset[str]) -> Desired:
    return desired(plan, probe(state_dir), h, sleeping)


def _run(
    operations: list[Operation],
    h: Handles,
    fail_at: int | None,
    on_step: OnStep | None,
    wanted: State,
    known: bool = False,
) -> None:
    """`known`: of qdiscs and classes what was touched is read back, not all."""
    done: list[Operation] = []
    try:
        for number, operation in enumerate(operations):
            if on_step:
                on_step(operation)
            try:
                if number == fail_at:
                    raise KernelError("made to fail")
                operation.do(h)
            except Exception as error:
                raise KernelError(f"step {number + 1} of {len(operations)} failed: {operation}: {error}") from error
            done.append(operation)
        if operations:
            left = diff(wanted, actual(h, remember.after(operations, wanted, h) if known else None))
            if left:
                raise KernelError(f"the kernel did not take it as asked: still to do: {left[0]}")
    except BaseException as error:
        failed = undo(done, h)
        if isinstance(error, KernelError):
            how = f"; undone but for: {'; '.join(failed)}" if failed else "; everything was undone" if done else ""
            raise KernelError(f"{error}{how}") from error
        raise


def undo(done: list[Operation], h: Handles) -> list[str]:
    """Undoes in reverse order, all that can be; what could not be, in words."""
    failed = []
    for operation in reversed(done):
        try:
            operation.undo(h)
        except Exception as error:
            failed.append(f"{operation}: {error}")
    return failed
