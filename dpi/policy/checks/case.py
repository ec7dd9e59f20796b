"""What a check is given, and where it puts what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dpi.errors import Finding
from dpi.policy.load import Document, Path_
from dpi.policy.model.policy import Policy
from dpi.policy.names import Machine, Vocabulary


@dataclass
class Case:
    """The policy as far as its parts are right by themselves.

    `broken` names the top-level keys of which something was left out because it is not, and `partial` the named
    things that lost an unknown key; what may be missing only for that reason is not reported.  Names are looked
    up in the document, so that a wrong class is not reported as unknown too.
    """

    document: Document
    policy: Policy
    vocabulary: Vocabulary | None
    machine: Machine | None
    broken: set[str] = field(default_factory=set)
    partial: set[Path_] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    # A day before now by ISO 8601: what ended earlier is over wherever one is.
    today: str = field(default_factory=lambda: (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S"))

    def error(self, path: Path_, message: str, *, key: bool = False) -> None:
        self.findings.append(self.document.finding(path, message, key=key))

    def warn(self, path: Path_, message: str, *, key: bool = False) -> None:
        self.findings.append(self.document.finding(path, message, key=key, warning=True))

    def named(self, section: str) -> list[str]:
        return self.document.names(section)
