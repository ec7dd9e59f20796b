"""dpi status: how the running daemon does."""

from __future__ import annotations

import time
from typing import Any

import click

from dpi.cli.caches import print_caches
from dpi.cli.output import ago, duration, json_option, print_json, print_table, rate, size
from dpi.cli.quotas import COLUMNS, rows
from dpi.control import call


@click.command("status")
@json_option
def command(as_json: bool) -> None:
    """How the running daemon does: policy, queues, classes, rules, caches."""
    status = call("status")
    if as_json:
        print_json(status)
        return
    _head(status)
    print_table(
        ["queue", ">waiting", ">dropped full", ">dropped user", ">packets", ">marked", ">held", ">faults"],
        [
            (
                q["queue"],
                q.get("kernel_length"),
                q.get("kernel_dropped"),
                q.get("kernel_user_dropped"),
                q["packets"],
                q["marks"],
                q["holds"],
                sum(q[k] for k in ("enobufs", "truncated", "damaged", "malformed", "send_errors")),
            )
            for q in status["queues"]
        ],
        title="\nqueues",
    )
    print_table(
        [
            "class",
            "direction",
            "device",
            ">rate",
            ">ceil",
            ">flows",
            ">packets",
            ">bytes",
            ">dropped",
            ">backlog",
            "last",
        ],
        [
            (
                c["name"],
                c["direction"],
                c["device"],
                rate(c["rate"]),
                rate(c["ceil"]),
                c["flows"],
                c["packets"],
                size(c["bytes"]),
                c["drops"],
                size(c["backlog"]),
                ago(c["last_hit"]),
            )
            for c in status["classes"]
        ],
        title="\nclasses",
    )
    print_table(
        ["rule", "where", ">flows", ">in all", ">packets", ">bytes", ">policed", "last", ""],
        [
            (
                r["name"],
                r["where"],
                r["flows"],
                r["flows_total"],
                r["packets"],
                size(r["bytes"]),
                size(r["policed_bytes"]) if r["policed_bytes"] else "",
                ago(r["last_hit"]),
                f"absent: {r['waits']}" if r["waits"] else "",
            )
            for r in status["rules"]
        ],
        title="\nrules",
    )
    if status["conditions"]:
        print_table(
            ["condition", "name", "now", "says", "rules"],
            [(c["kind"], c["name"], c["words"], c["says"], ", ".join(c["rules"])) for c in status["conditions"]],
            title="\nconditions",
        )
    if status["quotas"]["accounts"]:
        print_table(COLUMNS, rows(status["quotas"]["accounts"]), title="\nquotas (dpi quotas list has all)")
    if status["quotas"]["error"]:
        click.echo(f"what was used of quotas cannot be kept: {status['quotas']['error']}")
    if status["routes"]:
        print_caches(status["routes"])


def _on_demand(told: dict[str, Any] | None) -> str:
    if told is None:
        return ""
    words = f", on demand: {told['awake']} have queues now, {told['made']} made and {told['taken']} taken away so far"
    return words + (f"; the last fault: {told['error']}" if told["error"] else "")


def _head(status: dict[str, Any]) -> None:
    engine = status["engine"]
    click.echo(f"dpi {status['version']}, process {status['pid']}, up {duration(status['uptime'])}")
    click.echo(f"policy {status['policy_hash'][:12]} of {', '.join(status['config'])}")
    if status["trial"]:
        until = time.strftime("%H:%M:%S", time.localtime(status["trial"]["until"]))
        click.echo(
            f"on trial: undone at {until} (back to version {status['trial']['back_to']}) unless `dpi policy confirm`"
        )
    elif not status["own_files"]:
        click.echo(f"version {status['version_in_force']} stands in for the daemon's own files (dpi policy history)")
    reload = status["reload"]
    if reload and not reload["ok"]:
        click.echo(f"the last reload failed, the policy before is in force: {reload['message']}")
    lan = " ".join(i["name"] for i in status["interfaces"] if i["role"] == "lan")
    wan = " ".join(i["name"] for i in status["interfaces"] if i["role"] == "wan")
    click.echo(f"{status['mode']} between {lan} and {wan}")
    click.echo(
        f"flows {status['flows']} of at most {status['max_flows']}, "
        f"{engine['packets']} packets seen here, {status['forwarded_packets']} forwarded"
    )
    one_way = status["one_way"]
    if lone := one_way["up"] + one_way["down"]:
        click.echo(
            f"of {one_way['connections']} TCP connections {lone} come by in one direction alone "
            "(`dpi doctor` says more)"
        )
    if subscribers := status["subscribers"]:
        click.echo(f"subscribers {subscribers['count']}{_on_demand(subscribers['on_demand'])}")
    records = status["records"]
    if records:
        fault = f", {records['lost']} lost ({records['error']})" if records["lost"] else ""
        click.echo(f"records {records['written']} in {records['file']}{fault}")
