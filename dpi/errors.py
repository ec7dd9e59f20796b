"""What can go wrong above the loop, each with the exit code that the CLI ends with.

Below the loop nothing is raised: faults are counted there.
"""

from __future__ import annotations

from typing import NamedTuple


class DpiError(Exception):
    """Something failed: exit code 1."""

    exit_code = 1


class UsageError(DpiError):
    """The user's input is wrong (a file, an argument): exit code 2."""

    exit_code = 2


class CaptureError(UsageError):
    """A capture, or a part of it, cannot be read.  Its text starts with `FILE:OFFSET: `, or with `FILE: ` where packets
    have a link type that nothing reads."""


class Finding(NamedTuple):
    """One thing wrong with a file of the user's, as `FILE:LINE:COL: path: message`.

    A warning does not keep the file from being used.
    """

    file: str
    line: int
    column: int
    path: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        kind = "warning: " if self.warning else ""
        return f"{self.file}:{self.line}:{self.column}: {where}{kind}{self.message}"


class FindingsError(UsageError):
    """A file of the user's is wrong in one or more places; every finding at once, warnings behind what is wrong."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = sorted(findings, key=lambda each: (each.warning, each))
        super().__init__("\n".join(map(str, self.findings)))


class KernelError(DpiError):
    """The kernel refused a step, or lacks a feature.  Says which step and why."""
