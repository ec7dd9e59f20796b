"""What a policy is checked against besides itself: the names that traffic can have, and the machine.

Both are plain data that the caller brings, so that this half of the program need not know the other.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Vocabulary:
    """The labels that the signatures and dissectors can give."""

    apps: frozenset[str]
    protocols: frozenset[str]
    categories: frozenset[str]
    category_of: Mapping[str, str] = field(default_factory=dict)  # of an app or protocol


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
