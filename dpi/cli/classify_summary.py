"""`dpi classify --summary`: what the flows of captures come to, for people and for programs."""

from __future__ import annotations

import time

import click

from dpi.analyse.summary import Summary
from dpi.cli.output import duration, print_json, print_table, size
from dpi.record.spelling import STYLES

HEADS = {"apps": "app", "protocols": "protocol", "categories": "category", "clients": "client", "servers": "server"}


def tell(summary: Summary, top: int, as_json: bool) -> None:
    if as_json:
        print_json(summary.as_dict(top))
        return
    total = summary.total
    click.echo(
        f"{total.flows:,} flows, {total.packets:,} packets, {size(total.bytes)}{_when(summary)}\n"
        f"{_share(summary.named, total.flows)} of the flows have a name, {_share(summary.with_app, total.flows)} an app"
    )
    if summary.not_ip or summary.fragments or summary.unread:
        click.echo(
            f"{summary.captured:,} packets were captured; in no flow are: not IP {summary.not_ip:,}, "
            f"fragments but the first {summary.fragments:,}, unreadable {summary.unread:,}"
        )
    spell = STYLES["table"].spell
    for kind, head in HEADS.items():
        rows = [
            (spell(name), s.flows, s.packets, size(s.bytes_up), size(s.bytes_down), _share(s.bytes, total.bytes))
            for name, s in summary.largest(kind, top)
        ]
        if rows:
            click.echo()
            print_table([head, ">flows", ">packets", ">up", ">down", ">of bytes"], rows)
    if risks := summary.largest("risks", top):
        click.echo()
        print_table(["risk", ">flows"], [(name, sums.flows) for name, sums in risks])


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"


def _when(summary: Summary) -> str:
    """`; 2 min 5 s from 2026-11-22 07:00:18`, in local time."""
    if summary.start is None or summary.end is None:
        return ""
    began = time.strftime("%F %T", time.localtime(summary.start))
    return f"; {duration(summary.end - summary.start)} from {began}"
