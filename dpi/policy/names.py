"""What a policy is checked against besides itself: the names that traffic can have, and the machine.

Both are plain data that the caller brings, so that this half of the program need not know the other.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from dpi.policy.plan import Interface


@dataclass(frozen=True)
class Vocabulary:
    """The labels that the signatures and dissectors can give, and the kinds of devices."""

    apps: frozenset[str]
    protocols: frozenset[str]
    categories: Mapping[str, str | None]  # and the category that each is within
    category_of: Mapping[str, str] = field(default_factory=dict)  # of an app or protocol
    devices: frozenset[str] = frozenset()  # kinds of them

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
    vlans: Mapping[str, int] = field(default_factory=dict)  # by device, of those that are one

    @classmethod
    def here(cls) -> Machine:
        """This one, in this network namespace."""
        cores = len(os.sched_getaffinity(0))
        return cls(cores, frozenset(name for _, name in socket.if_nameindex()), dict(_vlans()))

    def with_also(self, interfaces: Iterable[Interface]) -> Machine:
        """With interfaces that are known to come and go."""
        known = {i.name: i.vlan for i in interfaces}
        vlans = {name: vlan for name, vlan in known.items() if vlan}
        return replace(self, interfaces=(self.interfaces or frozenset()) | set(known), vlans={**vlans, **self.vlans})


def _vlans() -> Iterator[tuple[str, int]]:
    """`eth0.100  | 100  | eth0`, behind two lines of headings; there is no file where there are no VLANs."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/thread-self/net/vlan/config").read_text().splitlines()[2:]:
            cells = line.split("|")
            if len(cells) == 3 and cells[1].strip().isdecimal():
                yield cells[0].strip(), int(cells[1])
