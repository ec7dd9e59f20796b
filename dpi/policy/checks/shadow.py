"""Finds rules, and single values of conditions, that can never match because earlier rules take all that they could.

A rule covers a later one when each of its conditions is also a condition of the later one, and there no wider.  Where
a condition has several values the later rule is asked value by value, so two earlier rules may cover it together.
Each rule is indexed under the values of that condition which fewest rules share, and a later rule looks up only
what could hold its own; so thousands of rules cost milliseconds, not a comparison of each with each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from dpi.policy.link_layer import mac_number
from dpi.policy.model.rules import Match
from dpi.policy.names import Vocabulary
from dpi.policy.units import network_number

KINDS = (
    "app",
    "protocol",
    "host",
    "remote",
    "local",
    "category",
    "vlan",
    "mac",
    "device",
    "dscp",
    "direction",
    "transport",
    "port",
    "during",
    "congested",
    "over",
)
Conditions = dict[str, frozenset[object]]
Key = tuple[str, object]
EVERYTHING: Key = ("", "")
FEW_PORTS = 16


class Network(NamedTuple):
    """A prefix as numbers: address, and how many of the family's bits count."""

    version: int
    bits: int
    address: int

    def within(self, bits: int) -> Network:
        """The prefix of so many bits that holds this one."""
        low = (32 if self.version == 4 else 128) - bits
        return Network(self.version, bits, self.address >> low << low)


class Mac(NamedTuple):
    """The beginning of a MAC address: how many bits count, and the address."""

    bits: int
    address: int

    def within(self, bits: int) -> Mac:
        return Mac(bits, self.address >> 48 - bits << 48 - bits)


@dataclass(frozen=True)
class Shadow:
    """A rule that can never match, or one value (`kind`, its place in the list) of a condition of it."""

    name: str
    by: tuple[str, ...]  # the earlier rules that take it all
    value: tuple[str, int] | None = None


def shadowed(
    rules: Iterable[tuple[str, Match]], groups: Mapping[str, list[str]], words: Vocabulary | None
) -> Iterator[Shadow]:
    """What is dead, in the order of the rules."""
    known = [(name, match, _conditions(match, groups)) for name, match in rules]
    every = [(name, match, conditions) for name, match, conditions in known if conditions is not None]
    shared = Counter(key for _, _, conditions in every for key in _values(conditions))
    cover = _Cover(words, {(v.version, v.bits) for _, v in shared if isinstance(v, Network)})
    index: dict[Key, list[tuple[str, Conditions]]] = {}

    def taker(mine: Conditions) -> str | None:
        """The earlier rule that takes all of this."""
        for key in dict.fromkeys(cover.keys(mine)):
            for name, theirs in index.get(key, ()):
                if cover.covers(theirs, mine):
                    return name
        return None

    for name, match, mine in every:
        if earlier := taker(mine):
            yield Shadow(name, (earlier,))
            continue
        dead: list[Shadow] = []
        for kind in KINDS:
            items = _items(match, kind, groups)
            takers = [taker({**mine, kind: item}) for item in items] if len(items) > 1 else []
            if takers and all(takers):
                dead = [Shadow(name, tuple(dict.fromkeys(t for t in takers if t)))]
                break
            dead += [Shadow(name, (t,), (kind, i)) for i, t in enumerate(takers) if t]
        yield from dead
        if dead and dead[0].value is None:
            continue
        rarest = min(mine, key=lambda kind: max(shared[key] for key in _values({kind: mine[kind]})), default="")
        for key in dict.fromkeys(_values({rarest: mine[rarest]}) if rarest else [EVERYTHING]):
            index.setdefault(key, []).append((name, mine))


def reaching(
    rules: Iterable[tuple[str, Match]], app: str, groups: Mapping[str, list[str]], words: Vocabulary | None
) -> Iterator[tuple[str, bool]]:
    """The rules under which flows of an app may fall, in order, to the one that takes what is left of them (True)."""
    cover = _Cover(words, set())
    mine: Conditions = {"app": frozenset([app])}
    of = set(cover.categories("app", app))
    protocols = words.protocols if words else frozenset[str]()
    for name, match in rules:
        if match.app and app not in match.app and not protocols & set(match.app):
            continue
        if words and match.category and not of & set(match.category):
            continue
        conditions = _conditions(match, groups)
        whole = conditions is not None and cover.covers(conditions, mine)
        yield name, whole
        if whole:
            return


def _items(match: Match, kind: str, groups: Mapping[str, list[str]]) -> list[frozenset[object]]:
    """What is listed of one kind, each with all that it stands for."""
    if kind == "direction":
        return []
    given = getattr(match, kind)
    if kind in ("local", "remote"):
        return [frozenset(map(_network, groups.get(peer, (peer,)))) for peer in given]
    if kind == "mac":
        return [frozenset([Mac(*mac_number(prefix))]) for prefix in given]
    return [frozenset([value]) for value in given]


def _values(conditions: Conditions) -> Iterator[Key]:
    """The keys that a rule may be indexed under: each port of a few; all wide ranges have one in common."""
    for kind, values in conditions.items():
        for value in values:
            if kind == "port":
                yield from _ports(value)
            else:
                yield kind, value


def _ports(span: object) -> Iterator[Key]:
    assert isinstance(span, tuple)
    first, last = span
    if last - first >= FEW_PORTS:
        yield "port", None
    else:
        yield from (("port", port) for port in range(first, last + 1))


def _conditions(match: Match, groups: Mapping[str, list[str]]) -> Conditions | None:
    """The conditions that are given; None where one of them names a group that is not there."""
    found: Conditions = {}
    for kind in KINDS:
        value = getattr(match, kind)
        if kind in ("local", "remote"):
            if any("/" not in peer and peer not in groups for peer in value):
                return None
            value = [_network(prefix) for peer in value for prefix in groups.get(peer, (peer,))]
        elif kind == "direction":
            value = [value] if value else []
        elif kind == "mac":
            value = [Mac(*mac_number(prefix)) for prefix in value]
        if value:
            found[kind] = frozenset(value)
    return found


def _network(prefix: str) -> Network:
    return Network(*network_number(prefix))


class _Cover:
    def __init__(self, words: Vocabulary | None, lengths: set[tuple[int, int]]) -> None:
        self.words = words
        self.lengths = lengths  # of prefixes that there are, with their family

    def keys(self, mine: Conditions) -> Iterator[Key]:
        """The keys under which a rule that covers this one would be indexed."""
        yield EVERYTHING
        for kind, values in mine.items():
            value = next(iter(values))
            if isinstance(value, tuple) and kind == "port":
                yield kind, None
                yield kind, value[0]
            elif isinstance(value, Mac):
                yield from ((kind, value.within(bits)) for bits in range(1, value.bits + 1))
            elif isinstance(value, Network):
                for version, bits in self.lengths:
                    if version == value.version and bits <= value.bits:
                        yield kind, value.within(bits)
            elif kind == "host":
                yield from ((kind, pattern) for pattern in _wider(str(value)))
            else:
                yield kind, value
            if kind in ("app", "category"):
                yield from (("category", c) for c in self.categories(kind, value))
            elif kind == "protocol":
                yield "app", value

    def categories(self, kind: str, value: object) -> list[str]:
        """What a flow of this app, or of this category, is sure to be of."""
        if self.words is None:
            return [str(value)] if kind == "category" else []
        if kind == "category":
            return self.words.within(str(value))
        # A flow's category is that of its app; that of a protocol alone says nothing of the app above it.
        return [] if value in self.words.protocols else self.words.categories_of(str(value))

    def covers(self, earlier: Conditions, later: Conditions) -> bool:
        return all(self.holds(kind, wide, later) for kind, wide in earlier.items())

    def holds(self, kind: str, wide: frozenset[object], later: Conditions) -> bool:
        """Whether whatever meets the later rule's conditions meets this one of the earlier rule's."""
        narrow = later.get(kind)
        if kind == "category":
            by = "category" if narrow else "app"
            values = later.get(by, frozenset())
            return bool(values) and all(wide & set(self.categories(by, value)) for value in values)
        if kind == "app" and narrow is None:
            narrow = later.get("protocol")  # a condition on the app is met by the protocol's label too
        if narrow is None:
            return False
        if narrow <= wide:
            return True
        if kind in ("local", "remote"):
            return all(any(_inside(n, w) for w in wide) for n in narrow)
        if kind == "mac":
            return all(any(_begins(n, w) for w in wide) for n in narrow)
        if kind == "port":
            return all(any(_between(n, w) for w in wide) for n in narrow)
        if kind == "host":
            return all(any(p in wide for p in _wider(str(n))) for n in narrow)
        return False


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


def _inside(narrow: object, wide: object) -> bool:
    assert isinstance(narrow, Network) and isinstance(wide, Network)
    return narrow.version == wide.version and wide.bits <= narrow.bits and narrow.within(wide.bits) == wide


def _begins(narrow: object, wide: object) -> bool:
    assert isinstance(narrow, Mac) and isinstance(wide, Mac)
    return wide.bits <= narrow.bits and narrow.within(wide.bits) == wide


def _between(narrow: object, wide: object) -> bool:
    assert isinstance(narrow, tuple) and isinstance(wide, tuple)
    return bool(wide[0] <= narrow[0] and narrow[1] <= wide[1])
