"""What one list of entries has of another's: the same entry, or one that another holds.

A host entry is held by its parent's; of prefixes that overlap each has a part of the other.  Patterns, and masks with
gaps, are held by themselves alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_network, summarize_address_range

from dpi.match.prefix_lists import spelled
from dpi.match.sources import Kind

Range = tuple[int, int]  # the first address and the last


def lost(kind: Kind, before: Collection[str], after: Collection[str]) -> int:
    """How many entries there were of which a later list has nothing any more."""
    gone = set(before).difference(after)
    if kind == "hosts":
        held_by = set(after)
        return sum(not any(holders(entry, held_by)) for entry in gone)
    ranges = Ranges(after)
    return sum(not ranges.touch(entry) for entry in gone)


def without(kind: Kind, entries: Collection[str], excluded: Collection[str]) -> tuple[list[str], set[str]]:
    """The entries less what is excluded, and those excluded of which they had nothing."""
    if kind == "hosts":
        kept, idle, out = [], set(excluded), set(excluded)
        for entry in entries:
            by = list(holders(entry, out))
            idle.difference_update(by)
            if not by:
                kept.append(entry)
        return kept, idle
    away, there = Ranges(excluded), Ranges(entries)
    idle = {each for each in excluded if not there.touch(each)}
    return [piece for entry in entries for piece in away.cut(entry)], idle


def holders(entry: str, words: Collection[str]) -> Iterator[str]:
    """Those of the words of `hosts` that hold all that an entry stands for."""
    if entry in words:
        yield entry
    name = entry.removeprefix("*.").removeprefix("=")
    if "*" in name or "=" in name:
        return
    if name != entry and name in words:
        yield name
    while "." in name:
        name = name.partition(".")[2]
        for word in (name, f"*.{name}"):
            if word in words:
                yield word


class Ranges:
    """The addresses of prefixes, as few ranges as say the same."""

    def __init__(self, prefixes: Iterable[str]) -> None:
        self._words: set[str] = set()  # that are no range
        found: dict[int, list[Range]] = {4: [], 6: []}
        for prefix in prefixes:
            if place := _range(prefix):
                found[place[0]].append(place[1])
            else:
                self._words.add(prefix)
        self._firsts: dict[int, list[int]] = {4: [], 6: []}
        self._lasts: dict[int, list[int]] = {4: [], 6: []}
        for version, ranges in found.items():
            firsts, lasts = self._firsts[version], self._lasts[version]
            for first, last in sorted(ranges):
                if lasts and first <= lasts[-1] + 1:
                    lasts[-1] = max(last, lasts[-1])
                else:
                    firsts.append(first)
                    lasts.append(last)

    def touch(self, prefix: str) -> bool:
        """Whether they have a part of it."""
        place = _range(prefix)
        return any(True for _ in self._within(*place)) if place else prefix in self._words

    def cut(self, prefix: str) -> list[str]:
        """What is left of a prefix without them: itself, or the prefixes of the rest."""
        place = _range(prefix)
        if not place:
            return [] if prefix in self._words else [prefix]
        version, (start, end) = place
        taken = list(self._within(version, (start, end)))
        if not taken:
            return [prefix]
        pieces = []
        for first, last in [*taken, (end + 1, end + 1)]:
            if start < first:
                pieces += _prefixes(version, start, first - 1)
            start = max(start, last + 1)
        return pieces

    def _within(self, version: int, place: Range) -> Iterator[Range]:
        """Their ranges that overlap with one."""
        firsts, lasts = self._firsts[version], self._lasts[version]
        at = bisect_left(lasts, place[0])
        while at < len(firsts) and firsts[at] <= place[1]:
            yield firsts[at], lasts[at]
            at += 1


def _range(prefix: str) -> tuple[int, Range] | None:
    """The kind of its addresses, and these; None of a mask with gaps."""
    try:
        network = ip_network(prefix)
    except ValueError:
        return None
    return network.version, (int(network.network_address), int(network.broadcast_address))


def _prefixes(version: int, first: int, last: int) -> list[str]:
    if version == 4:
        return list(map(spelled, summarize_address_range(IPv4Address(first), IPv4Address(last))))
    return list(map(spelled, summarize_address_range(IPv6Address(first), IPv6Address(last))))
