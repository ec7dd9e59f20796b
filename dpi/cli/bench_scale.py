"""`dpi bench scale`: whether the cost of a flow and a packet grows with signatures or with flows."""

from __future__ import annotations

import click

from dpi.cli.output import json_option, print_json, print_table, progress


@click.command("scale")
@click.option("--base", type=click.IntRange(1, 5000), default=1000, show_default=True, help="Made-up apps that are 1×.")
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="The median is printed.")
@click.option(
    "--most-flows", type=click.IntRange(1000, 1_000_000), default=1_000_000, show_default=True, help="At a time."
)
@json_option
def command(base: int, rounds: int, most_flows: int, as_json: bool) -> None:
    """Measure what a flow and a packet cost by the number of apps known, and by the number of flows at a time.

    Packets are made in memory, half of the flows TLS, half datagrams.  Apps are made up, with hosts, prefixes and
    signatures of bytes, and known beside the built-in ones: none, 1× and 10×.
    """
    from dpi.bench.scale import measure

    result = measure(base, rounds, most_flows, progress)
    progress("")
    if as_json:
        print_json(result)
        return
    for title, first in (("by signatures", "apps"), ("by flows at a time", None)):
        rows = result["signatures" if first else "flows"]
        print_table([f">{name}" for name in rows[0]], [list(row.values()) for row in rows], title=title)
