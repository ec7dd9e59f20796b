"""A plan with other tariffs for some subscribers, as quotas want it: the same tree, some branches in another shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dpi.policy.branches import every_bit
from dpi.policy.plan import Branch, Instead, KernelPlan


def throttled(kernel: KernelPlan, tariffs: Mapping[str, str]) -> KernelPlan:
    """`tariffs`: of subscribers by id.  The plan itself where nothing is to change."""
    plan = kernel.subscribers
    if plan is None or not tariffs:
        return kernel
    places = {(each.tariff, each.parent): each for each in plan.instead}
    low = every_bit(plan.shares)
    branches = (_branch(b, places.get((tariffs.get(b.name, ""), b.parent)), low) for b in plan.branches)
    return replace(kernel, subscribers=replace(plan, branches=tuple(branches)))


def _branch(branch: Branch, instead: Instead | None, low: int) -> Branch:
    if instead is None or branch.is_site:
        return branch
    number = branch.number & ~low | (0 if instead.down.shares else low)  # see subscribe.py, first()
    return replace(branch, number=number, down=instead.down, up=instead.up, tariff=instead.tariff)
