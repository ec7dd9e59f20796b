"""Finds rules that can never match because one earlier rule takes all that they could.

A rule covers a later one when each of its conditions is also a condition of the later one, and there no wider.
Rules are indexed by one value of one condition, and a later rule looks up only what could hold its own, so that
thousands of rules cost milliseconds, not a comparison of each with each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network

from dpi.policy.model import Match
from dpi.policy.names import Vocabulary

# The most telling first: a rule is indexed by the first of these that it has.
KINDS = (
    "app",
    "protocol",
    "host",
    "remote",
    "local",
    "category",
    "vlan",
    "dscp",
    "direction",
    "transport",
    "port",
)
Conditions = dict[str, frozenset[object]]
Key = tuple[str, object]


def shadowed(
    rules: Iterable[tuple[str, Match]], groups: Mapping[str, list[str]], words: Vocabulary | None
) -> Iterator[tuple[str, str]]:
    """Pairs of a rule's name and the earlier one's that covers it."""
    index: dict[Key, list[tuple[str, Conditions]]] = {}
    for name, match in rules:
        mine = _conditions(match, groups, words)
        for key in dict.fromkeys(_could_hold(mine)):
            earlier = next((n for n, theirs in index.get(key, ()) if _covers(theirs, mine)), None)
            if earlier:
                yield name, earlier
                break
        else:
            # One key for each value: a later rule looks for one of its values only.
            kind = next((k for k in KINDS if k in mine), "")
            for value in mine.get(kind, frozenset({""})):
                index.setdefault((kind, None if kind == "port" else value), []).append((name, mine))


def _conditions(match: Match, groups: Mapping[str, list[str]], words: Vocabulary | None) -> Conditions:
    found: Conditions = {}
    for kind in KINDS:
        value = getattr(match, kind)
        if kind in ("local", "remote"):
            value = [p for peer in value for p in groups.get(peer, [peer] if "/" in peer else [])]
            value = [ip_network(prefix) for prefix in value]
        elif kind == "direction":
            value = [value] if value else []
        if value:
            found[kind] = frozenset(value)
    if words and "category" not in found and "app" in found:
        # An app is of one category, so a rule for the category covers a rule for the app.
        categories = {words.category_of.get(str(app)) for app in found["app"]} - {None}
        if categories and len(found["app"]) and all(str(a) in words.category_of for a in found["app"]):
            found["category"] = frozenset(categories)
    return found


def _could_hold(mine: Conditions) -> Iterator[Key]:
    """The keys under which a rule that covers this one would be indexed."""
    yield "", ""
    for kind, values in mine.items():
        value = next(iter(values))
        if kind == "port":
            yield kind, None
        elif isinstance(value, IPv4Network | IPv6Network):
            for length in range(value.prefixlen + 1):
                yield kind, value.supernet(new_prefix=length)
        elif kind == "host":
            yield from ((kind, pattern) for pattern in _wider(str(value)))
        else:
            yield kind, value


def _wider(pattern: str) -> Iterator[str]:
    """Host patterns that hold all that this one does."""
    yield pattern
    name = pattern.removeprefix("*.").removeprefix("=")
    if pattern.startswith(("*.", "=")):
        yield name
    while "." in name:
        name = name.partition(".")[2]
        yield name
        yield f"*.{name}"


def _covers(earlier: Conditions, later: Conditions) -> bool:
    for kind, wide in earlier.items():
        narrow = later.get(kind)
        if narrow is None:
            return False
        if narrow <= wide:
            continue
        if kind in ("local", "remote"):
            if not all(any(_inside(n, w) for w in wide) for n in narrow):
                return False
        elif kind == "port":
            if not all(any(w[0] <= n[0] and n[1] <= w[1] for w in wide) for n in narrow):  # type: ignore[index]
                return False
        elif kind == "host":
            if not all(any(p in wide for p in _wider(str(n))) for n in narrow):
                return False
        else:
            return False
    return True


def _inside(narrow: object, wide: object) -> bool:
    return type(narrow) is type(wide) and narrow.subnet_of(wide)  # type: ignore[attr-defined,no-any-return]
