"""dpi apps test: the captures that a signature file names, and whether their flows are named as it says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpi.cli.output import json_option, print_json
from dpi.cli.regular_file import need_file
from dpi.cli.signatures import signatures_option
from dpi.errors import UsageError

if TYPE_CHECKING:
    from dpi.captures import Captures
    from dpi.match.expect import CaptureTest, Expectation
    from dpi.record.fields import FlowRecord


@click.command("test")
@click.argument("file", type=click.Path(path_type=Path))
@signatures_option
@json_option
def command(file: Path, folders: tuple[Path, ...], as_json: bool) -> None:
    """Run the captures in a signature file's `tests` and tell which are named as it says.

    The file is read after the built-in signatures and the folders given.  The exit code is 1 where a capture is not
    named so, 2 where the file or a capture cannot be read.
    """
    from dpi.captures import Captures
    from dpi.match.signatures import load, with_file

    need_file(file)
    signatures = load(with_file(folders, file))
    tests = [test for test in signatures.tests if Path(test.where.rsplit(":", 2)[0]).resolve() == file.resolve()]
    if not tests:
        raise UsageError(f"{file}: has no `tests`")
    captures = Captures(signatures, max_flows=1 << 18)
    results = [_run(captures, test) for test in tests]
    if as_json:
        print_json(results)
    else:
        for result in results:
            click.echo("\n".join(_lines(result)))
    if any(result["error"] for result in results):
        sys.exit(2)
    sys.exit(0 if all(result["passed"] for result in results) else 1)


def _run(captures: Captures, test: CaptureTest) -> dict[str, Any]:
    """{"capture", "where", "passed", "flows", "error", "missed": [{"where", "wanted", "count", "found"}]}"""
    records: list[FlowRecord] = []
    error = None
    try:
        need_file(test.capture)
        records.extend(captures.classify(test.capture))
    except (UsageError, OSError) as fault:
        error = f"{test.where}: {fault}"
    missed = []
    for each in test.flows:
        found = sum(_agrees(each, record) for record in records)
        if not each.count[0] <= found <= each.count[1]:
            missed.append({"where": each.where, "wanted": each.fields, "count": each.count, "found": found})
    return {
        "capture": str(test.capture),
        "where": test.where,
        "passed": not missed and error is None,
        "flows": len(records),
        "error": error,
        "missed": [] if error else missed,
    }


def _agrees(wanted: Expectation, record: FlowRecord) -> bool:
    values = record.as_dict()
    return all(text == ("none" if values[name] is None else str(values[name])) for name, text in wanted.fields.items())


def _lines(result: dict[str, Any]) -> list[str]:
    if result["error"]:
        return [result["error"]]
    lines = [f"{'pass' if result['passed'] else 'FAIL'}  {result['capture']}  ({_counted((result['flows'],) * 2)})"]
    for miss in result["missed"]:
        wanted = ", ".join(f"{name}: {text}" for name, text in miss["wanted"].items())
        lines.append(f"      {miss['where']}: {{{wanted}}}: {_counted(miss['count'])} wanted, {miss['found']} there")
    return lines


def _counted(count: tuple[int, int]) -> str:
    low, high = count
    if low == high:
        return f"{low} flows" if low != 1 else "1 flow"
    return f"{low} or more" if high >= 1_000_000 else f"{low} to {high} flows"
