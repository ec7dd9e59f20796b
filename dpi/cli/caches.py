"""`dpi caches`: how the running daemon's caches are, what they serve, and which get no new connections."""

from __future__ import annotations

from typing import Any

import click

from dpi.cli.output import ago, duration, json_option, print_json, print_table, size
from dpi.control import call


@click.group()
def command() -> None:
    """List caches and what they serve; drain one, or let it serve again."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the caches, and what they serve of each app.

    Served is what went to the cache in clients' place, filled what it fetched itself through this box. On-net is what
    caches served of an app, off-net all else of it.
    """
    answer = call("caches")
    if as_json:
        print_json(answer)
        return
    if not answer["caches"]:
        click.echo("the policy has no caches")
        return
    print_caches(answer["caches"])
    print_table(
        ["app", ">on-net", ">off-net", ">offload", "by"],
        [
            (
                row["app"],
                size(row["on_net"]),
                size(row["off_net"]),
                "" if row["offload_ratio"] is None else f"{row['offload_ratio']:.1%}",
                ", ".join(f"{name} {size(count)}" for name, count in row["caches"].items()),
            )
            for row in answer["apps"]
        ],
        title="\napps",
    )


@command.command("drain")
@click.argument("name")
def drain(name: str) -> None:
    """Give a cache no new connections.

    NAME is a cache, or CACHE/MEMBER. Connections that it has finish there; its clients' new ones go to the other
    members, or the normal way. It stays so until `dpi caches resume`, also when the daemon starts again.
    """
    _change(name, drained=True)


@command.command("resume")
@click.argument("name")
def resume(name: str) -> None:
    """Give a cache new connections again."""
    _change(name, drained=False)


def _change(name: str, *, drained: bool) -> None:
    for each in call("drain", name=name, drained=drained)["caches"]:
        click.echo(f"cache {each}: {'drained, no new connections' if drained else 'gets new connections'}")


def print_caches(rows: list[dict[str, Any]]) -> None:
    print_table(
        ["cache", "state", "since", ">clients", ">destinations", ">answers", ">packets", ">served", ">filled", "last"],
        [
            (
                row["name"],
                row["state"] + (", drained" if row["drained"] else ""),
                duration(row["since"]),
                f"{row['share']:.0%}",
                row["destinations"],
                row["answered"] or "",
                row["packets"],
                size(row["bytes"]),
                size(row["fill_bytes"]),
                ago(row["last_hit"]),
            )
            for row in rows
        ],
        title="\ncaches",
    )
