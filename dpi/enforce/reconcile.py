"""Read, compare, apply one by one, read back, compare; and on any failure undo all of it, last step first."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dpi.enforce import conntrack, remember
from dpi.enforce.actual import actual
from dpi.enforce.desired import Desired, desired
from dpi.enforce.diff import diff
from dpi.enforce.operation import Operation, Report
from dpi.enforce.probe import probe
from dpi.enforce.resource import Handles, State
from dpi.enforce.state import StateFile, locked
from dpi.errors import DpiError, KernelError
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
    with handles(state_dir) as h:
        return diff(_desired(plan, h, state_dir).state, actual(h, remember.known(h)))


def apply(
    plan: KernelPlan,
    state_dir: Path,
    *,
    fail_at: int | None = None,
    on_step: OnStep | None = None,
    look_again: bool = False,
) -> Report:
    with locked(state_dir), handles(state_dir) as h:
        wanted = _desired(plan, h, state_dir)
        trees = None if look_again else remember.known(h)
        operations = diff(wanted.state, actual(h, trees))
        forget = _marks_to_forget(plan, operations, h)
        remember.forget()
        _run(operations, h, fail_at, on_step, wanted.state, known=trees is not None)
        remember.keep(wanted.state)
        if forget:
            with contextlib.suppress(OSError):  # a kernel without ctnetlink cannot be told
                conntrack.clear_marks(forget)
        h.state.mask = plan.marks.mask
        h.state.save()
    return Report(tuple(operations), tuple(wanted.notes))


def _marks_to_forget(plan: KernelPlan, operations: list[Operation], h: Handles) -> int:
    """Bits of connections' marks that mean nothing any more.

    Where our table was not there, nobody kept them true; under a new mask, the old one's bits are others'.
    """
    if any(o.resource.kind == "nft" and o.verb == "add" for o in operations):
        return plan.marks.mask | (h.state.mask or 0)
    return h.state.mask if h.state.mask and h.state.mask != plan.marks.mask else 0


def clean(state_dir: Path) -> Report:
    with locked(state_dir), handles(state_dir) as h:
        remember.forget()
        operations = diff({}, actual(h))
        _run(operations, h, None, None, {})
        mask = h.state.mask if h.state.mask is not None else MarkLayout().mask
        if operations or h.state.mask is not None:
            with contextlib.suppress(OSError):  # a kernel without ctnetlink has no marks to clear
                conntrack.clear_marks(mask)
        h.state.mask = None
        h.state.save()
    return Report(tuple(operations))


def _desired(plan: KernelPlan, h: Handles, state_dir: Path) -> Desired:
    return desired(plan, probe(state_dir), h)


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
        except (DpiError, Exception) as error:
            failed.append(f"{operation}: {error}")
    return failed
