"""`dpi quotas`: what subscribers and hosts have used of their quotas, as the running daemon counts it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import click

from dpi.cli.output import json_option, print_json, print_table, size
from dpi.control import call

COLUMNS = ("quota", "account", ">used", ">of", ">share", "", "until")


def rows(accounts: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """A row of COLUMNS for each."""
    return [
        (
            each["quota"],
            each["account"],
            size(each["used"]),
            size(each["volume"]),
            f"{100 * each['share']:.1f} %",
            "used up" if each["over"] else "",
            time.strftime("%Y-%m-%d %H:%M", time.localtime(each["until"])) if each["until"] else "",
        )
        for each in accounts
    ]


@click.group()
def command() -> None:
    """What subscribers and hosts have used of their quotas."""


@command.command("list")
@click.argument("account", required=False)
@click.option("--over", is_flag=True, help="Only what is used up.")
@json_option
def list_(account: str | None, over: bool, as_json: bool) -> None:
    """List what was used, the largest share first; of one ACCOUNT (a subscriber's id, a host's address) or all."""
    answer = call("quotas", account=account)
    found = [each for each in answer["accounts"] if each["over"] or not over]
    if as_json:
        print_json(found)
    else:
        print_table(COLUMNS, rows(found))
    if answer["error"]:
        click.echo(f"it cannot be kept: {answer['error']}", err=True)


@command.command()
@click.argument("account", required=False)
@click.option("--quota", metavar="NAME", help="Of this quota only.")
@click.option("--all", "every", is_flag=True, help="Of all accounts.")
@json_option
def reset(account: str | None, quota: str | None, every: bool, as_json: bool) -> None:
    """Forget what an ACCOUNT has used so far; takes effect at once."""
    if (account is None) != every:
        raise click.UsageError("either an ACCOUNT or --all is needed")
    answer = call("reset_quotas", account=account, quota=quota)
    if as_json:
        print_json(answer)
    else:
        click.echo(answer["message"])
    if not answer["reset"]:
        raise SystemExit(1)
