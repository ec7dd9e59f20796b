"""dpi apps update: writes the host and prefix lists of signature files anew from the lists that they name."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dpi.cli.output import json_option, print_json
from dpi.cli.signatures import signatures_option
from dpi.errors import FindingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dpi.match.update import Change

SHOWN = 5  # entries of a change that are named


@click.command("update")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@signatures_option
@click.option("--force", is_flag=True, help="Also take lists that have lost more than half of what they had.")
@click.option("--dry-run", is_flag=True, help="Tell what would change, and write nothing.")
@json_option
def command(files: tuple[Path, ...], folders: tuple[Path, ...], force: bool, dry_run: bool, as_json: bool) -> None:
    """Write the lists of signature files anew from their `sources`, and tell what changed.

    A source is a local file: a list of hosts as domain-list-community has them, one of prefixes, or a database of
    autonomous systems in MaxMind's format (GeoLite2-ASN).  The files are looked at together and with the rest of their
    folders: nothing is written that would not load.  A list that cannot be taken leaves its label as it was; the others
    are updated, and the exit code is 2.
    """
    from dpi.match.update import update

    changes, findings = update(files, folders, force=force, write=not dry_run)
    if as_json:
        print_json([dataclasses.asdict(change) for change in changes])
    else:
        _tell(changes)
    if findings:
        raise FindingsError(findings)


def _tell(changes: Sequence[Change]) -> None:
    for change in changes:
        what = f"{len(change.added):,} added, {len(change.removed):,} removed, {change.total:,} in all"
        click.echo(f"{change.file}: {change.label} {change.kind}: {'' if change.taken else 'not taken: '}{what}")
        for sign, words in (("+", change.added), ("-", change.removed)):
            if words:
                more = f" and {len(words) - SHOWN:,} more" if len(words) > SHOWN else ""
                click.echo(f"  {sign} {' '.join(words[:SHOWN])}{more}")
        for left in change.left[:SHOWN]:
            click.echo(f"  {left.entry}: {left.label} keeps it, not {change.label} ({left.where})")
        if len(change.left) > SHOWN:
            click.echo(f"  and {len(change.left) - SHOWN:,} more that others keep")
        for entry in change.skipped:
            click.echo(f"  skipped {entry}")
