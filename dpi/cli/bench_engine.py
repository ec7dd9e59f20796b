"""`dpi bench engine`: how fast the engine alone names the flows of a capture."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dpi.errors import CaptureError


@click.command("engine")
@click.argument("capture", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="The median is printed.")
@click.option(
    "--max-flows", type=click.IntRange(1, 1 << 28), default=1 << 20, show_default=True, help="Flows kept at a time."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(capture: Path, rounds: int, max_flows: int, as_json: bool) -> None:
    """Measure how fast the engine names the flows of CAPTURE.

    The packets are in memory; one thread decodes, tracks and names all of them, as often as --rounds says.  Of a
    capture that is damaged, or has packets that are not read, the others are measured; it is reported, and the exit
    code is 2.
    """
    from dpi.bench.engine import measure
    from dpi.capture.pcapfile import Capture

    with Capture(capture) as opened:
        result = measure(opened, rounds, max_flows)
        warning = opened.warning
    if as_json:
        click.echo(json.dumps(result))
    else:
        for name, value in result.items():
            spelled = "-" if value is None else f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"
            click.echo(f"{name:22} {spelled:>14}")
    if warning:
        raise CaptureError(warning)
