"""`dpi policy`: ask what a policy says, whether it is right, and what it would change."""

from __future__ import annotations

import os
import time
from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpi.cli import policy_simulate, policy_versions
from dpi.cli.output import json_option, print_json
from dpi.cli.policy_file import FILE, STATE_DIR, file_argument, in_force, planned, set_option
from dpi.cli.policy_versions import span
from dpi.cli.session import force_option, guarded
from dpi.errors import Finding, UsageError

if TYPE_CHECKING:
    from dpi.policy.diff import Change


@click.group()
def command() -> None:
    """Check, plan, apply and show policies."""


for elsewhere in (
    policy_versions.confirm,
    policy_versions.history,
    policy_versions.rollback,
    policy_versions.wait,
    policy_simulate.simulate,
):
    command.add_command(elsewhere)


@command.command()
@file_argument
@set_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="One line a finding, or a JSON list.",
)
@click.option("--here", is_flag=True, help="Also look whether this machine has the interfaces.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
def check(file: Path, sets: tuple[str, ...], form: str, here: bool, strict: bool) -> None:
    """Say everything that is wrong with a policy, as FILE:LINE:COL: message.

    Exits 0 where nothing is, 2 otherwise.  Warnings (rules that can never match, rates that do not add up) are printed
    and do not count, unless --strict is said.
    """
    from dpi.policy.check import inspect
    from dpi.policy.names import Machine
    from dpi.vocabulary import vocabulary

    checked, findings = inspect(file, sets, names=vocabulary, machine=Machine.here() if here else None)
    if form == "json":
        print_json([finding_json(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(str(finding))
    if checked is None or (strict and findings):
        raise SystemExit(2)
    if form == "text":
        policy = checked.policy
        parts = (counted(policy.rules, "rule"), counted(policy.classes, "class"), counted(policy.caches, "cache"))
        click.echo(f"{file}: right: {', '.join(parts)}")


def counted(things: Sized, word: str) -> str:
    """`1 rule`, `2 classes`."""
    plural = word if len(things) == 1 else word + ("es" if word.endswith("s") else "s")
    return f"{len(things)} {plural}"


def finding_json(finding: Finding) -> dict[str, object]:
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
@file_argument
@set_option
@json_option
def show(file: Path, sets: tuple[str, ...], as_json: bool) -> None:
    """Print what a policy comes to: classes as a tree, rules in order, caches, marks."""
    from dpi.policy.show import data, words

    plan = planned(file, sets)
    if as_json:
        print_json(data(plan))
    else:
        click.echo(words(plan), nl=False)


@command.command()
@click.argument("before", type=FILE)
@click.argument("after", type=FILE)
@json_option
def diff(before: Path, after: Path, as_json: bool) -> None:
    """Print what changes from one policy to another.  Exits 0 also where something does."""
    from dpi.policy.diff import diff as compare

    old = planned(before)
    _print_changes(compare(old, planned(after, known=old.ids)), as_json)


@command.command()
@file_argument
@set_option
@click.option(
    "--from", "before", type=FILE, help="Compare with this policy; default: what the running daemon has in force."
)
@click.option(
    "--kernel/--no-kernel",
    default=None,
    help="Also read the kernel and list what applying would do to it.  Needs root; default: where root.",
)
@json_option
def plan(file: Path, sets: tuple[str, ...], before: Path | None, kernel: bool | None, as_json: bool) -> None:
    """Print what a policy would change, without changing it.

    Where no daemon runs and no other policy is given, all of it is new.
    """
    from dpi.policy.diff import diff as compare
    from dpi.policy.show import conditions_of

    old = planned(before) if before else in_force()
    new = planned(file, sets, old.ids if old else None)
    changes = compare(old, new)
    said = list(conditions_of(new, time.time()))
    if not as_json:
        _print_changes(changes, False)
        for line in said:
            click.echo(line)
    operations = None
    if kernel or (kernel is None and os.geteuid() == 0):
        from dpi.enforce import plan_operations

        operations = plan_operations(new.kernel, state_dir=STATE_DIR)
    if as_json:
        listed = None if operations is None else [operation.to_json() for operation in operations]
        told = [change.to_json() for change in changes]
        print_json({"hash": new.hash, "changes": told, "conditions": said, "kernel": listed})
        return
    if operations is not None:
        click.echo("\nin the kernel:" if operations else "\nin the kernel: nothing to do")
        for operation in operations:
            click.echo(f"  {operation}")


@command.command()
@click.argument("file", type=FILE, required=False)
@set_option
@click.option(
    "--confirm",
    metavar="TIME",
    callback=span,
    help="Undo it after this time unless `dpi policy confirm` is said; default: as the policy in force says.",
)
@click.option("--comment", default="", metavar="TEXT", help="What for; `dpi policy history` shows it.")
@force_option
@json_option
def apply(
    file: Path | None, sets: tuple[str, ...], confirm: float | None, comment: str, force: bool, as_json: bool
) -> None:
    """Put a policy in force through the running daemon, all of it or nothing.

    Without FILE, the daemon reads its own again.  FILE stays in force, over restarts too, until the daemon's own files
    change.  Flows keep their labels, classes their counters.  What would cut the session in which this is typed, or one
    of sshd's, is refused.
    """
    from dpi.control import call

    extra: dict[str, Any] = {"confirm": confirm, "comment": comment, **guarded(force)}
    if file is None:
        if sets:
            raise UsageError("--set needs the policy's file beside it")
        answer = call("apply", **extra)
    else:
        planned(file, sets)  # what is wrong is told here, with the paths as they were typed
        answer = call("apply", config=str(file.absolute()), sets=list(sets), **extra)
    if as_json:
        print_json(answer)
        return
    for operation in answer["operations"]:
        click.echo(operation["words"])
    for note in answer["notes"]:
        click.echo(note)
    click.echo(answer["message"])


@command.command()
def schema() -> None:
    """Print the JSON Schema of policies, for editors."""
    from dpi.policy.schema import text

    click.echo(text(), nl=False)


def _print_changes(changes: list[Change], as_json: bool) -> None:
    if as_json:
        print_json([change.to_json() for change in changes])
        return
    for change in changes:
        click.echo(str(change))
    if not changes:
        click.echo("nothing changes")
