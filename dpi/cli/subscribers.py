"""`dpi subscribers`: who is listed, edits of the lists where they stand, and whole lists put in their place."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpi.cli.output import ago, json_option, print_json, print_table, rate, size
from dpi.cli.policy_file import checked_policy, config_option, plan_here
from dpi.cli.rules import dry_run_option
from dpi.errors import DpiError, UsageError

if TYPE_CHECKING:
    from dpi.policy.check import Checked
    from dpi.policy.subscriber_entries import Changes, Entry
    from dpi.policy.subscriber_lists import Difference


def _keys(kind: str, many: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The options that change what a subscriber is known by, of one kind."""

    def options(function: Callable[..., None]) -> Callable[..., None]:
        for option, text in (
            (f"--remove-{kind}", "Without this one."),
            (f"--add-{kind}", "One more."),
            (f"--{kind}", f"These {many} instead; may be given more than once."),
        ):
            function = click.option(option, multiple=True, help=text)(function)
        return function

    return options


SHOWN = 20  # of each kind of change, without --all

file_option = click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="Write it into this file of the policy (*.csv or *.yaml).  [default: its only list, subscribers.csv]",
)


@click.group()
def command() -> None:
    """List subscribers, and edit or replace the lists that they stand in.

    Edits keep every comment and every other byte of the file, and are refused where the policy would not pass its
    check afterwards.  A daemon that runs takes them up by itself.
    """


@command.command("list")
@click.argument("pattern", required=False)
@config_option
@click.option("--tariff", help="Those of this tariff.")
@click.option("--site", help="Those behind this site, or behind one that is behind it.")
@click.option("--address", help="The one whose address this is (or MAC address), or those within this prefix.")
@json_option
def list_(
    pattern: str | None, config: Path, tariff: str | None, site: str | None, address: str | None, as_json: bool
) -> None:
    """List subscribers, with a PATTERN those whose id it fits (s10*, or part of an id)."""
    checked = checked_policy(config)
    policy = checked.policy
    for what, name, known in (("tariff", tariff, policy.tariffs), ("site", site, policy.sites)):
        if name is not None and name not in known:
            from dpi.policy.findings import near

            raise UsageError(f"{config}: there is no {what} {name}{near(name, known)}")
    found = {name: _described(checked, name) for name in _chosen(checked, pattern, tariff, site, address)}
    if as_json:
        print_json(list(found.values()))
        return
    rows = [(name, s["tariff"], s["parent"], _known_by(s), s["where"]) for name, s in found.items()]
    print_table(("subscriber", "tariff", "site", "known by", "where"), rows)


def _known_by(told: dict[str, Any]) -> str:
    return " ".join([*told["address"], *told["mac"], *(f"VLAN {vlan}" for vlan in told["vlan"])])


def _chosen(
    checked: Checked, pattern: str | None, tariff: str | None, site: str | None, address: str | None
) -> list[str]:
    from fnmatch import fnmatchcase

    policy = checked.policy
    found = list(policy.subscribers.entries)
    if pattern is not None:
        wanted = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
        found = [name for name in found if fnmatchcase(name, wanted)]
    if tariff is not None:
        found = [name for name in found if policy.subscribers.entries[name].tariff == tariff]
    if site is not None:
        behind = {name for name in policy.sites if site in _above(checked, name)}
        found = [name for name in found if policy.subscribers.entries[name].parent in behind]
    if address is not None:
        mine = _of_address(checked, address)
        found = [name for name in found if name in mine]
    return found


def _above(checked: Checked, site: str | None) -> list[str]:
    """A site and what it is behind."""
    found: list[str] = []
    while site is not None:
        found.append(site)
        site = checked.policy.sites[site].parent
    return found


def _of_address(checked: Checked, text: str) -> set[str]:
    """Whose address it is (the longest prefix counts), and who has addresses in it; or whose MAC address."""
    from ipaddress import ip_network

    from dpi.policy.link_layer import mac

    with contextlib.suppress(ValueError):
        wanted = mac(text)
        return {name for name, s in checked.policy.subscribers.entries.items() if wanted in s.mac}
    try:
        asked = ip_network(text, strict=False)
    except ValueError:
        raise UsageError(f"{text!r} is no address or prefix") from None
    inside: set[str] = set()
    owner: tuple[int, str] = (-1, "")
    for name, subscriber in checked.policy.subscribers.entries.items():
        for prefix in subscriber.address:
            network = ip_network(prefix)
            if network.prefixlen >= asked.prefixlen and network.network_address in asked:
                inside.add(name)
            elif asked.network_address in network:  # never, where it is of the other version
                owner = max(owner, (network.prefixlen, name))
    return inside or ({owner[1]} if owner[1] else set())


def _described(checked: Checked, name: str) -> dict[str, Any]:
    subscriber = checked.policy.subscribers.entries[name]
    return {
        "id": name,
        "tariff": subscriber.tariff,
        "address": [a.removesuffix("/32" if ":" not in a else "/128") for a in subscriber.address],
        "mac": list(subscriber.mac),
        "vlan": list(subscriber.vlan),
        "parent": subscriber.parent,
        "sites": _above(checked, subscriber.parent),
        "where": checked.document.where(("subscribers", "entries", name)),
    }


@command.command()
@click.argument("name", metavar="ID")
@config_option
@json_option
def show(name: str, config: Path, as_json: bool) -> None:
    """Show one subscriber: tariff, addresses, classes with their rates.

    Where the daemon has the subscriber in force: what each class carried, and when its last packet came.
    """
    from dpi.policy.subscriber_path import branch_of, nodes

    checked = checked_policy(config)
    _there(checked, config, name)
    kernel = plan_here(checked).kernel
    running = _running(config, name)
    counted = {(c["kind"], c["name"], c["direction"]): c["counters"] for c in running.get("classes", ())}
    classes = [
        node.to_json() | {"counters": counted.get((node.kind, node.name, node.direction))}
        for node in nodes(kernel, branch_of(kernel, name))
    ]
    asleep = bool(running.get("asleep"))
    told = _described(checked, name) | {"asleep": asleep, "learnt": running.get("learnt", []), "classes": classes}
    if as_json:
        print_json(told)
        return
    click.echo(f"{name}  ({told['where']})")
    click.echo(f"  tariff   {told['tariff']}")
    for kind, words in (("address", told["address"]), ("mac", told["mac"]), ("vlan", map(str, told["vlan"]))):
        if told[kind]:
            click.echo(f"  {kind:7}  {' '.join(words)}")
    for each in told["learnt"]:
        since = time.strftime("%F %T", time.localtime(each["since"]))
        click.echo(f"  has      {each['address']}, by MAC address {each['mac']}, learnt {since}")
    if told["sites"]:
        click.echo(f"  behind   {' → '.join(told['sites'])}")
    if asleep:
        click.echo("  queue    none now: it is made with the first packet")
    heads: tuple[str, ...] = ("class", "", "way", ">rate", ">ceil")
    rows: list[tuple[Any, ...]] = [
        (c["name"], c["kind"], c["direction"], rate(c["rate"]), rate(c["ceil"])) for c in classes
    ]
    if counted:
        heads += (">packets", ">bytes", ">dropped", ">waiting", "last")
        rows = [(*row, *_counts(c["counters"])) for row, c in zip(rows, classes, strict=True)]
    print_table(heads, rows)


def _there(checked: Checked, config: Path, name: str) -> None:
    known = checked.policy.subscribers.entries
    if name not in known:
        from dpi.policy.findings import near

        raise UsageError(f"{config}: there is no subscriber {name}{near(name, known)}")


def _running(config: Path, name: str) -> dict[str, Any]:
    """What the daemon says of this subscriber; nothing where it has another policy in force, or there is none."""
    from dpi.control import call, socket_path

    if not socket_path().exists():
        return {}
    try:
        told: dict[str, Any] = call("subscriber", id=name)
    except DpiError:
        return {}
    return told if Path(told["config"][0]).resolve() == config.resolve() else {}


def _counts(counters: dict[str, Any] | None) -> tuple[Any, ...]:
    if counters is None:
        return ("",) * 5
    c = counters
    return c["packets"], size(c["bytes"]), c["drops"], size(c["backlog"]), ago(c["last_hit"])


@command.command()
@click.argument("name", metavar="ID")
@config_option
@click.option("--tariff", required=True, help="What they get.")
@click.option("--address", multiple=True, help="Address or prefix; may be given more than once.")
@click.option("--mac", multiple=True, help="MAC address of a device of theirs; likewise.")
@click.option("--vlan", multiple=True, type=click.IntRange(1, 4094), help="VLAN that is theirs; likewise.")
@click.option("--parent", metavar="SITE", help="The site that they are behind.")
@file_option
@dry_run_option
def add(
    name: str,
    config: Path,
    tariff: str,
    address: tuple[str, ...],
    mac: tuple[str, ...],
    vlan: tuple[int, ...],
    parent: str | None,
    file: Path | None,
    dry_run: bool,
) -> None:
    """Add a subscriber, known by addresses, by the MAC addresses of their devices, or by their VLAN.

    \b
    dpi subscribers add s1005 --tariff basic --mac 02:11:22:33:44:55
    dpi subscribers add s1004 --tariff home-100 --address 100.64.1.9 --address 2001:db8:41::/56 --parent mast-3
    """
    from dpi.policy.subscriber_entries import Entry
    from dpi.policy.subscriber_lists import part, places, usual_list

    if name in (known := places(config)):
        raise UsageError(f"{known[name][0]}: there is a subscriber {name} already")
    target = part(config, file) if file else usual_list(config)
    if not (address or mac or vlan):
        raise click.UsageError("known by what?  Give --address, --mac or --vlan")
    _edit(config, target, {name: Entry(tariff, address, parent, mac, tuple(map(str, vlan)))}, dry_run)


@command.command()
@click.argument("names", metavar="ID...", nargs=-1, required=True)
@config_option
@dry_run_option
def remove(names: tuple[str, ...], config: Path, dry_run: bool) -> None:
    """Remove subscribers that stand in one file."""
    files = {name: _place(config, name)[0] for name in names}
    if len(set(files.values())) > 1:
        raise UsageError(f"they stand in several files: {', '.join(sorted(map(str, set(files.values()))))}")
    _edit(config, files[names[0]], dict.fromkeys(names), dry_run)


@command.command("set")
@click.argument("name", metavar="ID")
@config_option
@click.option("--tariff", help="Another tariff.")
@_keys("address", "addresses")
@_keys("mac", "MAC addresses")
@_keys("vlan", "VLANs")
@click.option("--parent", metavar="SITE", help="Behind this site.")
@click.option("--no-parent", is_flag=True, help="Behind no site.")
@dry_run_option
def set_(
    name: str,
    config: Path,
    tariff: str | None,
    parent: str | None,
    no_parent: bool,
    dry_run: bool,
    **keys: tuple[str, ...],
) -> None:
    """Change a subscriber where it stands."""
    from dpi.policy.table import KEYS

    if not (tariff or parent or no_parent or any(keys.values())):
        raise click.UsageError("nothing to change: give --tariff, --address, --parent, …")
    if parent and no_parent:
        raise click.UsageError("--parent and --no-parent exclude each other")
    file, entry = _place(config, name)
    left = {kind: _left(name, kind, entry.keys()[kind], keys) for kind in KEYS}
    if not any(left.values()):
        raise UsageError(f"{name} would have no address, MAC address or VLAN; remove the subscriber instead")
    after = entry._replace(tariff=tariff or entry.tariff, parent=None if no_parent else parent or entry.parent, **left)
    _edit(config, file, {name: after}, dry_run)


def _left(name: str, kind: str, known: tuple[str, ...], asked: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What a subscriber is known by of one kind, when it is changed as asked."""
    from dpi.policy.subscriber_entries import canonical

    left = list(asked[kind] or known)
    for gone in asked[f"remove_{kind}"]:
        if canonical(gone) not in map(canonical, left):
            raise UsageError(f"{name} does not have {gone}; there are {' '.join(left) or 'none'}")
        left = [key for key in left if canonical(key) != canonical(gone)]
    return tuple(left + [key for key in asked[f"add_{kind}"] if canonical(key) not in map(canonical, left)])


@command.command("import")
@click.argument("source", metavar="FILE", type=click.Path(path_type=Path))
@config_option
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="The list to put it into.  [default: of the same name as FILE's kind: subscribers.csv, subscribers.yaml]",
)
@click.option("--merge", is_flag=True, help="Add and change only; who is not in FILE stays as they are.")
@click.option("--force", is_flag=True, help="Also where more than half of the list would go.")
@click.option("--all", "every", is_flag=True, help=f"Print every change, not {SHOWN} of each kind.")
@dry_run_option
@json_option
def import_(
    source: Path,
    config: Path,
    into: Path | None,
    merge: bool,
    force: bool,
    every: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put a whole list in the place of another, all of it or nothing, and say what changes.

    FILE is a CSV or YAML list.  With --dry-run nothing is written.  Anything wrong with the list is told with its
    line and column there, and nothing is changed.
    """
    from dpi.policy.load import TABLE, drop_in_folder
    from dpi.policy.subscriber_lists import Import, part, put
    from dpi.vocabulary import vocabulary

    name = "subscribers.csv" if source.suffix == TABLE else "subscribers.yaml"
    target = part(config, into) if into else drop_in_folder(config) / name
    if source.exists() and target.exists() and source.samefile(target):
        raise UsageError(f"{source}: is that list itself")
    change = put(config, Import(source, target, merge, force), vocabulary, dry_run=dry_run)
    if as_json:
        print_json({"into": str(target), "written": not dry_run, **change.to_json()})
        return
    for line in _difference(change, None if every else SHOWN):
        click.echo(line)
    if not dry_run and change:
        click.echo(f"written to {target}")


def _difference(change: Difference, most: int | None) -> list[str]:
    from dpi.policy.subscriber_lists import change_words

    counts = f"+{len(change.added):,} -{len(change.removed):,} ~{len(change.changed):,}"
    lines = [f"subscribers: {counts}, {change.kept:,} as before"]
    kinds: tuple[tuple[dict[str, Any], Callable[[str, Any], str]], ...] = (
        (change.added, lambda name, e: f"+ {name}: {e}"),
        (change.removed, lambda name, e: f"- {name}: {e}"),
        (change.changed, lambda name, pair: f"~ {name}: {change_words(*pair)}"),
    )
    for found, words in kinds:
        lines += [words(name, found[name]) for name in list(found)[:most]]
        if most is not None and len(found) > most:
            lines.append(f"  … {len(found) - most:,} more (--all)")
    return lines


def _place(config: Path, name: str) -> tuple[Path, Entry]:
    """The one file in which a subscriber stands, and what it says."""
    from dpi.policy.findings import near
    from dpi.policy.subscriber_entries import entries, parsed
    from dpi.policy.subscriber_lists import content, places

    known = places(config)
    if name not in known:
        raise UsageError(f"{config}: there is no subscriber {name}{near(name, known)}")
    if len(known[name]) > 1:
        raise UsageError(f"subscriber {name} stands in {', '.join(map(str, known[name]))}; edit these by hand")
    file = known[name][0]
    return file, entries(parsed(content(file), file))[name]


def _edit(config: Path, file: Path, changes: Changes, dry_run: bool) -> None:
    from dpi.policy.rewrite import rewrite
    from dpi.policy.subscriber_lists import edited
    from dpi.vocabulary import vocabulary

    difference = rewrite(config, file, lambda text: edited(text, file, changes), names=vocabulary, dry_run=dry_run)
    click.echo(difference or f"{file}: nothing to change", nl=not difference)
