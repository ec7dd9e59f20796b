"""Reads the lists that `sources` name into entries: hosts, prefixes, or whose networks a database has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dpi.errors import Finding, UsageError
from dpi.match import asn
from dpi.match.domain_lists import DomainLists
from dpi.match.prefix_lists import prefix_list, spelled
from dpi.match.sources import Source


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list says.  skipped: what entries cannot say, or it has not, as FILE:LINE: text or FILE: text."""

    words: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)  # why it cannot be taken


class Lists:
    """The lists of all sources.  A host list that is a label's own is left out of others' that include it."""

    def __init__(self, sources: Sequence[Source]) -> None:
        owners: dict[str, list[str]] = {}
        self._databases: dict[Path, dict[Source, Listed] | UsageError] = {}
        self._of_database: dict[Path, list[Source]] = {}
        for source in sources:
            if source.kind == "hosts":
                owners.setdefault(os.path.realpath(source.path), []).append(source.label)
            elif source.owners:
                self._of_database.setdefault(source.path, []).append(source)
        self._hosts = DomainLists(owners)

    def read(self, source: Source) -> Listed:
        """What the list of a source says."""
        try:
            if source.owners:
                return self._announced(source)
            listed = Listed()
            if source.kind == "hosts":
                found = self._hosts.words(source.path, source.label, listed.findings, listed.skipped)
            else:
                found = list(dict.fromkeys(prefix_list(source.path, listed.findings)))
            listed.words.extend(found)
            return listed
        except UsageError as error:
            return Listed(findings=[source.finding(str(error))])

    def with_all_included(self, source: Source) -> list[str]:
        """What a list of hosts would say were no list another label's."""
        return DomainLists({}).words(source.path, source.label, [], [])

    def _announced(self, source: Source) -> Listed:
        """Each database is read once for all.  Raises UsageError."""
        if source.path not in self._databases:
            self._databases[source.path] = self._read(source.path)
        known = self._databases[source.path]
        if isinstance(known, UsageError):
            raise known
        return known[source]

    def _read(self, path: Path) -> dict[Source, Listed] | UsageError:
        wanted = {source: source.owners for source in self._of_database[path] if source.owners}
        skipped: dict[Source, list[str]] = {source: [] for source in wanted}
        try:
            found = asn.announced(path, wanted, skipped)
        except UsageError as error:
            return error
        return {source: Listed(list(map(spelled, found[source])), skipped[source]) for source in wanted}
