"""`dpi bench inline`: what being inline costs, against plain forwarding and a Python callback."""

from __future__ import annotations

import json
import os
import signal
from types import FrameType
from typing import Any

import click

from dpi.cli.output import progress
from dpi.errors import DpiError


@click.command("inline")
@click.option("--rounds", type=click.IntRange(1, 100), default=5, show_default=True, help="Medians are printed.")
@click.option("--seconds", type=click.FloatRange(0.5, 60), default=2.0, show_default=True, help="That each load lasts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(rounds: int, seconds: float, as_json: bool) -> None:
    """Measure plain forwarding, this program with offload and with every packet queued, and a Python callback.

    Everything happens in network namespaces made for it, between a client, a router and a server on this machine,
    whose CPUs they share: compare the columns, not the numbers with those of other machines.
    """
    from dpi.bench.inline import measure

    if os.geteuid() != 0:
        raise DpiError("dpi bench inline: root is needed (network namespaces, queues)")
    signal.signal(signal.SIGTERM, end)
    result = measure(rounds, seconds, say=progress)
    progress("")
    click.echo(json.dumps(result, indent=2) if as_json else table(result))


def end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)  # so that what was made is removed


def table(result: dict[str, Any]) -> str:
    """One line a measurement, one column a router; then the ratios."""
    from dpi.bench.inline import MEASURES, VARIANTS

    lines = [f"{'':20}" + "".join(f"{v.replace('_', ' '):>17}" for v in VARIANTS)]
    for key in MEASURES:
        values = [result[v][key] for v in VARIANTS]
        lines.append(f"{key:20}" + "".join(f"{'-' if v is None else f'{v:,.2f}':>17}" for v in values))
    lines.append("")
    for key, value in result["ratios"].items():
        lines.append(f"{key:28}{'-' if value is None else f'{value:.2f}':>9}")
    lines.append(f"{'stolen by the hypervisor':28}{result['stolen']:>9.2%}")
    return "\n".join(lines)
