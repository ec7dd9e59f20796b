"""`dpi apps update` as the tests of its sources call it, and what a file then holds."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from dpi.cli.apps import command
from dpi.match.labels import Evidence
from dpi.match.signatures import load


def run(*arguments: str) -> str:
    """What it prints.  Raises what it raises."""
    result = CliRunner().invoke(command, ["update", *arguments])
    if result.exception:
        raise result.exception
    return result.output


def entries(file: Path, slug: str, kind: Evidence) -> set[str]:
    signatures = load([file])
    return {entry.text for entry in signatures.entries(signatures.by_slug[slug], kind)}
