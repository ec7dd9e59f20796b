"""Host lists in the layout of domain-list-community: a folder of files, each a list by its file's name.

A line is `domain:`, `full:` or `keyword:` with its value, or `include:` with another list of the folder.  Behind stand
attributes (`@ads`) and the other lists that have the entry as well (`&other`), whether these have a file or not.
`include:x @a @-b` takes the entries with a and without b.  `regexp:` is skipped.

A list that is a label's own is left out of others' lists that include it: `google` includes `youtube`, and who asks for
both wants them apart.
"""

from __future__ import annotations

import stat
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from dpi.errors import Finding
from dpi.match import hosts
from dpi.match.sources import LONGEST, read_list

DEEPEST = 64  # lists that include each other
WORDS = {"domain": "{}", "full": "={}", "keyword": "*{}*"}  # as `hosts` has them
Entry = tuple[str, frozenset[str]]  # a word of `hosts`, and its attributes
Line = tuple[Path, int, str, list[str]]  # where it stands, its rule, what stands behind


class DomainLists:
    """The lists of folders, each file read once.

    findings: where what is wrong with the lists that are asked for goes.  labels: whose own a list is.
    """

    def __init__(self, findings: list[Finding], labels: Mapping[Path, str]) -> None:
        self._findings = findings
        self._labels = labels
        self._shared: dict[Path, dict[str, list[Line]]] = {}  # by folder and list: the lines that other lists share

    def words(self, path: Path, skipped: list[str]) -> list[str]:
        """The entries of a list as words of `hosts`.  skipped: where what these cannot say is noted.

        Raises UsageError where it, or one that it includes, cannot be read.
        """
        return list(dict.fromkeys(word for word, _ in self._entries(path, skipped, (), {})))

    def _another(self, path: Path, within: tuple[Path, ...]) -> bool:
        """Whether a list is another label's own than the one that is asked for, which `within` begins with."""
        return path in self._labels and self._labels[path] != self._labels.get(within[0])

    def _entries(
        self, path: Path, skipped: list[str], within: tuple[Path, ...], done: dict[Path, list[Entry]]
    ) -> list[Entry]:
        """The entries of a list and of those that it includes, each read once however often it is included."""
        if path in done:
            return done[path]
        found: dict[Entry, None] = {}
        within = (*within, path)
        for line in self._lines(path, within):
            if line[2].startswith("include:"):
                if other := self._included(line, within, skipped):
                    found |= dict.fromkeys(_chosen(self._entries(other, skipped, within, done), line[3]))
            elif entry := self._entry(line, skipped):
                found[entry] = None
        done[path] = list(found)
        return done[path]

    def _lines(self, path: Path, within: tuple[Path, ...]) -> Iterator[Line]:
        """Its own lines, and those that other lists of the folder share with it."""
        if path.parent not in self._shared:
            self._shared[path.parent] = shared(path.parent)
        others = self._shared[path.parent].get(path.name.lower(), [])
        if path.exists() or not others:
            yield from lines(path, read_list(path))
        yield from (line for line in others if line[0] != path and not self._another(line[0], within))

    def _included(self, line: Line, within: tuple[Path, ...], skipped: list[str]) -> Path | None:
        """The list that is meant, None where there may be none or it is another label's."""
        where, number, rule, _ = line
        name = rule.removeprefix("include:")
        other = where.parent / name
        wrong = ""
        if not name or "/" in name or "\0" in name or other in within:
            wrong = "not a list beside this one, or a circle"
        elif self._another(other, within):
            skipped.append(f"{where}:{number}: {rule}: left to {self._labels[other]}")
            return None
        elif len(within) > DEEPEST:
            wrong = f"more than {DEEPEST} lists within each other"
        if wrong:
            self._findings.append(Finding(str(where), number, 1, "", f"{rule}: {wrong}"))
            return None
        return other

    def _entry(self, line: Line, skipped: list[str]) -> Entry | None:
        where, number, rule, behind = line
        kind, colon, value = rule.partition(":")
        if not colon:
            kind, value = "domain", rule
        if kind not in WORDS or (kind == "keyword" and hosts.problem(f"*{value.lower()}*")):
            skipped.append(f"{where}:{number}: {rule}")
            return None
        word = WORDS[kind].format(value.lower())
        if wrong := hosts.problem(word) or ("a * stands here" if kind != "keyword" and "*" in value else ""):
            self._findings.append(Finding(str(where), number, 1, "", f"{value}: {wrong}"))
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
