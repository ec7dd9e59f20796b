"""Reads `sources` of a signature file: lists that others keep, and which labels they are for.

`dpi apps update` reads the lists (update.py); for all else their paths are only checked for being paths.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from dpi.errors import Finding, UsageError
from dpi.match import addresses, hosts
from dpi.match.nodes import Nodes, Pair
from dpi.match.words import SourceFile, Words

Kind = Literal["hosts", "prefixes"]
KINDS: tuple[Kind, ...] = ("hosts", "prefixes")
DATABASE = ".mmdb"
_KEYS = (*KINDS, "asn", "organisations", "except")
LONGEST = 64 << 20  # bytes of a list
_WORDS_MAX = 10_000
_NUMBER = re.compile(r"(?:AS)?(\d{1,10})", re.A | re.I)
_NUMBER_MAX = 0xFFFFFFFF  # RFC 6793


@dataclass(frozen=True, slots=True)
class Owners:
    """Autonomous systems, by number or by the name of who runs them, where `*` stands for any characters or none."""

    numbers: tuple[int, ...] = ()
    organisations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """One list for one label.  owners: it is a database, and these systems' prefixes are meant; None: a text.

    file, line, column: where it is named.  excluded: the entries of its kind that the label does not take, by the
    line on which each stands.
    """

    label: str
    kind: Kind
    path: Path
    file: str
    line: int
    column: int
    owners: Owners | None = None
    excluded: tuple[tuple[str, int], ...] = ()

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"

    def finding(self, message: str) -> Finding:
        return Finding(self.file, self.line, self.column, f"sources.{self.label}.{self.kind}", message)


def check_size(path: Path, most: int) -> None:
    """Raises UsageError where reading a list would not end, or it has more than `most` bytes."""
    try:
        about = path.stat()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if stat.S_ISDIR(about.st_mode):
        raise UsageError(f"{path}: Is a directory")
    if not stat.S_ISREG(about.st_mode):
        raise UsageError(f"{path}: not a file")
    if about.st_size > most:
        raise UsageError(f"{path}: has more than {most >> 20} MiB, which no list has")


def read_list(path: Path) -> str:
    """The text of a list, or of a file that has sources.  Raises UsageError where it is none, or too long."""
    check_size(path, LONGEST)
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 at byte {error.start}") from error


def label_sources(
    nodes: Nodes,
    words: Callable[[SourceFile, yaml.Node, str], Words],
    file: SourceFile,
    slug: str,
    node: yaml.Node,
) -> list[Source]:
    """The lists of one label.  A path is relative to the file.  words: reads words as all of the file's are."""
    where = f"sources.{slug}"
    pairs = nodes.mapping(file, node, where, _KEYS)
    owners = _owners(nodes, file, pairs, where)
    excluded: dict[Kind, list[tuple[str, int]]] = {kind: [] for kind in KINDS}
    if "except" in pairs:
        _exclude(nodes, words(file, pairs["except"].value, f"{where}.except"), f"{where}.except", excluded)
    found = []
    for kind in KINDS:
        if kind not in pairs:
            continue
        value = pairs[kind].value
        text = nodes.text(file, value, f"{where}.{kind}")
        if not text or "\0" in text:
            nodes.finding(file, value, f"{where}.{kind}", "a file's path is needed here")
        if kind == "prefixes" and text.endswith(DATABASE) and owners is None:
            nodes.finding(file, value, f"{where}.{kind}", "of a database, `asn` or `organisations` say whose networks")
        path, mark = Path(file.path).parent / text, value.start_mark
        whose = owners if kind == "prefixes" else None
        out = tuple(excluded[kind])
        found.append(Source(slug, kind, path, file.path, mark.line + 1, mark.column + 1, whose, out))
    if owners is not None and "prefixes" not in pairs:
        nodes.finding(file, node, where, "`asn` and `organisations` choose from the database that `prefixes` names")
    return found


def _exclude(nodes: Nodes, words: Words, path: str, into: dict[Kind, list[tuple[str, int]]]) -> None:
    """Entries are told apart by how they are spelled: what is no prefix has to be a host."""
    for place, word in enumerate(words.words):
        if not addresses.problem(word):
            into["prefixes"].append((word, words.lines[place]))
        elif not hosts.problem(word):
            into["hosts"].append((word, words.lines[place]))
        else:
            nodes.finding_at(words.file, *words.spot(place), path, f"{word}: neither an entry of hosts nor a prefix")


def _owners(nodes: Nodes, file: SourceFile, pairs: dict[str, Pair], where: str) -> Owners | None:
    if not pairs.keys() & {"asn", "organisations"}:
        return None
    numbers: list[int] = []
    names: list[str] = []
    if "asn" in pairs:
        for item in _scalars(nodes, file, pairs["asn"].value, f"{where}.asn"):
            for word in nodes.text(file, item, f"{where}.asn").split():
                found = _NUMBER.fullmatch(word)
                if found and 0 < int(found[1]) <= _NUMBER_MAX:
                    numbers.append(int(found[1]))
                else:
                    nodes.finding(file, item, f"{where}.asn", f"{word}: not the number of an autonomous system")
    if "organisations" in pairs:
        for item in _scalars(nodes, file, pairs["organisations"].value, f"{where}.organisations"):
            name = nodes.text(file, item, f"{where}.organisations")
            if not name.strip("* "):
                nodes.finding(file, item, f"{where}.organisations", "an organisation's name is needed here")
            names.append(name)
    return Owners(tuple(dict.fromkeys(numbers)), tuple(dict.fromkeys(names)))


def _scalars(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str) -> list[yaml.Node]:
    return [node] if isinstance(node, yaml.ScalarNode) else nodes.items(file, node, path, _WORDS_MAX)
