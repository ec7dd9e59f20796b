"""`dpi bench policy`: what thousands of rules and subscribers cost."""

from __future__ import annotations

import os
import signal

import click

from dpi.cli.bench_inline import end
from dpi.cli.output import json_option, print_json, print_table, progress
from dpi.errors import DpiError


@click.command("policy")
@click.option("--rules", type=click.IntRange(1, 16_000), default=10_000, show_default=True)
@click.option("--subscribers", type=click.IntRange(1, 50_000), default=20_000, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Medians are printed.")
@click.option(
    "--limit",
    type=click.FloatRange(1, 86_400),
    default=120.0,
    show_default=True,
    help="Seconds that putting in force may take; where it would take longer, fewer subscribers are measured.",
)
@click.option(
    "--queues",
    type=click.Choice(["auto", "on-demand", "all"]),
    default="auto",
    show_default=True,
    help="Whether subscribers have classes from the start, as the policy's key `queues`.",
)
@click.option(
    "--awake",
    type=click.IntRange(1, 50_000),
    default=500,
    show_default=True,
    help="On demand: how many have classes while the rest is measured.",
)
@json_option
def command(rules: int, subscribers: int, rounds: int, limit: float, queues: str, awake: int, as_json: bool) -> None:
    """Measure compiling a policy, asking its rules, putting it in force, and forwarding through it.

    Each subscriber has four classes in each direction.  Happens in network namespaces made for it; but the kernel has
    one lock for network configuration, so do not run it beside anything that matters.
    """
    from dpi.bench.policy import measure

    if os.geteuid() != 0:
        raise DpiError("dpi bench policy: root is needed (network namespaces)")
    signal.signal(signal.SIGTERM, end)

    result = measure(rules, subscribers, rounds, limit, progress, queues=queues, awake=awake)
    progress("")
    if as_json:
        print_json(result)
        return
    click.echo(f"compile   {result['compile_s']} s ({result['compile_cpu_s']} s of CPU)")
    for count, took in result["rule_lookups"].items():
        click.echo(f"look-up   {took} µs among {int(count):,} rules")
    rows = result["applied"]
    print_table([f">{name}" for name in rows[0]], [list(row.values()) for row in rows])
    if result["left_out"]:
        click.echo(result["left_out"])
