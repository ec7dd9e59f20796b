"""dpi demo: the lab, real traffic through `dpi run`, and whether the policy was kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from dpi.cli.output import json_option, print_json, print_table, rate, size


def _policy() -> Path:
    """The lab's own: of the checkout, else where the wheel's data was put."""
    from importlib.metadata import PackageNotFoundError, files

    checkout = Path(__file__).resolve().parents[2] / "policies" / "lab.yaml"
    if checkout.exists():
        return checkout
    try:
        installed = [Path(str(f.locate())) for f in files("dpi") or () if f.match("share/dpi/policies/lab.yaml")]
    except PackageNotFoundError:
        installed = []
    if not installed:
        raise click.UsageError("the lab's policy was not installed; name one with --config")
    return installed[0].resolve()


@click.command("demo")
@click.option("--config", type=click.Path(path_type=Path), help="The policy; default: policies/lab.yaml.")
@json_option
def command(config: Path | None, as_json: bool) -> None:
    """Build the lab, run real traffic through it and check what came out.

    Exit code 1 where anything is not as the policy says.
    """
    from dpi.lab.demo import demo

    report = demo(config or _policy(), lambda line: click.echo(line, err=as_json))
    if as_json:
        print_json(report)
    else:
        _print(report)
    sys.exit(0 if report["ok"] else 1)


def _print(report: dict[str, Any]) -> None:
    print_table(
        ["app", "name", "how", "IP", "method", ">conf", "class", ">configured", ">measured", "from", ""],
        [
            (
                f["app"],
                f["host"],
                f["how"],
                f["ip_version"],
                f["method"],
                "" if f["confidence"] is None else f"{f['confidence']:.2f}",
                f["class"],
                rate(f["rate"]) if f["rate"] else "",
                rate(f["measured"]) if f["measured"] else "",
                "blocked" if f["blocked"] else f["server"],
                "ok" if f["ok"] else "FAULT",
            )
            for f in report["fetches"]
        ],
    )
    click.echo()
    click.echo(f"through the cache   {size(report['cache_bytes'])}")
    click.echo(
        f"seen by user space  {report['packets_user_space']} of {report['packets_forwarded']} packets "
        f"({report['share_user_space']:.1%})"
    )
    for again in report["measured_again"]:
        click.echo(f"measured again      {again}")
    for fault in report["faults"]:
        click.echo(f"FAULT               {fault}")
    click.echo(f"{'all as the policy says' if report['ok'] else 'not as the policy says'}, {report['seconds']} s")
