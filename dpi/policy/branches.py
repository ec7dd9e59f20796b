"""Numbers for sites and subscribers: which tree each is in, and its minors there.

An HTB qdisc numbers classes with 16 bits, and a device its qdiscs.  A branch takes 1 << `bits` minors in a row, so that
the kernel finds the class of a packet by one OR: the branch's first minor, and the class's offset.  As long as all
fit, they are in the link's own tree; else they are spread over trees of their own, and what is behind one site stays
together, since one qdisc must hold it to the site's rate.  A number once given is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

FIRST_MINOR = 0x400  # below are the link's classes
LAST_BESIDE = 0x7FFF  # in the link's tree: a leaf has its class's minor for its handle, above are the kernel's own
LAST_ALONE = 0xFDFF  # above are the link, and its classes that stand for the trees
MOST_TREES = 127
MOST_SHARES = 15


def bits(shares: int) -> int:
    """How many bits of a minor are the class's; at least 3 where there are shares, so that some can be added."""
    return max(3, shares.bit_length()) if shares else 0


def every_bit(shares: Sequence[tuple[str, int]]) -> int:
    """The bits of a branch's number that are a class's; a branch without shares has them all set.

    `shares`: as SubscriberPlan has them.
    """
    return (1 << bits(max((offset for _, offset in shares), default=0))) - 1


@cache
def room(tree: int, width: int) -> int:
    """How many branches a tree has numbers for."""
    return sum(1 for _ in _minors(tree, width))


def numbered(
    groups: Sequence[Sequence[str]], width: int, known: Mapping[str, int], spread: int = 1
) -> tuple[dict[str, int], int]:
    """Numbers (tree << 16 | first minor) by name, and how many trees there are beside the link's own.

    A group stays together; each has room in a tree (checks/subscribers.py).  Where the link's own does not do, who is
    new is spread over `spread` trees or more: what a class takes to make goes by how many its tree has.
    """
    total = sum(map(len, groups))
    alone = total > room(0, width)
    enough = -(-total // spread)  # in a tree, while there are fewer than `spread`
    allowed = {tree: frozenset(_minors(tree, width)) for tree in {0, *(n >> 16 for n in known.values())}}
    kept = {
        name: n
        for name, n in known.items()
        if (n >> 16 > 0) == alone and n >> 16 <= MOST_TREES and n & 0xFFFF in allowed[n >> 16]
    }
    given: dict[str, int] = {}
    waiting: dict[int, list[str]] = {}
    left: dict[int, int] = {}
    homes: list[tuple[int | None, Sequence[str]]] = []
    for group in groups:
        home = next((kept[name] >> 16 for name in group if name in kept), None)
        homes.append((home, group))
    for home, group in sorted(homes, key=lambda each: each[0] is None):  # who has a tree goes first
        crowded = enough if len(left) < spread else None
        tree = _tree(home, len(group), left, width, alone, crowded)
        left[tree] -= len(group)
        for name in group:
            if name in kept and kept[name] >> 16 == tree:
                given[name] = kept[name]
            else:
                waiting.setdefault(tree, []).append(name)
    taken = set(given.values())
    for tree, names in waiting.items():
        free = (tree << 16 | minor for minor in _minors(tree, width) if tree << 16 | minor not in taken)
        given.update(zip(names, free, strict=False))
    return given, max(left) if alone else 0


def _tree(home: int | None, size: int, left: dict[int, int], width: int, alone: bool, crowded: int | None) -> int:
    """Its own, else the one with most room, else a new one.  `crowded`: how many are too many for another group."""
    if not alone:
        return left.setdefault(0, room(0, width)) * 0
    if home is not None and left.setdefault(home, room(home, width)) >= size:
        return home
    tree = max(left, key=lambda t: (left[t], -t), default=None)
    if tree is None or left[tree] < size or (crowded and room(tree, width) - left[tree] + size > crowded):
        tree = next(t for t in range(1, MOST_TREES + 1) if t not in left)
        left[tree] = room(tree, width)
    return tree


def _minors(tree: int, width: int) -> Iterator[int]:
    """First minors of all branches that a tree has room for."""
    last = LAST_ALONE if tree else LAST_BESIDE
    for minor in range(FIRST_MINOR, last + 1, 1 << width):
        if minor >> 8 != tree:  # there its root has its handle
            yield minor
