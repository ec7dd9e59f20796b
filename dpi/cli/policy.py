"""`dpi policy`: ask what a policy says, whether it is right, and what it would change."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dpi.errors import Finding

FILE = click.Path(path_type=Path)
DEFAULT_FILE = "/etc/dpi/policy.yaml"

file_argument = click.argument("file", type=FILE, default=DEFAULT_FILE)
set_option = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="PATH=VALUE",
    help="Say something else than the file, as in interfaces.lan=lan0.  May be given more than once.",
)


@click.group()
def command() -> None:
    """Check, plan, apply and show policies."""


@command.command()
@file_argument
@set_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--here", is_flag=True, help="Also look whether this machine has the interfaces.")
def check(file: Path, sets: tuple[str, ...], form: str, here: bool) -> None:
    """Say everything that is wrong with a policy, as FILE:LINE:COL: message.

    Exits 0 where nothing is, 2 otherwise.  Warnings are printed and do not count.
    """
    from dpi.policy.check import inspect
    from dpi.policy.names import Machine
    from dpi.vocabulary import vocabulary

    checked, findings = inspect(file, sets, names=vocabulary, machine=Machine.here() if here else None)
    if form == "json":
        click.echo(json.dumps([as_json(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(str(finding))
    if checked is None:
        raise SystemExit(2)


def as_json(finding: Finding) -> dict[str, object]:
    """A finding for machines."""
    return {
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "path": finding.path,
        "message": finding.message,
        "severity": "warning" if finding.warning else "error",
    }


@command.command()
def schema() -> None:
    """Print the JSON Schema of policies, for editors."""
    from dpi.policy.schema import text

    click.echo(text(), nl=False)
