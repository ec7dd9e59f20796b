"""`dpi policy confirm|history|rollback|wait`: the versions of the policy in force, and the way back."""

from __future__ import annotations

import time
from typing import Any

import click

from dpi.cli.output import json_option, print_json, print_table
from dpi.cli.session import force_option, guarded
from dpi.control import call
from dpi.errors import DpiError, UsageError
from dpi.policy import units


def span(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """An option's time as policies spell it, in seconds."""
    if value is None:
        return None
    try:
        return units.seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command()
@json_option
def confirm(as_json: bool) -> None:
    """Keep the change that was applied with --confirm.

    Exits 1 where none waits: it was confirmed already, or undone.
    """
    _say(call("confirm"), as_json)


@click.command()
@json_option
def history(as_json: bool) -> None:
    """List the policies that were in force, oldest first: who put them there, when, what for.

    Each is a policy file of its own: `dpi policy show`, `diff` and `plan` read it.
    """
    versions = call("history")
    if as_json:
        print_json(versions)
        return
    print_table(
        [">version", "in force since", "who", "hash", "comment", "file"],
        [
            (
                f"{'* ' if v['in_force'] else ''}{v['number']}",
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(v["time"])),
                v["who"],
                v["hash"],
                v["comment"],
                v["file"],
            )
            for v in versions
        ],
    )


@click.command()
@click.argument("version", type=click.IntRange(min=1), required=False)
@force_option
@json_option
def rollback(version: int | None, force: bool, as_json: bool) -> None:
    """Put an earlier version in force; without VERSION the one before.

    It stays, over restarts too, until the daemon's own files change or `dpi policy apply` puts them in force.
    """
    _say(call("rollback", number=version, **guarded(force)), as_json)


@click.command()
@click.argument("hash_", metavar="HASH")
@click.option(
    "--timeout", metavar="TIME", callback=span, default="60s", show_default=True, help="How long to wait, as in 2min."
)
def wait(hash_: str, timeout: float) -> None:
    """Wait until the policy with this hash is in force.

    For scripts that push files: `dpi policy plan --json` tells the hash.  Exits 1 when a reload fails or time is over;
    what went wrong is on stderr.
    """
    if len(hash_) < 8 or hash_.strip("0123456789abcdef"):
        raise UsageError(f"{hash_!r} is no hash of a policy: at least eight of its digits, as `dpi status` shows them")
    begun, deadline = time.time(), time.monotonic() + timeout
    while True:
        status = call("status")
        if status["policy_hash"].startswith(hash_):
            click.echo(f"policy {status['policy_hash']} is in force")
            return
        reload = status["reload"]
        if reload and not reload["ok"] and reload["time"] >= begun:
            raise DpiError(f"policy {status['policy_hash']} stays in force: {reload['message']}")
        if time.monotonic() > deadline:
            raise DpiError(f"policy {status['policy_hash']} is still in force after {units.seconds_text(timeout)}")
        time.sleep(0.2)


def _say(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    for note in answer.get("notes", ()):
        click.echo(note)
    click.echo(answer["message"])
