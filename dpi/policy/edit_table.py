"""Edits a CSV list of subscribers: a row that changes keeps its other cells, all other lines are as they were."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dpi.errors import UsageError
from dpi.policy.subscriber_entries import Changes, Entry, canonical_all, entries, parsed
from dpi.policy.table import COLUMNS

HEADER = "id,tariff,address,parent"
BOM = "\ufeff"


class TableText:
    """The text of one list.  Raises FindingsError where it cannot be read as one."""

    def __init__(self, text: str, file: str) -> None:
        from pathlib import Path

        self.file = Path(file)
        self.mark = BOM if text.startswith(BOM) else ""
        text = text.removeprefix(BOM)
        if not any(_says(line) for line in text.split("\n")):
            text += ("" if not text or text.endswith("\n") else "\n") + HEADER + "\n"
        self.known = entries(parsed(text.encode("utf-8"), self.file))
        self.lines = text.split("\n")  # the last one is what stands behind the last break
        self.at = next(i for i, line in enumerate(self.lines) if _says(line))
        header = self.lines[self.at]
        self.ending = "\r" if header.endswith("\r") else ""
        self.comma = next((c for c in (",", ";", "\t") if c in header), ",")
        self.columns = [cell.strip().strip('"').lower() for cell in self._cells(header.rstrip("\r"))]

    def edited(self, changes: Changes) -> str:
        """The text with these changes."""
        for column in ("mac", "vlan", "parent"):
            if any(entry and getattr(entry, column) for entry in changes.values()) and column not in self.columns:
                self.columns.append(column)
                self.lines[self.at] = self.lines[self.at].rstrip("\r") + f"{self.comma}{column}{self.ending}"
        here = self.columns.index("id")
        result: list[str] = []
        for number, line in enumerate(self.lines):
            if number <= self.at or not _says(line):
                result.append(line)
                continue
            cells = self._cells(line.rstrip("\r"))
            name = _bare(cells[here]) if here < len(cells) else ""
            entry = changes.get(name, self.known.get(name))
            if entry is None:
                continue
            if name in changes and entry.same() != self.known[name].same():
                line = self._row(name, cells, entry) + ("\r" if line.endswith("\r") else "")
            result.append(line)
        new = [self._row(name, [], e) + self.ending for name, e in changes.items() if e and name not in self.known]
        if new:
            last = [] if result[-1] == "" else [result.pop() + self.ending]  # a file without a break at its end
            result = [*(result[:-1] if not last else result), *last, *new, ""]
        text = "\n".join(result)
        self._verify(text, changes)
        return self.mark + text

    def _row(self, name: str, cells: list[str], entry: Entry) -> str:
        cells = cells + [""] * (len(self.columns) - len(cells))
        before = self.known.get(name)
        said = {"id": name, "tariff": entry.tariff, "parent": entry.parent or ""}
        for number, column in enumerate(self.columns):
            if column in said and _bare(cells[number]) != said[column]:
                cells[number] = said[column]
        for kind, keys in entry.keys().items():
            if before is None or canonical_all(before.keys()[kind]) != canonical_all(keys):
                for number, words in self._places(kind, keys, cells).items():
                    cells[number] = " ".join(words)
        while len(cells) > 1 and not cells[-1] and COLUMNS[self.columns[len(cells) - 1]] != "parent":
            cells.pop()
        return self.comma.join(cells)

    def _places(self, kind: str, keys: tuple[str, ...], cells: list[str]) -> dict[int, list[str]]:
        """What a subscriber is known by, by column: where it stands, else where its kind does, addresses by family."""
        columns = [n for n, column in enumerate(self.columns) if COLUMNS[column] == kind]
        found: dict[int, list[str]] = {n: [] for n in columns}
        was = {word: n for n in columns for word in _bare(cells[n]).split()}
        for key in keys:
            wanted = ("ipv6" if ":" in key else "ipv4", "address") if kind == "address" else (kind,)
            place = was.get(key)
            if place is None:
                place = next((n for word in wanted for n in columns if self.columns[n] == word), None)
            if place is None:
                raise UsageError(f"{self.file}:{self.at + 1}: there is no column for {key}; add {wanted[0]}")
            found[place].append(key)
        return found

    def _cells(self, line: str) -> list[str]:
        """As they are written, with quotes and blanks."""
        return list(_raw_cells(line, self.comma)) if '"' in line else line.split(self.comma)

    def _verify(self, text: str, changes: Changes) -> None:
        """Refuses a text that does not say just what was meant."""
        wanted = {name: e for name in self.known if (e := changes.get(name, self.known[name])) is not None}
        wanted |= {name: e for name, e in changes.items() if e is not None}
        found = entries(parsed(text.encode("utf-8"), self.file))
        if {n: e.same() for n, e in found.items()} != {n: e.same() for n, e in wanted.items()}:
            raise UsageError(f"{self.file}: cannot be edited by lines here; edit it by hand")


def _raw_cells(line: str, comma: str) -> Iterator[str]:
    quoted = re.compile(r' *"(?:[^"]|"")*" *')
    at = 0
    while at <= len(line):
        match = quoted.match(line, at)
        stop = match.end() if match else line.find(comma, at)
        stop = len(line) if stop < 0 else stop
        yield line[at:stop]
        at = stop + 1


def _bare(cell: str) -> str:
    cell = cell.strip()
    return cell[1:-1].replace('""', '"').strip() if cell.startswith('"') else cell


def _says(line: str) -> bool:
    """Whether the line is more than blank or a comment, as table.py has it."""
    return bool(line.strip()) and not line.startswith("#")
