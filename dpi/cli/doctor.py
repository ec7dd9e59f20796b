"""dpi doctor: look for what could keep dpi from working here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dpi.cli.output import is_terminal, json_option, print_json

if TYPE_CHECKING:
    from dpi.enforce.doctor import Finding
    from dpi.policy.plan import KernelPlan

DEFAULT = Path("/etc/dpi/policy.yaml")
STATE = Path("/run/dpi")
SIGNS = {"ok": ("ok", "green"), "note": ("note", "cyan"), "warning": ("warning", "yellow"), "error": ("error", "red")}


@click.command("doctor")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help=f"Look with this policy's eyes; default: {DEFAULT}, where it is.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="PATH=VALUE", help="Say something else than the file; repeatable."
)
@click.option("--quiet", "-q", is_flag=True, help="Leave out what is well.")
@json_option
def command(config: Path | None, sets: tuple[str, ...], quiet: bool, as_json: bool) -> None:
    """Look for what could keep dpi from working here: the kernel's features, marks that others use,
    reverse-path filtering, forwarding, conntrack, queues, interfaces and their offloads.

    Changes nothing.  Needs root.  Exits 1 where something is an error, 0 otherwise.
    """
    from dpi.enforce.doctor import examine

    findings = examine(_plan(config, sets), state_dir=STATE)
    shown = [f for f in findings if not (quiet and f.level == "ok")]
    if as_json:
        print_json([f.to_json() for f in shown])
    else:
        for finding in shown:
            _print(finding)
        counts = {level: sum(f.level == level for f in findings) for level in SIGNS}
        click.echo(", ".join(f"{n} {level}" for level, n in counts.items() if n))
    if any(f.level == "error" for f in findings):
        raise SystemExit(1)


def _plan(config: Path | None, sets: tuple[str, ...]) -> KernelPlan | None:
    """The policy's plan; None where none was named and there is none in the usual place."""
    if config is None and not DEFAULT.exists():
        return None
    from dpi.cli.policy import planned

    return planned(config or DEFAULT, sets).kernel


def _print(finding: Finding) -> None:
    sign, colour = SIGNS[finding.level]
    head = f"{sign:8}"
    if is_terminal():
        head = click.style(head, fg=colour)
    click.echo(f"{head}{finding.topic}: {finding.what}")
    if finding.why:
        click.echo(f"        why: {finding.why}")
    if finding.fix:
        click.echo(f"        fix: {finding.fix}")
