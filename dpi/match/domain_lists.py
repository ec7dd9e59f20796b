"""Host lists in the layout of domain-list-community: a folder of files, each a list by its file's name.

A line is `domain:`, `full:` or `keyword:` with its value, or `include:` with another list of the folder.  Behind stand
attributes (`@ads`) and the other lists that have the entry as well (`&other`), whether these have a file or not.
`include:x @a @-b` takes the entries with a and without b.  `regexp:` is skipped.

A list that is a label's own is left out of others' lists that include it: `google` includes `youtube`, and who asks for
both wants them apart.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dpi.errors import Finding, UsageError
from dpi.match import hosts
from dpi.match.sources import LONGEST, read_list

NAME_MAX = 255  # bytes of a file's name
DEEPEST = 64  # lists that include each other
WORDS = {"domain": "{}", "full": "={}", "keyword": "*{}*"}  # as `hosts` has them
Entry = tuple[str, frozenset[str]]  # a word of `hosts`, and its attributes
Line = tuple[Path, int, str, list[str]]  # where it stands, its rule, what stands behind


class DomainLists:
    """The lists of folders.  labels: whose own a list is, by its real path."""

    def __init__(self, labels: Mapping[str, Sequence[str]]) -> None:
        self._labels = labels
        self._shared: dict[Path, dict[str, list[Line]]] = {}  # by folder and list: the lines that other lists share

    def words(self, path: Path, label: str, findings: list[Finding], skipped: list[str]) -> list[str]:
        """The entries of a list, for a label, as words of `hosts`.

        findings: where what is wrong with it, and with what it includes, goes.  skipped: where what words cannot say,
        and what is left to another label, is noted.  Raises UsageError where the list itself cannot be read.
        """
        return list(dict.fromkeys(word for word, _ in _Reading(self, label, findings, skipped).entries(path, (), {})))

    def owner(self, path: Path, label: str) -> str | None:
        """The other label whose own a list is; None where it is nobody's, or this one's too."""
        owners = self._labels.get(os.path.realpath(path), ())
        return owners[0] if owners and label not in owners else None

    def shared(self, path: Path) -> list[Line]:
        """The lines that other lists of its folder share with a list."""
        if path.parent not in self._shared:
            self._shared[path.parent] = shared(path.parent)
        return [line for line in self._shared[path.parent].get(path.name.lower(), []) if line[0] != path]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One list being read for a label, with those that it includes."""

    lists: DomainLists
    label: str
    findings: list[Finding]
    skipped: list[str]

    def entries(self, path: Path, within: tuple[Path, ...], done: dict[Path, list[Entry]]) -> list[Entry]:
        """The entries of a list and of those that it includes, each read once however often it is included.

        Raises UsageError where the list itself cannot be read.
        """
        if path in done:
            return done[path]
        found: dict[Entry, None] = {}
        within = (*within, path)
        for line in self._lines(path):
            if line[2].startswith("include:"):
                found |= dict.fromkeys(self._included(line, within, done))
            elif entry := self._entry(line):
                found[entry] = None
        done[path] = list(found)
        return done[path]

    def _lines(self, path: Path) -> Iterator[Line]:
        """Its own lines, and those that other lists of the folder share with it."""
        others = self.lists.shared(path)
        if not others or path.exists():
            yield from lines(path, read_list(path))
        yield from (line for line in others if not self.lists.owner(line[0], self.label))

    def _included(self, line: Line, within: tuple[Path, ...], done: dict[Path, list[Entry]]) -> Iterator[Entry]:
        """The entries of the list that a line includes: none where it is another label's, or wrong."""
        where, number, rule, behind = line
        name = rule.removeprefix("include:")
        other = where.parent / name
        wrong = ""
        if not name or len(name.encode()) > NAME_MAX or "/" in name or "\0" in name or other in within:
            wrong = "not a list beside this one, or a circle"
        elif owner := self.lists.owner(other, self.label):
            self.skipped.append(f"{where}:{number}: {rule}: left to {owner}")
        elif len(within) > DEEPEST:
            wrong = f"more than {DEEPEST} lists within each other"
        else:
            try:
                yield from _chosen(self.entries(other, within, done), behind)
            except UsageError as error:
                wrong = str(error)
        if wrong:
            self.findings.append(Finding(str(where), number, 1, "", f"{rule}: {wrong}"))

    def _entry(self, line: Line) -> Entry | None:
        where, number, rule, behind = line
        kind, colon, value = rule.partition(":")
        if not colon:
            kind, value = "domain", rule
        if kind not in WORDS or (kind == "keyword" and hosts.problem(f"*{value.lower()}*")):
            self.skipped.append(f"{where}:{number}: {rule}")
            return None
        word = WORDS[kind].format(value.lower())
        if wrong := hosts.problem(word) or ("a * stands here" if kind != "keyword" and "*" in value else ""):
            self.findings.append(Finding(str(where), number, 1, "", f"{value}: {wrong}"))
        return word, frozenset(each[1:] for each in behind if each.startswith("@"))


def lines(path: Path, text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        rule, *behind = line.partition("#")[0].split() or [""]
        if rule:
            yield path, number, rule, behind


def shared(folder: Path) -> dict[str, list[Line]]:
    """The lines of a folder's files that name other lists, by these.  What is no list there is passed over."""
    found: dict[str, list[Line]] = defaultdict(list)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            about = path.stat()
            data = path.read_bytes() if stat.S_ISREG(about.st_mode) and about.st_size <= LONGEST else b""
            text = data.decode("utf-8-sig") if b" &" in data else ""
        except (OSError, UnicodeDecodeError):
            continue
        for line in lines(path, text):
            if all(each[:1] in ("@", "&") for each in line[3]):
                for each in line[3]:
                    if each.startswith("&"):
                        found[each[1:].lower()].append(line)
    return found


def _chosen(entries: list[Entry], behind: list[str]) -> Iterator[Entry]:
    """Those with each attribute that is asked for, and none that is asked away."""
    marks = {each[1:] for each in behind if each.startswith("@")}
    need = {each for each in marks if not each.startswith("-")}
    for word, has in entries:
        if need <= has and not any(each[1:] in has for each in marks - need):
            yield word, has
