"""dpi apps update: writes the host and prefix lists of signature files anew from the lists that they name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dpi.cli.output import json_option, print_json
from dpi.cli.signatures import signatures_option

if TYPE_CHECKING:
    from dpi.match.lists import Change

SHOWN = 5  # entries of a change that are named


@click.command("update")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@signatures_option
@click.option("--dry-run", is_flag=True, help="Tell what would change, and write nothing.")
@json_option
def command(files: tuple[Path, ...], folders: tuple[Path, ...], dry_run: bool, as_json: bool) -> None:
    """Write the lists of signature files anew from their `sources`, and tell what changed.

    A source is a local file: a list of hosts as domain-list-community has them, one of prefixes, or a database of
    autonomous systems in MaxMind's format (GeoLite2-ASN).  Each file is written whole or not at all, and only if it
    is right with the new lists.
    """
    from dpi.match.lists import update

    changes: list[tuple[Path, Change]] = []
    try:
        for file in files:
            changes += [(file, change) for change in update(file, list(folders), write=not dry_run)]
    finally:  # what was written before a file that is wrong is told, too
        _tell(changes, as_json)


def _tell(changes: list[tuple[Path, Change]], as_json: bool) -> None:
    if as_json:
        print_json([{"file": str(file)} | dataclasses.asdict(change) for file, change in changes])
        return
    for file, change in changes:
        what = f"{len(change.added)} added, {len(change.removed)} removed, {change.total} in all"
        click.echo(f"{file}: {change.label} {change.kind}: {what}")
        for sign, words in (("+", change.added), ("-", change.removed)):
            if words:
                more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
                click.echo(f"  {sign} {' '.join(words[:SHOWN])}{more}")
        for entry in change.skipped:
            click.echo(f"  skipped {entry}")
