"""How commands are told of which policy: FILE, and --set for what it shall say otherwise."""

from __future__ import annotations

from pathlib import Path

import click

DEFAULT = Path("/etc/dpi/policy.yaml")
FILE = click.Path(path_type=Path)

file_argument = click.argument("file", type=FILE, default=DEFAULT)
set_option = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="PATH=VALUE",
    help="Say something else than the file, as in interfaces.lan=lan0.  May be given more than once.",
)
