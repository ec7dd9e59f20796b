"""Who keeps an entry that several labels would have.

What is written by hand comes before what comes from a list, and of lists the one whose source stands first.  So no
list need ever be edited, however those of several upstreams overlap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """Who has an entry, and what says so: FILE:LINE."""

    label: str
    where: str


@dataclass(frozen=True, slots=True)
class Left:
    """An entry of a list that goes to another label, and what says so: FILE:LINE."""

    entry: str
    label: str
    where: str


def claim(words: Iterable[str], by: Held, held: dict[str, Held]) -> tuple[list[str], list[Left]]:
    """The words that a label gets, which are held by it then, and those that it leaves to another.

    What it has already is neither.
    """
    got, left = [], []
    for word in words:
        if word not in held:
            held[word] = by
            got.append(word)
        elif held[word].label != by.label:
            left.append(Left(word, held[word].label, held[word].where))
    return got, left
