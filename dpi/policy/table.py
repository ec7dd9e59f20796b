"""A list of subscribers as CSV, read into the tree that YAML is read into: so whatever is wrong is found by the same
checks, at its line and column.

    id,tariff,address,mac,parent
    s1001,home-100,10.1.0.7 2001:db8:7::/56,,ap-north-3
    s1002,home-100,,02:11:22:33:44:55,ap-north-3

The first line names the columns, in any order.  `ipv4` and `ipv6` are other words for `address`; `address`, `mac` and
`vlan` may stand in several columns, and a cell of them holds one or many, with blanks between.  Cells are parted by
commas, semicolons or tabs, as the first line is.  Empty lines and lines that begin with # say nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace

from dpi.errors import Finding
from dpi.policy.tree import Mapping, Node, Scalar, Sequence

MAX_BYTES = 64 << 20
COLUMNS = {
    "id": "id",
    "tariff": "tariff",
    "address": "address",
    "ipv4": "address",
    "ipv6": "address",
    "mac": "mac",
    "vlan": "vlan",
    "parent": "parent",
}
KEYS = ("address", "mac", "vlan")  # what a subscriber is known by: one of them is needed
NEEDED = ("id", "tariff")
_WORD = re.compile(r"\S+")

Cell = tuple[int, str]  # where it begins, from 0, and what it says


def read(raw: bytes, file: str, findings: list[Finding]) -> Mapping | None:
    """`subscribers: {entries: …}` of one file; what is wrong goes to `findings`, None where nothing can be read."""
    if len(raw) > MAX_BYTES:
        findings.append(Finding(file, 1, 1, "", f"larger than {MAX_BYTES >> 20} MiB"))
        return None
    lines = raw.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    reader = _Reader(file, findings)
    for number, line in enumerate(lines, 1):
        try:
            text = line.decode("utf-8").rstrip("\r")
        except UnicodeDecodeError as error:
            column = len(line[: error.start].decode("utf-8")) + 1
            findings.append(Finding(file, number, column, "", f"not UTF-8: byte 0x{line[error.start]:02x}"))
            return None
        if text.strip() and not text.startswith("#") and not reader.line(number, text):
            return None
    return reader.root()


class _Reader:
    def __init__(self, file: str, findings: list[Finding]) -> None:
        self.file = file
        self.findings = findings
        self.comma = ","
        self.columns: list[str] = []  # keys of a subscriber
        self.entries: dict[str, tuple[Scalar, Node]] = {}

    def root(self) -> Mapping:
        inner = Mapping(self.file, 1, 1, 0, 0, entries=self.entries)
        for key in ("entries", "subscribers"):
            inner = Mapping(self.file, 1, 1, 0, 0, entries={key: (self.scalar(1, (0, key)), inner)})
        return inner

    def scalar(self, line: int, cell: Cell) -> Scalar:
        return Scalar(self.file, line, cell[0] + 1, 0, 0, text=cell[1], plain=False)

    def plain(self, word: Scalar) -> Scalar:
        """Read as YAML reads it without quotes: a number."""
        return replace(word, plain=True)

    def report(self, line: int, column: int, message: str) -> None:
        self.findings.append(Finding(self.file, line, column + 1, "", message))

    def line(self, number: int, text: str) -> bool:
        """False where nothing more can be read."""
        if self.columns:
            self.row(number, self.cells(number, text))
            return True
        self.comma = next((c for c in (",", ";", "\t") if c in text), ",")
        return self.header(number, self.cells(number, text))

    def header(self, number: int, cells: list[Cell]) -> bool:
        for at, name in cells:
            if name.lower() not in COLUMNS:
                self.report(number, at, f"no column is called {name!r}; there are {', '.join(COLUMNS)}")
            self.columns.append(COLUMNS.get(name.lower(), ""))
        missing = [name for name in NEEDED if name not in self.columns]
        missing += [] if set(KEYS) & set(self.columns) else [KEYS[0]]
        for name in ("id", "tariff", "parent"):
            if self.columns.count(name) > 1:
                self.report(number, 0, f"two columns are called {name}")
                return False
        if missing:
            self.report(number, 0, f"the first line names the columns; {' and '.join(missing)} is missing")
        return not missing

    def row(self, number: int, cells: list[Cell]) -> None:
        if len(cells) > len(self.columns):
            at = cells[len(self.columns)][0]
            self.report(number, at, f"{len(cells)} cells, and {len(self.columns)} columns")
            return
        name: Scalar | None = None
        found: dict[str, tuple[Scalar, Node]] = {}
        keys: dict[str, list[Node]] = {}
        for key, cell in zip(self.columns, cells, strict=False):
            at, text = cell
            if not text or not key:
                continue
            if key == "id":
                name = self.scalar(number, cell)
            elif key in KEYS:
                words = (self.scalar(number, (at + word.start(), word[0])) for word in _WORD.finditer(text))
                keys.setdefault(key, []).extend(self.plain(word) if key == "vlan" else word for word in words)
            else:
                found[key] = (self.scalar(number, (at, key)), self.scalar(number, cell))
        if name is None:
            self.report(number, 0, "a subscriber without an id")
            return
        for key, items in keys.items():
            first = items[0]
            listed = Sequence(self.file, number, first.column, 0, 0, items=items)
            found[key] = (self.scalar(number, (first.column - 1, key)), listed)
        if name.text in self.entries:
            first_line = self.entries[name.text][0].line
            self.report(number, name.column - 1, f"`{name.text}` stands here a second time; first at line {first_line}")
            return
        self.entries[name.text] = (name, Mapping(self.file, number, 1, 0, 0, entries=found))

    def cells(self, number: int, text: str) -> list[Cell]:
        """The cells of a line without their quotes and the blanks around them."""
        if '"' in text:
            return self.quoted(number, text)
        found, at = [], 0
        for part in text.split(self.comma):
            bare = part.strip()
            found.append((at + len(part) - len(part.lstrip()), bare))
            at += len(part) + 1
        return found

    def quoted(self, number: int, text: str) -> list[Cell]:
        """RFC 4180: a cell in quotes may hold the comma, and a quote as two."""
        found: list[Cell] = []
        at = 0
        while at <= len(text):
            begin = at + len(text[at:]) - len(text[at:].lstrip(" "))
            if text[begin : begin + 1] == '"':
                end = re.compile(r'"((?:[^"]|"")*)"[ ]*').match(text, begin)
                if end is None or (end.end() < len(text) and text[end.end()] != self.comma):
                    self.report(number, begin, "this quote does not end before the cell does")
                    return found
                found.append((begin + 1, end[1].replace('""', '"').strip()))
                at = end.end() + 1
            else:
                stop = text.find(self.comma, at)
                stop = len(text) if stop < 0 else stop
                found.append((begin, text[at:stop].strip()))
                at = stop + 1
        return found
