"""How values are spelled where records are lines of text: JSON, comma-separated values, or a table's cells.

lines.pyx asks here once for what comes again and again (labels, methods) and for what is rare (a name with odd
characters); what is plain it copies.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

# What a spreadsheet takes for the beginning of a formula, also where letters are wide (OWASP, "CSV Injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Style(NamedTuple):
    """A kind of line.  Texts that are plain ASCII stand between `quote` and `quote`."""

    spell: Callable[[Any], str]
    quote: str
    head: Callable[[Sequence[str]], str]  # what stands above the lines with these fields
    before: Callable[[int, str], str]  # what stands in front of a field's value: of its number in the line and name
    end: str


_json = json.JSONEncoder(ensure_ascii=False).encode  # json.dumps() makes one for each value


def _csv(value: Any) -> str:
    """Text that would be a formula has a ' before it, by which spreadsheets know text.  Numbers stay numbers."""
    if value is None or value in ("", []):
        return ""
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str) and value.startswith(FORMULA):
        value = "'" + value
    import csv  # few want it

    cell = io.StringIO()
    csv.writer(cell).writerow([" ".join(value) if isinstance(value, list) else value])
    return cell.getvalue()[:-2]


def _table(value: Any) -> str:
    """What a name may hold must not move the terminal's cursor, nor part a cell in two."""
    if value is None or value in ("", []):
        return "-"
    text = " ".join(value) if isinstance(value, list) else str(value)
    return text if text.isprintable() else "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


STYLES: dict[str, Style] = {
    "jsonl": Style(_json, '"', lambda _: "", lambda n, name: f'{", " if n else "{"}"{name}": ', "}\n"),
    "csv": Style(_csv, "", lambda names: ",".join(names) + "\n", lambda n, _: "," if n else "", "\n"),
    "table": Style(_table, "", lambda names: "\t".join(names) + "\n", lambda n, _: "\t" if n else "", "\n"),
}
