"""The form of a check, the table of all of them, and how they are run.

A check never keeps another from running: what it may not read is said as a note, and even a fault of its own is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from dpi.enforce.doctor.box import Box, CannotLookError
from dpi.errors import DpiError

Level = Literal["ok", "note", "warning", "error"]
LEVELS: tuple[Level, ...] = ("ok", "note", "warning", "error")


@dataclass(frozen=True)
class Found:
    """What a check says of one thing.  `why` only where it is another than the check's own."""

    level: Level
    text: str
    fix: str = ""
    why: str = ""


def ok(text: str) -> Found:
    return Found("ok", text)


def note(text: str, fix: str = "", why: str = "") -> Found:
    return Found("note", text, fix, why)


def warning(text: str, fix: str = "", why: str = "") -> Found:
    return Found("warning", text, fix, why)


def error(text: str, fix: str = "", why: str = "") -> Found:
    return Found("error", text, fix, why)


@dataclass(frozen=True)
class Diagnosis:
    """One line of the report: what was looked at, what is so, why it matters, how it is put right (a command)."""

    level: Level
    check: str
    looked_at: str
    found: str
    why: str
    fix: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


Look = Callable[[Box], Iterator[Found]]


@dataclass(frozen=True)
class Check:
    """`looks_at` and `why` are the words of the report and of docs/reference/doctor.md."""

    name: str
    looks_at: str
    why: str
    look: Look
    needs_policy: bool

    def run(self, box: Box) -> list[Diagnosis]:
        try:
            found = list(self.look(box))
        except CannotLookError as fault:
            found = [note(f"not looked at: {fault}")]
        except (DpiError, OSError) as fault:
            found = [note(f"could not be looked at: {fault}")]
        except Exception as fault:  # the report goes on without it
            found = [warning(f"the check itself failed: {type(fault).__name__}: {fault}")]
        return [Diagnosis(f.level, self.name, self.looks_at, f.text, f.why or self.why, f.fix) for f in found]


_entered: dict[str, Check] = {}


def check(name: str, looks_at: str, why: str, *, needs_policy: bool = False) -> Callable[[Look], Look]:
    """Enters a function into the table."""

    def enter(look: Look) -> Look:
        assert name not in _entered, f"two checks are called {name}"
        _entered[name] = Check(name, looks_at, why, look, needs_policy)
        return look

    return enter


def entered(module: str) -> list[Check]:
    """The checks of a module, in the order in which they stand there."""
    return [check for check in _entered.values() if check.look.__module__ == module]
