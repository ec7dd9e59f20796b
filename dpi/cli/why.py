"""dpi why: how something was named, and what was decided about it; of a subscriber, what it gets."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from dpi.cli.output import ago, duration, json_option, print_json, rate, size
from dpi.cli.policy_file import FILE
from dpi.cli.signatures import signatures_option
from dpi.control import call


@click.command("why")
@click.argument("what", metavar="FLOW|NAME|ADDRESS|MAC|SUBSCRIBER")
@click.option(
    "--all", "every", is_flag=True, help="Also say of every rule before the one that matches why it does not."
)
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Explain at most so many flows."
)
@click.option(
    "--capture",
    "captures",
    multiple=True,
    type=FILE,
    help="Explain flows of this capture, not the daemon's.  More than one are pieces of one, as dpi classify --joined "
    "takes them; a directory is all files in it, - is standard input.",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --capture: also say which rule of this policy would hold, and why.",
)
@signatures_option
@json_option
def command(
    what: str,
    every: bool,
    limit: int,
    captures: tuple[Path, ...],
    policy: Path | None,
    folders: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Explain how a flow, host name or address was named and what was decided.

    Of a subscriber, by id, address or MAC address: tariff, classes with their rates, flows, and by which key an address
    is theirs.

    The running daemon is asked, or with --capture flows of captures are explained, offline, those that carried most
    first.  --signatures and --policy are for captures; the daemon has its own.  Exits 1 where no flow of the captures
    is meant, 2 where one of them is damaged or cannot be read.

    \b
    dpi why www.netflix.com
    dpi why 198.51.100.7
    dpi why tcp:10.0.0.5:51234-198.51.100.7:443
    dpi why 10.0.0.5:51234
    dpi why s1001
    dpi why 02:11:22:33:44:55
    dpi why --capture lan0.pcap --policy policy.yaml www.netflix.com
    """
    faults: list[str] = []
    if captures:
        from dpi.cli.why_captured import answer_of

        answer = answer_of(captures, what, policy, folders, limit, faults)
    elif policy or folders:
        raise click.UsageError("--policy and --signatures need --capture: the daemon explains by its own")
    else:
        answer = call("why", what=what, limit=limit)
    if as_json:
        print_json(answer)
    else:
        for line in lines(answer, every):
            click.echo(line)
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        sys.exit(2)


def lines(answer: dict[str, Any], every: bool = False) -> list[str]:
    """The answer in words."""
    out: list[str] = []
    for name in answer["names"]:
        out.append(f"{name['what']}: {name['says']}")
    out += ruled(answer["rules"], answer["class_path"], every)
    for flow in answer["flows"]:
        if out:
            out.append("")
        out.append(f"flow {flow['id']}  ({flow['state']})")
        if flow.get("subscriber"):
            by = f", by {flow['subscriber_by']}" if flow["subscriber_by"] else ""
            out.append(f"  subscriber  {flow['subscriber']}{by}")
        if flow["device"]:
            out.append(f"  device      {flow['device']}")
        label = flow["app"] or flow["protocol"] or "unknown"
        out.append(
            f"  label       {label}"
            + (f", by {flow['method']}, confidence {flow['confidence']:.2f}" if flow["method"] else "")
        )
        if flow["means"]:
            out.append(f"  method      {flow['method']}: {flow['means']}")
        for evidence in flow["evidence"]:
            out.append(f"  evidence    {evidence}")
        out += [f"  risk        {each}" for each in flow["why_risky"]]
        if flow["risks"]:
            out.append(f"  risk score  {flow['risk_score']} of 100")
        out += ruled(flow["rules"], flow["class_path"], every)
        for q in flow["quotas"]:
            used = f"{size(q['used'])} of {size(q['volume'])}"
            over = ", used up" if q["over"] else ""
            out.append(f"  quota       {q['quota']}, {q['account']}: {used} ({100 * q['share']:.0f} %){over}")
        if flow["cache"]:
            out.append(f"  cache       {flow['cache']}")
        elif flow["route"]:
            out.append(f"  cache       none: when it began {flow['route']} was not up, or did not know the server")
        out.append(
            f"  counters    up {flow['packets_up']} packets, {size(flow['bytes_up'])}; "
            f"down {flow['packets_down']} packets, {size(flow['bytes_down'])}"
        )
        out.append(_seen(flow))
    if answer["more"]:
        out += ["", f"and {answer['more']} more flow{'s' * (answer['more'] != 1)} (--limit)"]
    return out or [f"nothing is known of {answer['what']}"]


def _seen(flow: dict[str, Any]) -> str:
    """How many packets were looked at, of the daemon's flow; of a capture's, also where and when it was."""
    if flow["capture"] is None:
        now = "the kernel has it" if flow["offloaded"] else "still looked at"
        return f"  user space  saw packets: {flow['inspected']}; {now}"
    began, took = time.strftime("%F %T", time.localtime(flow["start"])), flow["end"] - flow["start"]
    settled = f"settled after packet {flow['decided_at']}" if flow["decided_at"] else "never settled"
    return (
        f"  capture     {flow['capture']}: {began}, for {duration(took) if took >= 60 else f'{took:.3f} s'}; {settled}"
    )


def ruled(rules: list[dict[str, Any]], class_path: list[dict[str, Any]], every: bool) -> list[str]:
    """The rule that decides, with `every` those before it, and the class that it leads to."""
    out: list[str] = []
    passed = [rule for rule in rules if not rule["matched"]]
    if every:
        # A cache's apps make two of one rule, which fail alike.
        out += dict.fromkeys(
            "\n".join(
                [
                    f"  not         {r['where']}: {r['name']}: {r['says']}",
                    *(f"              {told}" for told in r["conditions"]),
                ]
            )
            for r in passed
        )
    for rule in rules:
        if rule["matched"]:
            out.append(f"  rule        {rule['where']}: {rule['name']}: {rule['says']}")
            out += [f"              {told}" for told in rule["conditions"]]
            if counts := rule["counters"]:
                out.append(f"              {counted(counts)}")
    if passed and not every:
        before = len({rule["name"] for rule in passed})
        out.append(f"              ({before} rule{'s' if before > 1 else ''} before it: see --all)")
    for node in class_path:
        rates = f"rate {rate(node['rate'])}, ceil {rate(node['ceil'])}"
        out.append(f"  {node['kind']:10}  {node['name']} ({node['direction']}): {rates}")
        if counts := node["counters"]:
            out.append(f"              {counted(counts)}, {counts['drops']} dropped, {size(counts['backlog'])} waiting")
    return out


def counted(counts: dict[str, Any]) -> str:
    last = ago(counts["last_hit"])
    flows = f"{counts['flows']} flows now" if counts["flows"] is not None else ""
    flows += f", {counts['flows_total']} in all" if "flows_total" in counts else ""
    return (
        (f"{flows}; " if flows else "")
        + f"{counts['packets']} packets, {size(counts['bytes'])}"
        + (f", the last {last}" if last else "")
    )
