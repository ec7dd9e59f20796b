"""dpi doctor: looks for what could keep dpi from working here, and says how to put it right."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpi.cli.output import is_terminal, json_option, print_json, print_table
from dpi.cli.policy_file import DEFAULT, FILE, STATE_DIR, checked_policy, plan_here, plan_told, set_option
from dpi.cli.regular_file import need_file
from dpi.errors import DpiError, FindingsError, UsageError

if TYPE_CHECKING:
    from dpi.enforce.doctor import Diagnosis
    from dpi.policy.plan import Plan

COMPILED = ("dpi._fastpath", "dpi.core", "dpi.inline", "dpi.capture.nfqueue", "dpi.dissect.inspect", "netfilterqueue")
COLOURS = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "red"}


@click.command("doctor")
@click.option(
    "--config",
    type=FILE,
    help=f"The policy that is to run here; default: {DEFAULT} where it exists, else what the daemon has in force.",
)
@set_option
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path),
    default=STATE_DIR,
    show_default=True,
    help="As for dpi run: what the kernel offers is remembered there.",
)
@click.option("--quiet", "-q", is_flag=True, help="Leave out what is well.")
@json_option
def command(config: Path | None, sets: tuple[str, ...], state_dir: Path, quiet: bool, as_json: bool) -> None:
    """Look for what could keep dpi from working here, and say how to put it right.

    Changes nothing.  Exits 0 where nothing is an error, 1 where something is, 2 where the command line is wrong.
    Works without a policy and without root, and says what it then could not look at.
    """
    from dpi.enforce.doctor import Box, examine

    if config is not None:
        need_file(config)
    if config is None and DEFAULT.is_file():
        config = DEFAULT
    if config is None and sets:
        raise UsageError("--set needs a policy: --config FILE")
    box = Box(module_faults=_module_faults(), state_dir=state_dir)
    if config is not None:
        try:
            box.plan = plan_here(checked_policy(config, sets))
        except FindingsError as error:
            if any(finding.file == "--set" for finding in error.findings):
                raise
            box.policy_faults = tuple(str(finding) for finding in error.findings)
        except DpiError as error:
            box.policy_faults = (str(error),)
    try:
        status = _ask("status", box.plan)
        if not _here(status["pid"]):
            raise DpiError(f"the daemon is in another network namespace: nsenter -t {status['pid']} -n dpi doctor")
        box.status = status
        box.in_force = plan_told(_ask("policy", box.plan))
        if config is None:
            box.plan = box.in_force
    except DpiError as error:
        box.status_fault = str(error)
    found = examine(box)
    counts = {level: sum(d.level == level for d in found) for level in COLOURS}
    shown = [d for d in found if not (quiet and d.level == "ok")]
    if as_json:
        print_json({"counts": counts, "findings": [d.to_json() for d in shown]})
    else:
        _print(shown)
        words = (f"{n} {level}{'s' if n != 1 and level != 'ok' else ''}" for level, n in reversed(counts.items()))
        click.echo("\n" + ", ".join(words))
    raise SystemExit(1 if counts["error"] else 0)


def _module_faults() -> dict[str, str]:
    """Compiled modules that are missing or of another Python."""
    faults = {}
    for name in COMPILED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            faults[name] = str(error)
    return faults


def _here(process: int) -> bool:
    """Whether a process is in our network namespace; taken for granted where that may not be looked at."""
    try:
        return Path(f"/proc/{process}/ns/net").stat().st_ino == Path("/proc/thread-self/ns/net").stat().st_ino
    except OSError:
        return True


def _ask(do: str, plan: Plan | None) -> Any:
    """Asks the daemon where DPI_SOCKET, the policy or the default says that it listens."""
    from dpi.control import call

    said = plan.control.socket if plan and not os.environ.get("DPI_SOCKET") else None
    return call(do, path=Path(said) if said else None, timeout=10)


def _print(found: list[Diagnosis]) -> None:
    def level(name: str) -> str:
        return f"[{COLOURS[name]}]{name}[/]" if is_terminal() else name

    def cell(text: str) -> str:
        return text.replace("[", "\\[") if is_terminal() else text

    print_table(["level", "check", "what is so"], [(level(d.level), d.check, cell(d.found)) for d in found])
    for name in ("error", "warning", "note"):
        reasons: dict[tuple[str, str], list[Diagnosis]] = {}  # what has the same reason is told once
        for d in found:
            if d.level == name and (name != "note" or d.fix):
                reasons.setdefault((d.check, d.why), []).append(d)
        for (check, why), group in reasons.items():
            click.echo()
            for d in group:
                click.secho(f"{name}: {check}: {d.found}", fg=COLOURS[name] if is_terminal() else None)
            click.echo(f"  looked at: {group[0].looked_at}")
            click.echo(f"  why: {why}")
            for fix in dict.fromkeys(d.fix for d in group if d.fix):
                click.echo(f"  fix: {fix}")
