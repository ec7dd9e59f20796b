"""How commands print: tables for people, JSON for programs, plain text where it is not a terminal."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def json_option(function: F) -> F:
    """`--json` for a command that prints."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, default=str))


def is_terminal() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def progress(what: str) -> None:
    """A word on how far it is, in the place of the last one; nothing where standard error is no terminal."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{what}", nl=False, err=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> None:
    """One row a line.  A column whose name starts with `>` is set to the right."""
    names = [c.lstrip(">") for c in columns]
    right = [c.startswith(">") for c in columns]
    cells = [["" if v is None else str(v) for v in row] for row in rows]
    if is_terminal():
        from rich.console import Console
        from rich.table import Table

        table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
        for name, to_right in zip(names, right, strict=True):
            table.add_column(name, justify="right" if to_right else "left", overflow="fold")
        for row in cells:
            table.add_row(*row)
        Console().print(table)
        return
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    if title:
        click.echo(title)
    for row in [names, *cells]:
        line = (v.rjust(w) if r else v.ljust(w) for v, w, r in zip(row, widths, right, strict=True))
        click.echo("  ".join(line).rstrip())


def rate(bits: float) -> str:
    """Bits a second in tc's units."""
    for unit, size in (("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3)):
        if bits >= size:
            return f"{bits / size:.3g}{unit}"
    return f"{bits:.0f}bit"


def size(count: float) -> str:
    """Bytes in powers of 1,000."""
    for unit, step in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= step:
            return f"{count / step:.1f} {unit}"
    return f"{count:.0f} B"


def duration(seconds: float) -> str:
    """Seconds as the two largest units that are not zero."""
    left = int(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= length or (unit == "s" and not parts):
            parts.append(f"{left // length} {unit}")
            left %= length
    return " ".join(parts[:2])


def end(address: str, port: int) -> str:
    """One end of a flow: `10.0.0.5:443`, `[fd00::5]:443`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def ago(when: float | None) -> str:
    """How long ago a Unix time is; empty where there is none."""
    return "" if when is None else f"{duration(max(time.time() - when, 0))} ago"
