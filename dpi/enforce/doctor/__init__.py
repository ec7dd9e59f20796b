"""Looks for what could keep us from working on this machine, before or while we do.

Each finding says what is so, why it matters to us, and what to do about it.  Nothing is changed.  Without a
plan only the machine is looked at.
"""

from __future__ import annotations

from pathlib import Path

from dpi.enforce.doctor.finding import Finding, Level
from dpi.policy.plan import KernelPlan

__all__ = ["Finding", "Level", "examine"]


def examine(plan: KernelPlan | None, *, state_dir: Path) -> list[Finding]:
    """Everything that was looked at, in order; `ok` findings too.  KernelError when this is not root's."""
    from dpi.enforce.doctor import devices, machine, others
    from dpi.enforce.probe import probe
    from dpi.enforce.reconcile import handles

    features = probe(state_dir, fresh=True)
    with handles(state_dir) as h:
        return [
            *machine.examine(plan, features),
            *devices.examine(plan, h),
            *others.examine(plan),
        ]
