"""The order in which rules are tried: as they stand in the files, but for those that say `before`."""

from __future__ import annotations

from collections.abc import Mapping

from dpi.policy.model.rules import Rule


def ordered(rules: Mapping[str, Rule]) -> tuple[list[str], list[str]]:
    """Names in order, and the names of rules that wait for each other and so have no place.

    Of several rules before the same one, the order among them is that of the files.  A `before` that names no
    rule is ignored here; the check reports it.
    """
    waiting: dict[str, list[str]] = {}
    placed: list[str] = []
    for name, rule in rules.items():
        if rule.before is not None and (rule.before == "*" or rule.before in rules):
            waiting.setdefault(rule.before, []).append(name)
        else:
            placed.append(name)
    placed = waiting.pop("*", []) + placed
    result: list[str] = []
    stack = placed[::-1]
    while stack:
        name = stack.pop()
        if name in waiting:
            stack += [name, *waiting.pop(name)[::-1]]
        else:
            result.append(name)
    return result, [name for names in waiting.values() for name in names]
