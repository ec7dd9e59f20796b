"""`dpi bench`: measurements, each command a file of its own."""

from __future__ import annotations

import importlib

import click

# name: one line of help; the module is dpi/cli/bench_NAME.py
BENCHES: dict[str, str] = {
    "inline": "What being inline costs, against plain forwarding and a Python callback.",
    "engine": "How fast the engine alone names the flows of a capture.",
    "scale": "What a flow and a packet cost with more signatures, and with more flows.",
    "policy": "What a large policy costs: rules to compile and ask, subscribers to put in force.",
    "signatures": "What signatures of bytes cost, by how many there are.",
}


class Benches(click.Group):
    """Imports a measurement when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(BENCHES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in BENCHES:
            return None
        command: click.Command = importlib.import_module(f"dpi.cli.bench_{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(BENCHES.items()))


@click.command(cls=Benches)
def command() -> None:
    """Measure, with a baseline in the same run."""
