"""What a policy is checked against besides itself: the names that traffic can have, and the machine.

Both are plain data that the caller brings, so that this half of the program need not know the other.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property


@dataclass(frozen=True)
class Vocabulary:
    """The labels that the signatures and dissectors can give."""

    apps: frozenset[str]
    protocols: frozenset[str]
    categories: Mapping[str, str | None]  # and the category that each is within
    category_of: Mapping[str, str] = field(default_factory=dict)  # of an app or protocol

    @cached_property
    def labels(self) -> frozenset[str]:
        """Apps and protocols."""
        return self.apps | self.protocols

    def categories_of(self, label: str) -> list[str]:
        """A label's category and those that it is within, the narrowest first."""
        return self.within(self.category_of.get(label))

    def within(self, category: str | None) -> list[str]:
        """A category and those that it is within, the narrowest first."""
        found: list[str] = []
        while category is not None and category not in found:
            found.append(category)
            category = self.categories.get(category)
        return found


@dataclass(frozen=True)
class Machine:
    """Facts about the box that the plan depends on."""

    cores: int
    interfaces: frozenset[str] | None = None  # None: not known, so not checked

    @classmethod
    def here(cls) -> Machine:
        """This one, in this network namespace."""
        cores = len(os.sched_getaffinity(0))
        return cls(cores, frozenset(name for _, name in socket.if_nameindex()))
