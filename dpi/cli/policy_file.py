"""How commands are told of a policy: FILE, or --config, and --set for what it shall say otherwise; and its plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dpi.policy.check import Checked
    from dpi.policy.plan import Ids, Plan

DEFAULT = Path("/etc/dpi/policy.yaml")
STATE_DIR = Path("/run/dpi")
FILE = click.Path(path_type=Path)

file_argument = click.argument("file", type=FILE, default=DEFAULT)
config_option = click.option(
    "--config",
    type=FILE,
    default=DEFAULT,
    show_default=True,
    help="The policy's main file.",
)
set_option = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="PATH=VALUE",
    help="Say something else than the file, as in interfaces.lan=lan0.  May be given more than once.",
)


def checked_policy(config: Path, sets: tuple[str, ...] = ()) -> Checked:
    """FindingsError with everything that is wrong with it."""
    from dpi.policy.check import check
    from dpi.vocabulary import vocabulary

    return check(config, sets, names=vocabulary)


def plan_here(checked: Checked, known: Ids | None = None) -> Plan:
    """The plan of a policy on this machine."""
    from dpi.policy.compile import compile_policy
    from dpi.policy.names import Machine

    return compile_policy(checked, Machine.here(), known)


def planned(file: Path, sets: tuple[str, ...] = (), known: Ids | None = None) -> Plan:
    """The plan of a policy on this machine; warnings go to stderr."""
    checked = checked_policy(file, sets)
    for warning in checked.warnings:
        click.echo(str(warning), err=True)
    return plan_here(checked, known)


def plan_told(answer: Any) -> Plan:
    """The plan in the daemon's answer to `policy`."""
    from pydantic import TypeAdapter

    from dpi.policy.plan import Plan as Planned

    return TypeAdapter(Planned).validate_python(answer["data"])


def in_force() -> Plan | None:
    """The plan of the running daemon; None where none runs."""
    from dpi.control import call, socket_path

    return plan_told(call("policy")) if socket_path().exists() else None
