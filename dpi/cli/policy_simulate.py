"""`dpi policy simulate`: which flows a policy would treat otherwise, by the traffic of a capture or of this box."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dpi.cli.output import end, json_option, print_json, print_table, size
from dpi.cli.policy_file import FILE, file_argument, in_force, planned, set_option
from dpi.cli.policy_versions import span
from dpi.control import call
from dpi.errors import CaptureError, UsageError

if TYPE_CHECKING:
    from dpi.match.labels import Signatures
    from dpi.policy.plan import Plan
    from dpi.record.fields import FlowRecord
    from dpi.simulate.changes import Changes, Names
    from dpi.simulate.traffic import Judged

    Side = tuple[Plan, Signatures]
    Pairs = Iterable[tuple[Judged, Judged]]

ALL_FLOWS = 1_000_000


@click.command()
@file_argument
@set_option
@click.option(
    "--capture",
    "captures",
    multiple=True,
    type=FILE,
    help="The traffic of this pcap or pcapng file.  May be given more than once; each starts with nothing known.",
)
@click.option("--live", is_flag=True, help="The flows that the running daemon knows now.")
@click.option(
    "--recent",
    metavar="TIME",
    callback=span,
    help="The flows that live and those that ended within this time, as in 1h; needs `records` in the policy in force.",
)
@click.option(
    "--against",
    type=FILE,
    help="Compare with this policy; default: what the running daemon has in force.",
)
@click.option(
    "--top", default=5, show_default=True, type=click.IntRange(1, 1000), help="So many apps and hosts of each change."
)
@click.option(
    "--flows",
    "listed",
    default=0,
    type=click.IntRange(0, 100_000),
    help="Also list so many of the flows that change, the largest first.",
)
@json_option
def simulate(
    file: Path,
    sets: tuple[str, ...],
    captures: tuple[Path, ...],
    live: bool,
    recent: float | None,
    against: Path | None,
    top: int,
    listed: int,
    as_json: bool,
) -> None:
    """Say which flows, hosts, subscribers and bytes a policy would treat otherwise, without changing anything.

    Of a capture, each flow is decided by the loop that decides it inline.  Names on shared addresses that would go to a
    cache with another's traffic are told by themselves.  Exits 0 also where something changes.

    \b
    dpi policy simulate --capture evening.pcap --against policy.yaml new.yaml
    dpi policy simulate --recent 1h new.yaml
    """
    from dpi.simulate.changes import Changes

    if bool(captures) + live + (recent is not None) != 1:
        raise click.UsageError("one of --capture, --live and --recent is needed")
    old = planned(against) if against else in_force()
    new = planned(file, sets, old.ids if old else None)
    sides = _sides(old, new)
    changes, faults = Changes(listed), []
    if captures:
        for path in captures:
            try:
                for before, after in _of_capture(path, *sides):
                    changes.add(before, after)
            except CaptureError as error:
                faults.append(str(error))
    else:
        for before, after in _of_records(list(_known(recent)), *sides):
            changes.add(before, after)
    assumed = _assumed([p for p in (old, new) if p])
    if as_json:
        told = changes.to_json(top)
        print_json({"policy": new.hash, "against": old and old.hash, "assumed": assumed, "faults": faults, **told})
    else:
        for line in assumed:
            click.echo(line)
        _print(changes, top, bool(listed), old is not None)
    for fault in faults:
        click.echo(fault, err=True)
    if faults:
        raise SystemExit(2)


def _assumed(plans: list[Plan]) -> list[str]:
    """What is taken for granted of conditions that hold at times."""
    found = []
    if any(plan.conditions.quotas for plan in plans):
        found.append("quotas: nobody has used one up")
    if any(plan.conditions.congestion for plan in plans):
        found.append("congestion: there is none")
    if any(plan.conditions.devices for plan in plans):
        found.append("devices: of none is the kind known")
    if not any(plan.conditions.schedules for plan in plans):
        return found
    return [*found, "schedules: as they are at the time of a flow's last packet"]


def _sides(old: Plan | None, new: Plan) -> tuple[Side | None, Side]:
    """The plans, each with the signatures that it names."""
    from dpi.match.signatures import load

    loaded = {dirs: load(map(Path, dirs)) for dirs in {p.engine.signature_dirs for p in (old, new) if p}}
    before, after = ((p, loaded[p.engine.signature_dirs]) if p else None for p in (old, new))
    assert after is not None
    return before, after


def _of_capture(path: Path, old: Side | None, new: Side) -> Pairs:
    from dpi.simulate.traffic import of_capture

    return _beside(of_capture(path, *old) if old else None, of_capture(path, *new))


def _of_records(records: list[FlowRecord], old: Side | None, new: Side) -> Pairs:
    from dpi.simulate.outcome import Judge
    from dpi.simulate.traffic import of_records

    return _beside(of_records(records, Judge(*old)) if old else None, of_records(records, Judge(*new)))


def _beside(before: Iterable[Judged] | None, after: Iterable[Judged]) -> Pairs:
    """Where there was no policy, nothing was done to any flow."""
    from dpi.simulate.changes import pairs
    from dpi.simulate.outcome import Outcome
    from dpi.simulate.traffic import Judged

    if before is None:
        return ((Judged(judged.record, "no policy", Outcome()), judged) for judged in after)
    return pairs(before, after)


def _known(recent: float | None) -> Iterator[FlowRecord]:
    """The flows that live, and of those that ended the recent ones."""
    from dpi.record.reader import record_of, written

    since = 0.0 if recent is None else time.time() - recent
    if recent is not None:
        kept = call("policy")["data"]["records"]
        if kept is None:
            raise UsageError(
                "the policy in force keeps no records of flows that have ended (see `records`): "
                "--live takes those that live"
            )
        yield from written(Path(kept["file"]), since)
    for told in call("flows", limit=ALL_FLOWS):
        record = record_of(told)
        if record is not None and record.end >= since:
            yield record


def _print(changes: Changes, top: int, listed: bool, compared: bool) -> None:
    seen, changed = changes.seen, changes.changed
    click.echo(f"looked at: {seen.flows} flows, {size(seen.bytes)}" + ("" if compared else "; no policy before"))
    if not changed.flows:
        click.echo("nothing changes for any of them")
        return
    share = 100 * changed.bytes / seen.bytes if seen.bytes else 0
    whose = f"hosts: {len(changes.hosts)}"
    whose += f", subscribers: {len(changes.subscribers)}" if len(changes.subscribers) else ""
    click.echo(f"of these change: {changed.flows} flows ({whose}), {size(changed.bytes)} ({share:.1f} %)")
    print_table(
        ["before", "after", ">flows", ">hosts", ">down", ">up", "by rule"],
        [
            (g.before, g.after, g.total.flows, len(g.hosts), size(g.total.down), size(g.total.up), _names(g.rules, 2))
            for g in changes.by_size()
        ],
        title="\nwhat changes",
    )
    for title in ("apps", "hosts", "subscribers"):
        if title == "subscribers" and not len(changes.subscribers):
            continue
        print_table(
            ["before", "after", title.removesuffix("s"), ">flows", ">down", ">up"],
            [
                (g.before, g.after, name, total.flows, size(total.down), size(total.up))
                for g in changes.by_size()
                for name, total in getattr(g, title).top(top)
            ],
            title=f"\n{title}",
        )
    if shared := changes.shared_by_size():
        print_table(
            ["address", "cache", "known for", "by", "change", "whose traffic", "names", ">flows", ">bytes"],
            [
                (
                    each.address,
                    each.cache,
                    each.name,
                    each.by,
                    "goes there" if each.comes else "no longer",
                    _names(each.apps, 3),
                    _names(each.names, 3),
                    each.total.flows,
                    size(each.total.bytes),
                )
                for each in shared
            ],
            title="\ncollateral: others' names on addresses of a cache",
        )
    if listed:
        print_table(
            ["l4", "from", "to", "app", "name", "before", "after", "rule", ">down", ">up"],
            [
                (
                    after.record.l4,
                    end(after.record.src, after.record.sport),
                    end(after.record.dst, after.record.dport),
                    after.record.app or after.record.protocol,
                    after.record.hostname,
                    before.outcome,
                    after.outcome,
                    after.rule,
                    size(after.record.bytes_down),
                    size(after.record.bytes_up),
                )
                for before, after in changes.largest()
            ],
            title="\nflows",
        )


def _names(names: Names, most: int) -> str:
    rest = len(names) - most
    return ", ".join(name for name, _ in names.top(most)) + (f" and {rest} more" if rest > 0 else "")
