"""Others' rules in `nft -j -t list ruleset` (its form: libnftables-json(5)).

Tables that iptables-save has shown are left out here.  What this file does not know is taken for the worst: an
expression whose value cannot be told may set any bit.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from dpi.enforce.doctor.ruleset import (
    ALL,
    Dropping,
    Effect,
    MarkMatch,
    MarkOf,
    MarkWrite,
    Plainly,
    QueueUse,
    Rule,
    Ruleset,
)
from dpi.enforce.names import TABLE

Chain = tuple[str, str, str]  # family, table, name
OURS = {("inet", TABLE), ("bridge", TABLE)}


def parse(text: str, covered: Collection[tuple[str, str]] = ()) -> Ruleset:
    """`covered`: (family, table) that are known from iptables-save.  Damaged JSON is a fault, not an error."""
    found = Ruleset()
    try:
        items = json.loads(text)["nftables"]
    except (ValueError, KeyError, TypeError):
        found.faults.append("nft printed something that is not its JSON")
        return found
    skipped = OURS.union(covered)
    entries = [(kind, value) for item in items if isinstance(item, dict) for kind, value in item.items()]
    entries = [(k, v) for k, v in entries if isinstance(v, dict) and (v.get("family"), v.get("table")) not in skipped]
    rules = [v for k, v in entries if k == "rule"]
    hooks = _hooks([v for k, v in entries if k == "chain"], rules)
    for kind, value in entries:
        where = f"table {value.get('family')} {value.get('table')}"
        if kind == "flowtable":
            devices = value.get("dev", [])
            names = (devices,) if isinstance(devices, str) else tuple(map(str, devices))
            found.flowtables.append((f"{where}, flowtable {value.get('name')}", names))
        elif kind == "chain" and value.get("policy") == "drop":
            found.dropping.append(Dropping(f"{where}, chain {value.get('name')}", str(value.get("hook"))))
    for rule in rules:
        effects = tuple(e for statement in _listed(rule.get("expr")) for e in effects_of(statement))
        if effects:
            chain = _chain(rule, str(rule.get("chain")))
            where = f"nft table {chain[0]} {chain[1]}, chain {chain[2]}, handle {rule.get('handle')}"
            found.rules.append(
                Rule(where, f"nft -a list chain {' '.join(chain)}", hooks.get(chain, frozenset()), effects)
            )
    return found


def _chain(value: dict[str, Any], name: str) -> Chain:
    return (str(value.get("family")), str(value.get("table")), name)


def _hooks(chains: list[dict[str, Any]], rules: list[dict[str, Any]]) -> dict[Chain, frozenset[str]]:
    """Chain → the hooks from which it can be reached."""
    hooks = {_chain(c, str(c.get("name"))): {str(c["hook"])} if "hook" in c else set() for c in chains}
    jumps = {
        (_chain(rule, str(rule.get("chain"))), _chain(rule, target))
        for rule in rules
        for target in _targets(rule.get("expr"))
    }
    changed = True
    while changed:
        changed = False
        for come, go in jumps:
            more = hooks.get(come, set()) - hooks.setdefault(go, set())
            if more:
                hooks[go] |= more
                changed = True
    return {chain: frozenset(found) for chain, found in hooks.items()}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _targets(value: Any) -> Iterator[str]:
    """Chains that are jumped to anywhere in an expression."""
    for key, inner in _pairs(value):
        if key in ("jump", "goto") and isinstance(inner, dict):
            yield str(inner.get("target"))


def _pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    todo = [value]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            yield from value.items()
            todo += value.values()
        elif isinstance(value, list):
            todo += value


def effects_of(statement: Any) -> Iterator[Effect]:
    """What one statement of a rule does that concerns us."""
    if not isinstance(statement, dict):
        return
    for kind, value in statement.items():
        if kind == "mangle" and isinstance(value, dict):
            yield from _mangle(value)
        elif kind == "match" and isinstance(value, dict):
            yield from _match(value)
        elif kind == "queue":
            yield _queue(value)
        elif kind == "flow":
            yield Plainly("flowtable")
        elif kind == "notrack":
            yield Plainly("untracked")
        elif kind == "xt":
            yield Plainly("unreadable")
        elif kind not in ("counter", "comment"):  # vmap, map, set, meter, log, …: marks may be part of a key
            yield from (MarkMatch(of, bits, bits) for of, bits in _reads(value))


def _mangle(value: dict[str, Any]) -> Iterator[Effect]:
    key, new = value.get("key"), value.get("value")
    of = _mark(key)
    if of:
        v = evaluate(new, of)
        changed = ~v.own & ALL
        if changed:
            yield MarkWrite(of, changed, v.ones & changed, v.other & changed)
    elif isinstance(key, dict):
        if key.get("meta") == {"key": "priority"}:
            yield Plainly("priority")
        if isinstance(key.get("tcp option"), dict) and key["tcp option"].get("name") == "maxseg":
            yield Plainly("clamp")
        yield from (MarkMatch(other, bits, bits) for other, bits in _reads(new))


def _match(value: dict[str, Any]) -> Iterator[Effect]:
    right = value.get("right")
    ones = _constant_bits(right) if value.get("op") in ("==", "in") else ALL
    for of, bits in _reads(value.get("left")):
        yield MarkMatch(of, bits, bits & ones)
    yield from (MarkMatch(of, bits, bits) for of, bits in _reads(right))


def _constant_bits(value: Any) -> int:
    """Every bit that is 1 in one of the values; all where that cannot be told."""
    if isinstance(value, int):
        return value & ALL
    if isinstance(value, dict) and isinstance(value.get("set"), list):
        bits = 0
        for element in value["set"]:
            bits |= _constant_bits(element)
        return bits
    return ALL


def _queue(value: Any) -> QueueUse:
    number = value.get("num", 0) if isinstance(value, dict) else 0
    if isinstance(number, int):
        return QueueUse(number, number)
    if isinstance(number, dict) and isinstance(number.get("range"), list):
        ends = number["range"]
        if len(ends) == 2 and all(isinstance(e, int) for e in ends):
            return QueueUse(*ends)
    return QueueUse(0, 65535)  # by a map: any


def _mark(expression: Any) -> MarkOf | None:
    if isinstance(expression, dict):
        if expression.get("meta") == {"key": "mark"}:
            return "packet"
        if isinstance(expression.get("ct"), dict) and expression["ct"].get("key") == "mark":
            return "connection"
    return None


def _reads(expression: Any, within: int = ALL) -> Iterator[tuple[MarkOf, int]]:
    """Marks anywhere in an expression, and which of their bits count."""
    of = _mark(expression)
    if of:
        yield of, within
    elif isinstance(expression, dict):
        for key, inner in expression.items():
            if key == "&" and isinstance(inner, list) and len(inner) == 2 and isinstance(inner[1], int):
                yield from _reads(inner[0], within & inner[1])
            else:
                yield from _reads(inner, within)
    elif isinstance(expression, list):
        for inner in expression:
            yield from _reads(inner, within)


@dataclass(frozen=True)
class Value:
    """Where each bit of a value comes from: the mark that is set, the other mark, or it may be 1; else it is 0."""

    own: int = 0
    other: int = 0
    ones: int = 0

    @property
    def any(self) -> int:
        return self.own | self.other | self.ones


UNKNOWN = Value(ones=ALL)


def evaluate(expression: Any, of: MarkOf) -> Value:
    """The value that the mark `of` is set to."""
    if isinstance(expression, int):
        return Value(ones=expression & ALL)
    mark = _mark(expression)
    if mark:
        return Value(own=ALL) if mark == of else Value(other=ALL)
    if not isinstance(expression, dict) or len(expression) != 1:
        return UNKNOWN
    ((operator, inner),) = expression.items()
    if operator in ("&", "|", "^") and isinstance(inner, list) and len(inner) >= 2:
        value = evaluate(inner[0], of)
        for each in inner[1:]:
            value = _combine(operator, value, evaluate(each, of), each)
        return value
    if operator in ("jhash", "symhash", "numgen") and isinstance(inner, dict):
        mod, offset = inner.get("mod"), inner.get("offset", 0) or 0
        if isinstance(mod, int) and isinstance(offset, int) and mod > 0:
            return Value(ones=_up_to(offset + mod - 1))
    return UNKNOWN


def _combine(operator: str, a: Value, b: Value, raw: Any) -> Value:
    if operator == "&":
        if isinstance(raw, int):
            return Value(a.own & raw, a.other & raw, a.ones & raw)
        return Value(ones=a.any & b.any)
    if operator == "|" and isinstance(raw, int):
        return Value(a.own & ~raw & ALL, a.other & ~raw & ALL, a.ones | raw)
    both = a.any & b.any  # where both may say something, the bit may be anything
    keep = ~both & ALL
    return Value((a.own | b.own) & keep, (a.other | b.other) & keep, (a.ones | b.ones) & keep | both)


def _up_to(number: int) -> int:
    """All bits that numbers up to this one can have."""
    return (1 << number.bit_length()) - 1 & ALL
