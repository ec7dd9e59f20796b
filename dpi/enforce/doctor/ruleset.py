"""What others' firewall rules do that concerns us: marks, queues, offloading, priorities.

nftables is read as JSON, iptables as iptables-save prints it (nft's JSON hides what iptables' extensions do).  Both
become `Rule`s with effects.  A mark is followed bit by bit: which bits a rule can change, what it puts there, and
which it asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ALL = 0xFFFFFFFF
MarkOf = Literal["packet", "connection"]


@dataclass(frozen=True)
class MarkWrite:
    """`mark = …`: which bits may change, which of them may become 1, which come from the other mark."""

    of: MarkOf
    bits: int
    ones: int
    copied: int = 0


@dataclass(frozen=True)
class MarkMatch:
    """Which bits are asked for, and which of them are asked to be 1 (all, where that is not known)."""

    of: MarkOf
    bits: int
    ones: int


@dataclass(frozen=True)
class QueueUse:
    """Packets are sent to the queues `first` to `last`."""

    first: int
    last: int


@dataclass(frozen=True)
class Plainly:
    """An effect that has no details."""

    kind: Literal["flowtable", "priority", "untracked", "clamp", "unreadable"]


Effect = MarkWrite | MarkMatch | QueueUse | Plainly


@dataclass(frozen=True)
class Rule:
    where: str  # for people
    show: str  # the command that shows it
    hooks: frozenset[str]  # from which it can be reached; empty: not known
    effects: tuple[Effect, ...]

    def at(self, *hooks: str) -> bool:
        """Whether it may be reached from one of these hooks."""
        return not self.hooks or bool(self.hooks & set(hooks))

    @property
    def local_only(self) -> bool:
        """Only what the box itself sends or gets comes here."""
        return bool(self.hooks) and self.hooks <= {"input", "output"}


@dataclass(frozen=True)
class Dropping:
    """A base chain that drops what no rule accepts."""

    where: str
    hook: str


@dataclass
class Ruleset:
    rules: list[Rule] = field(default_factory=list)
    flowtables: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)  # (where, devices)
    dropping: list[Dropping] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # what could not be read

    def having(self, kind: str) -> list[Rule]:
        return [r for r in self.rules if any(isinstance(e, Plainly) and e.kind == kind for e in r.effects)]

    def extend(self, other: Ruleset) -> None:
        self.rules += other.rules
        self.flowtables += other.flowtables
        self.dropping += other.dropping
        self.faults += other.faults
