"""`dpi bench signatures`: what signatures of bytes cost, by how many there are."""

from __future__ import annotations

import click

from dpi.cli.output import json_option, print_json, print_table


@click.command("signatures")
@click.option("--base", type=click.IntRange(1, 500), default=100, show_default=True, help="Signatures that are 1×.")
@click.option("--rounds", type=click.IntRange(1, 100), default=7, show_default=True, help="The median is printed.")
@json_option
def command(base: int, rounds: int, as_json: bool) -> None:
    """Measure what declared signatures cost a payload that none of them names: none, 1×, 10× and 100× of them."""
    from dpi.bench.signatures import measure

    results = measure(base, rounds)
    if as_json:
        print_json(results)
        return
    print_table([">signatures", ">ns a payload"], [[r["signatures"], r["ns_per_payload"]] for r in results])
