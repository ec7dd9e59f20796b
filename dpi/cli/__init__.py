"""The command `dpi`: one file a command, found by its name, imported when it is asked for.

A command module `dpi/cli/NAME.py` holds a click command or group called `command`.  Its help's first line
stands in COMMANDS so that `dpi --help` imports nothing.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys

import click

from dpi import __version__
from dpi.errors import DpiError

# name: one line of help, in the order of `dpi --help`
COMMANDS: dict[str, str] = {
    "classify": "Name the flows of capture files.",
    "run": "Run inline: classify, shape and steer what passes.",
    "demo": "Build the lab, run real traffic through it and check what came out.",
    "policy": "Check, plan, apply and show policies.",
    "rules": "List and edit the rules of a policy.",
    "subscribers": "List subscribers, and edit or replace their lists.",
    "caches": "List caches and what they serve; drain one, or let it serve again.",
    "quotas": "What subscribers and hosts have used of their quotas.",
    "devices": "The devices of the LAN, and what kinds they are.",
    "apps": "List what can be named, try a name, and test signature files.",
    "status": "How the running daemon does.",
    "flows": "Flows that the running daemon knows.",
    "top": "Apps, hosts and classes by rate, live.",
    "why": "Explain how a flow, name or address was named and what was decided.",
    "doctor": "Look for what could keep dpi from working here.",
    "lab": "A small internet in network namespaces, for tries and tests.",
    "bench": "Measure, with a baseline in the same run.",
    "completion": "Print the shell completion script.",
    "man": "Write the man pages.",
}


class Commands(click.Group):
    """Finds dpi/cli/NAME.py for `dpi NAME`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"dpi.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dpi")
def dpi() -> None:
    """Names, shapes and steers the traffic that passes a Linux router."""


def main() -> None:
    """Runs the CLI: exit 0, 1 when something failed, 2 when the input was wrong."""
    _prepare_output()
    try:
        try:
            dpi(prog_name="dpi", standalone_mode=True)
        finally:
            sys.stdout.flush()
    except DpiError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # a reader that has gone wants no word
            click.echo(f"{error.filename or _place(error)}: {error.strerror or error}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what its buffer still has goes nowhere
        sys.exit(1)


def _prepare_output() -> None:
    """What cannot be spelt in the terminal's character set is printed as its number, and to a closed output nothing."""
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _place(error: OSError) -> str:
    """Where a fault is whose file has no name: a full disk is met where something is printed."""
    return "standard output" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "dpi"
