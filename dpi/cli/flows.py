"""dpi flows: what the running daemon knows of the flows that pass."""

from __future__ import annotations

import json

import click

from dpi.cli.output import end, json_option, print_table, size
from dpi.cli.selection import selection_options
from dpi.control import call


@click.command("flows")
@selection_options
@click.option("--class", "class_", help="Only flows in this class.")
@click.option("--risky", is_flag=True, help="Only flows with a risk, the highest score first.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 1_000_000), help="At most so many.")
@json_option
def command(
    apps: tuple[str, ...],
    categories: tuple[str, ...],
    hosts: tuple[str, ...],
    ports: tuple[str, ...],
    class_: str | None,
    risky: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Flows that the running daemon knows, the busiest first.  With --json: one flow a line.

    \b
    dpi flows --category video --host 10.0.0.0/24
    dpi flows --app @unnamed --port udp/443
    """
    flows = call(
        "flows", apps=apps, categories=categories, hosts=hosts, ports=ports, class_=class_, risky=risky, limit=limit
    )
    if as_json:
        for flow in flows:
            click.echo(json.dumps(flow))
        return
    print_table(
        ["l4", "from", "to", "app", "protocol", "name", "method", ">conf", "class", ">up", ">down", "kernel", "risks"],
        [
            (
                f["l4"],
                end(f["src"], f["sport"]),
                end(f["dst"], f["dport"]),
                f["app"],
                f["protocol"],
                f["hostname"],
                f["method"],
                f"{f['confidence']:.2f}",
                f["class"],
                size(f["bytes_up"]),
                size(f["bytes_down"]),
                "yes" if f["offloaded"] else "",
                " ".join(f["risks"]),
            )
            for f in flows
        ],
    )
