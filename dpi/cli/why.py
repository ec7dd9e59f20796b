"""dpi why: how something was named, and what was decided about it."""

from __future__ import annotations

from typing import Any

import click

from dpi.cli.output import json_option, print_json, rate, size
from dpi.control import call


@click.command("why")
@click.argument("what", metavar="FLOW|NAME|ADDRESS")
@json_option
def command(what: str, as_json: bool) -> None:
    """Explain how a flow, host name or address was named and what was decided.

    \b
    dpi why www.netflix.com
    dpi why 198.51.100.7
    dpi why tcp:10.0.0.5:51234-198.51.100.7:443
    dpi why 10.0.0.5:51234
    """
    answer = call("why", what=what)
    if as_json:
        print_json(answer)
        return
    for line in lines(answer):
        click.echo(line)


def lines(answer: dict[str, Any]) -> list[str]:
    """The answer in words."""
    out: list[str] = []
    for name in answer["names"]:
        out.append(f"{name['what']}: {name['says']}")
    for flow in answer["flows"]:
        out.append("")
        out.append(f"flow {flow['id']}  ({flow['state']})")
        label = flow["app"] or flow["protocol"] or "unknown"
        out.append(f"  label       {label}, by {flow['method']}, confidence {flow['confidence']:.2f}")
        for evidence in flow["evidence"]:
            out.append(f"  evidence    {evidence}")
        for rule in flow["rules"]:
            out.append(f"  rule        {rule['where']}: {rule['name']}: {rule['says']}")
        for node in flow["class_path"]:
            rates = f"rate {rate(node['rate'])}, ceil {rate(node['ceil'])}"
            out.append(f"  class       {node['name']} ({node['direction']}): {rates}")
        if flow["route"]:
            out.append(f"  cache       {flow['route']}")
        out.append(
            f"  counters    up {flow['packets_up']} packets, {size(flow['bytes_up'])}; "
            f"down {flow['packets_down']} packets, {size(flow['bytes_down'])}"
        )
        now = "the kernel has it" if flow["offloaded"] else "still looked at"
        out.append(f"  user space  saw {flow['inspected']} packets; {now}")
    return out or [f"nothing is known of {answer['what']}"]
