"""dpi why: how something was named, and what was decided about it."""

from __future__ import annotations

from typing import Any

import click

from dpi.cli.output import ago, json_option, print_json, rate, size
from dpi.control import call


@click.command("why")
@click.argument("what", metavar="FLOW|NAME|ADDRESS")
@click.option(
    "--all", "every", is_flag=True, help="Also say of every rule before the one that matches why it does not."
)
@json_option
def command(what: str, every: bool, as_json: bool) -> None:
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
    for line in lines(answer, every):
        click.echo(line)


def lines(answer: dict[str, Any], every: bool = False) -> list[str]:
    """The answer in words."""
    out: list[str] = []
    for name in answer["names"]:
        out.append(f"{name['what']}: {name['says']}")
    out += ruled(answer["rules"], answer["class_path"], every)
    for flow in answer["flows"]:
        out.append("")
        out.append(f"flow {flow['id']}  ({flow['state']})")
        label = flow["app"] or flow["protocol"] or "unknown"
        out.append(
            f"  label       {label}"
            + (f", by {flow['method']}, confidence {flow['confidence']:.2f}" if flow["method"] else "")
        )
        for evidence in flow["evidence"]:
            out.append(f"  evidence    {evidence}")
        out += [f"  risk        {each}" for each in flow["why_risky"]]
        if flow["risks"]:
            out.append(f"  risk score  {flow['risk_score']} of 100")
        out += ruled(flow["rules"], flow["class_path"], every)
        if flow["route"]:
            out.append(f"  cache       {flow['route']}")
        out.append(
            f"  counters    up {flow['packets_up']} packets, {size(flow['bytes_up'])}; "
            f"down {flow['packets_down']} packets, {size(flow['bytes_down'])}"
        )
        now = "the kernel has it" if flow["offloaded"] else "still looked at"
        out.append(f"  user space  saw packets: {flow['inspected']}; {now}")
    return out or [f"nothing is known of {answer['what']}"]


def ruled(rules: list[dict[str, Any]], class_path: list[dict[str, Any]], every: bool) -> list[str]:
    """The rule that decides, with `every` those before it, and the class that it leads to."""
    out: list[str] = []
    passed = [rule for rule in rules if not rule["matched"]]
    if every:
        # A cache's apps make two of one rule, which fail alike.
        out += dict.fromkeys(f"  not         {r['where']}: {r['name']}: {r['says']}" for r in passed)
    for rule in rules:
        if rule["matched"]:
            out.append(f"  rule        {rule['where']}: {rule['name']}: {rule['says']}")
            if counts := rule["counters"]:
                out.append(f"              {counted(counts)}")
    if passed and not every:
        before = len({rule["name"] for rule in passed})
        out.append(f"              ({before} rule{'s' if before > 1 else ''} before it: see --all)")
    for node in class_path:
        rates = f"rate {rate(node['rate'])}, ceil {rate(node['ceil'])}"
        out.append(f"  class       {node['name']} ({node['direction']}): {rates}")
        if counts := node["counters"]:
            out.append(f"              {counted(counts)}, {counts['drops']} dropped, {size(counts['backlog'])} waiting")
    return out


def counted(counts: dict[str, Any]) -> str:
    last = ago(counts["last_hit"])
    return (
        f"{counts['flows']} flows now, {counts['flows_total']} in all; {counts['packets']} packets, "
        f"{size(counts['bytes'])}" + (f", the last {last}" if last else "")
    )
