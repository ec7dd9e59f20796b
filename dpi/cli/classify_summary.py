"""`dpi classify --summary`: what the flows of captures come to, for people and for programs."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click

from dpi.analyse.summary import Summary
from dpi.cli.output import duration, print_json, print_table, size
from dpi.record.counts import Counts, Sums
from dpi.record.spelling import STYLES

HEADS = {
    "apps": "app",
    "protocols": "protocol",
    "categories": "category",
    "methods": "method",
    "clients": "client",
    "devices": "device",
    "servers": "server",
    "vlans": "vlan",
}
COLUMNS = (">flows", ">packets", ">up", ">down", ">of bytes")


def tell(summary: Summary, top: int, hints: Sequence[str], as_json: bool) -> None:
    """hints: sentences on how the captures were taken."""
    if as_json:
        print_json(summary.as_dict(top) | {"hints": list(hints)})
        return
    total, counts = summary.total, summary.counts
    seen, guessed, apps = (_share(n, total.flows) for n in (counts.named - counts.guessed, counts.guessed, counts.apps))
    click.echo(
        f"{total.flows:,} flows, {total.packets:,} packets, {size(total.bytes)}{_when(counts)}\n"
        f"{seen} of the flows have a name that was seen, {guessed} one guessed by the port alone; {apps} have an app"
    )
    outside = summary.outside
    if outside.not_ip or outside.fragments or outside.unread:
        click.echo(
            f"{outside.captured:,} packets were captured; in no flow are: not IP {outside.not_ip:,}, "
            f"fragments but the first {outside.fragments:,}, unreadable {outside.unread:,}"
        )
    for each in hints:
        click.echo(f"note: {each}")
    spell = STYLES["table"].spell
    for kind, head in HEADS.items():
        largest = summary.largest(kind, top)
        if largest and not (kind == "vlans" and [name for name, _ in largest] == ["0"]):
            click.echo()
            print_table([head, *COLUMNS], [_row(spell(name), sums, total) for name, sums in largest])
    if len(summary.times) > 1:
        rows = [_row(time.strftime("%F %T", time.localtime(start)), sums, total) for start, sums in summary.times]
        click.echo()
        print_table([f"{duration(summary.interval)} from", *COLUMNS], rows)
    if risks := summary.largest("risks", top):
        click.echo()
        print_table(["risk", ">flows"], [(name, sums.flows) for name, sums in risks])


def _row(name: str, sums: Sums, total: Sums) -> tuple[str | int, ...]:
    up, down, share = size(sums.bytes_up), size(sums.bytes_down), _share(sums.bytes, total.bytes)
    return name, sums.flows, sums.packets, up, down, share


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"


def _when(counts: Counts) -> str:
    """`; 2 min 5 s from 2026-11-22 07:00:18`, in local time."""
    if counts.start is None or counts.end is None:
        return ""
    began = time.strftime("%F %T", time.localtime(counts.start))
    return f"; {duration(counts.end - counts.start)} from {began}"
