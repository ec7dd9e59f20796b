"""dpi top: apps, hosts and classes by rate, live."""

from __future__ import annotations

import time
from typing import Any

import click

from dpi.cli.output import is_terminal, json_option, print_json, print_table, rate
from dpi.control import call

KINDS = ("apps", "hosts", "classes")


@click.command("top")
@click.option("--interval", default=1.0, show_default=True, type=click.FloatRange(0.2, 60), help="Seconds a picture.")
@click.option("--count", default=0, type=click.IntRange(0), help="End after so many pictures (0: until interrupted).")
@click.option("--lines", default=12, show_default=True, type=click.IntRange(1, 100), help="Rows a table.")
@json_option
def command(interval: float, count: int, lines: int, as_json: bool) -> None:
    """Apps, hosts and classes by rate, live; one picture and out where it is not a terminal."""
    live = is_terminal() and not as_json
    count = count or (0 if live else 1)
    before = call("top")
    shown = 0
    try:
        while not count or shown < count:
            time.sleep(interval)
            after = call("top")
            picture = rates(before, after)
            if as_json:
                print_json(picture)
            else:
                _draw(picture, lines, live)
            before = after
            shown += 1
    except KeyboardInterrupt:
        pass


def rates(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Bits a second by name, the fastest first, out of two readings of the totals."""
    seconds = max(after["time"] - before["time"], 1e-3)
    picture = {}
    for kind in KINDS:
        rows = []
        for name, total in after[kind].items():
            old = before[kind].get(name, {"down": 0, "up": 0})
            down = max(total["down"] - old["down"], 0) * 8 / seconds
            up = max(total["up"] - old["up"], 0) * 8 / seconds
            rows.append({"name": name, "down": down, "up": up, "flows": total.get("flows", 0)})
        rows.sort(key=lambda r: (-(r["down"] + r["up"]), -r["flows"], r["name"]))
        picture[kind] = rows
    return picture


def _draw(picture: dict[str, list[dict[str, Any]]], lines: int, live: bool) -> None:
    if live:
        click.clear()
    for kind in KINDS:
        rows = [(r["name"], rate(r["down"]), rate(r["up"]), r["flows"]) for r in picture[kind][:lines]]
        print_table([kind, ">down", ">up", ">flows"], rows)
        click.echo()
