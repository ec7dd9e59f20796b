"""`dpi rules`: list the rules of a policy, and edit them in the files where they stand."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpi.cli.output import ago, json_option, print_json, print_table, size
from dpi.cli.policy_file import checked_policy, config_option, plan_here
from dpi.errors import DpiError, UsageError

if TYPE_CHECKING:
    from dpi.policy.check import Checked
    from dpi.policy.edit import RulesText

dry_run_option = click.option("--dry-run", is_flag=True, help="Print the difference, write nothing.")


@click.group()
def command() -> None:
    """List and edit the rules of a policy.

    Edits keep every comment and every other byte of the file, and are refused where the policy would not pass
    its check afterwards.
    """


@command.command("list")
@config_option
@json_option
def list_(config: Path, as_json: bool) -> None:
    """List the rules in the order in which they are tried.

    Where the daemon has this policy in force: with the flows that each has now and had in all, what they carried, and
    when the last packet came (within half a minute).
    """
    from dpi.policy.order import ordered

    checked = checked_policy(config)
    counted = _counted(config)
    schedules = _schedules(checked)
    rules = [
        _described(checked, name)
        | {
            "schedules": [schedules[s] for s in checked.policy.rules[name].match.during],
            "counters": counted.get(name),
        }
        for name in ordered(checked.policy.rules)[0]
    ]
    if as_json:
        print_json(rules)
        return
    rows = [
        (i, r["name"], r["match"], r["does"], r["where"], _now(r), *_counts(r["counters"]))
        for i, r in enumerate(rules, 1)
    ]
    columns = (">flows", ">in all", ">packets", ">bytes", ">policed", "last") if counted else ()
    print_table((">#", "rule", "match", "does", "where", "", *columns), [row[: 6 + len(columns)] for row in rows])


def _schedules(checked: Checked) -> dict[str, dict[str, Any]]:
    """Each schedule with how it is with it now."""
    from dpi.policy.schedule import state, told

    now = time.time()
    found = {}
    for schedule in plan_here(checked).conditions.schedules:
        holds, since, until = state(schedule, now)
        found[schedule.name] = {
            "name": schedule.name,
            "holds": holds,
            "since": since,
            "until": until,
            "words": told(schedule, now),
        }
    return found


def _now(rule: dict[str, Any]) -> str:
    if not rule["enabled"]:
        return "disabled"
    return "; ".join(f"{s['name']} {s['words']}" for s in rule["schedules"])


def _counted(config: Path) -> dict[str, dict[str, Any]]:
    """What the daemon counted for the rules of this policy; nothing where it has another in force, or there is none."""
    from dpi.control import call, socket_path

    if not socket_path().exists():
        return {}
    try:
        status = call("status")
    except DpiError:
        return {}
    if Path(status["config"][0]).resolve() != config.resolve():
        return {}
    keys = (
        "flows",
        "flows_total",
        "packets",
        "bytes",
        "bytes_down",
        "bytes_up",
        "policed_packets",
        "policed_bytes",
        "last_hit",
    )
    return {row["name"]: {key: row[key] for key in keys} for row in status["rules"]}


def _counts(counters: dict[str, Any] | None) -> tuple[Any, ...]:
    if counters is None:
        return ("",) * 6
    c = counters
    policed = size(c["policed_bytes"]) if c["policed_bytes"] else ""
    return c["flows"], c["flows_total"], c["packets"], size(c["bytes"]), policed, ago(c["last_hit"])


def _described(checked: Checked, name: str) -> dict[str, Any]:
    from dpi.policy.compile import planned_match
    from dpi.policy.show import conditions, rule_actions

    rule = checked.policy.rules[name]
    return {
        "name": name,
        "where": checked.document.where(("rules", name)),
        "enabled": rule.enabled,
        "match": conditions(planned_match(rule.match)),
        "does": rule_actions(rule),
        "rule": checked.document.at(("rules", name)).data(),
    }


@command.command()
@click.argument("name")
@config_option
@json_option
def show(name: str, config: Path, as_json: bool) -> None:
    """Show one rule: what it says, where it stands, what it comes to."""
    checked = checked_policy(config)
    if name not in checked.policy.rules:
        from dpi.policy.findings import near

        raise UsageError(f"{config}: there is no rule {name}{near(name, checked.policy.rules)}")
    described = _described(checked, name)
    plan = plan_here(checked)
    disposition = next((d for d in plan.kernel.dispositions if d.name == name), None)
    described["disposition"] = disposition.number if disposition else None
    if as_json:
        print_json(described)
        return
    click.echo(f"{name}  ({described['where']}){'' if described['enabled'] else '  disabled'}")
    click.echo(f"  when  {described['match']}")
    click.echo(f"  then  {described['does']}")
    if disposition:
        click.echo(f"  mark  {plan.kernel.marks.disposition(disposition.number):#010x}")


CONDITIONS = (
    "app",
    "category",
    "protocol",
    "host",
    "local",
    "remote",
    "port",
    "transport",
    "dscp_in",
    "vlan",
    "mac",
    "device",
    "during",
)


@command.command()
@click.argument("name")
@config_option
@click.option("--app", multiple=True, help="App or protocol label; all conditions may be given more than once.")
@click.option("--category", multiple=True, help="Category of the app.")
@click.option("--protocol", multiple=True, help="Protocol label.")
@click.option("--host", multiple=True, help="Name of the server: example.org, *.example.org, =example.org.")
@click.option("--local", multiple=True, help="Group, address or prefix on the LAN's side.")
@click.option("--remote", multiple=True, help="Group, address or prefix on the Internet's side.")
@click.option("--port", multiple=True, help="Port that was opened to, or a range.")
@click.option("--transport", multiple=True, type=click.Choice(["tcp", "udp", "icmp", "sctp"]), help="What carries it.")
@click.option("--dscp-in", multiple=True, help="DSCP that it came with.")
@click.option("--vlan", multiple=True, help="VLAN that it came in.")
@click.option("--mac", multiple=True, help="MAC address on the LAN's side, or its beginning (02:11:22).")
@click.option("--device", metavar="KIND", multiple=True, help="Kind of the device on the LAN's side: ios, android, tv.")
@click.option("--during", metavar="SCHEDULE", multiple=True, help="Only while this schedule is in force.")
@click.option("--direction", type=click.Choice(["out", "in"]), help="Opened from the LAN, or from outside.")
@click.option("--shape", metavar="CLASS", help="Put it into this class.")
@click.option("--dscp", help="Mark its packets.")
@click.option("--route", metavar="CACHE", help="Route its new connections to this cache.")
@click.option("--block", type=click.Choice(["reject", "drop"]), help="Answer with an error, or say nothing.")
@click.option("--allow", is_flag=True, help="Leave it alone.")
@click.option("--log", is_flag=True, help="Note its flows in the log.")
@click.option("--disabled", is_flag=True, help="Add it switched off.")
@click.option("--before", metavar="NAME", help="Stand before this rule instead of last.")
@click.option("--file", type=click.Path(path_type=Path), help="Write it into this drop-in of the policy.")
@dry_run_option
def add(
    name: str,
    config: Path,
    before: str | None,
    file: Path | None,
    dry_run: bool,
    direction: str | None,
    disabled: bool,
    **options: Any,
) -> None:
    """Add a rule.

    \b
    dpi rules add films --app netflix --shape video --before rest
    dpi rules add no-mail --local students --port 25 --transport tcp --block reject --log
    """
    match: dict[str, Any] = {}
    for key in CONDITIONS:
        values = [_number(value) for value in options.pop(key)]
        if values:
            match[key.removesuffix("_in")] = values[0] if len(values) == 1 else values
    if direction:
        match["direction"] = direction
    actions = {key: _number(value) for key, value in options.items() if value not in (None, False)}
    if not actions:
        raise UsageError(f"rule {name} would do nothing; add --shape, --dscp, --route, --block, --allow or --log")

    target = _part(config, file) if file else config
    places = _places(config)
    if name in places:
        raise UsageError(f"{places[name][0]}: there is a rule {name} already")
    rule: dict[str, Any] = {"enabled": False} if disabled else {}
    if before == "*" or (before is not None and places.get(before, [target]) != [target]):
        rule["before"], before = before, None  # it stands in another file
    if match:
        rule["match"] = match
    rule |= actions
    _edit(config, target, lambda text: text.add(name, rule, before), dry_run)


@command.command()
@click.argument("name")
@config_option
@dry_run_option
def remove(name: str, config: Path, dry_run: bool) -> None:
    """Remove a rule and the comments that are its own."""
    _edit(config, _only_place(config, name), lambda text: text.remove(name), dry_run)


@command.command()
@click.argument("name")
@config_option
@dry_run_option
def enable(name: str, config: Path, dry_run: bool) -> None:
    """Switch a rule on."""
    _edit(config, _place(config, name), lambda text: text.enable(name, True), dry_run)


@command.command()
@click.argument("name")
@config_option
@dry_run_option
def disable(name: str, config: Path, dry_run: bool) -> None:
    """Switch a rule off without removing it."""
    _edit(config, _place(config, name), lambda text: text.enable(name, False), dry_run)


@command.command()
@click.argument("name")
@config_option
@click.option("--before", metavar="NAME", help="Put it before this rule.")
@click.option("--after", metavar="NAME", help="Put it behind this rule.")
@click.option("--first", is_flag=True, help="Put it before all others of its file.")
@click.option("--last", is_flag=True, help="Put it behind all others of its file.")
@dry_run_option
def move(
    name: str, config: Path, before: str | None, after: str | None, first: bool, last: bool, dry_run: bool
) -> None:
    """Move a rule within its file."""
    if sum((before is not None, after is not None, first, last)) != 1:
        raise click.UsageError("one of --before, --after, --first and --last is needed")
    file = _only_place(config, name)
    for other in (before, after):
        if other is not None and _place(config, other) != file:
            raise UsageError(f"{other} stands in {_place(config, other)}; write `before: {other}` into {name}")

    def moved(text: RulesText) -> str:
        entry = text.rules.get(name)
        if entry is not None and "before" in entry.data():
            raise UsageError(f"{file}:{entry.line}: the place of {name} is given by its `before`; edit that")
        names = list(text.rules.entries)
        target = before
        if after is not None:
            rest = [n for n in names if n != name]
            target = ([*rest, None][rest.index(after) + 1]) if after in rest else name
        elif first:
            target = names[0]
        return text.move(name, target)

    _edit(config, file, moved, dry_run)


def _number(value: Any) -> Any:
    """What looks like a number in an option is one in the file."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else value


def _edit(config: Path, file: Path, change: Callable[[RulesText], str], dry_run: bool) -> None:
    from dpi.policy.edit import RulesText
    from dpi.policy.rewrite import rewrite
    from dpi.vocabulary import vocabulary

    def changed(text: str) -> str:
        return change(RulesText(text, str(file)))

    difference = rewrite(config, file, changed, names=vocabulary, dry_run=dry_run)
    click.echo(difference or f"{file}: nothing to change", nl=not difference)
    if not dry_run:
        for warning in checked_policy(config).warnings:
            click.echo(str(warning), err=True)


def _places(config: Path) -> dict[str, list[Path]]:
    """The files in which each rule is written."""
    from dpi.policy.load import TABLE, policy_files
    from dpi.policy.tree import Mapping, read

    found: dict[str, list[Path]] = {}
    for file in policy_files(config):
        if file.suffix == TABLE:
            continue
        try:
            root, _ = read(file.read_bytes(), str(file), [])
        except OSError as error:
            raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
        rules = root.get("rules") if root else None
        if isinstance(rules, Mapping):
            for name in rules.entries:
                found.setdefault(name, []).append(file)
    return found


def _place(config: Path, name: str) -> Path:
    """The file that has the last word on a rule."""
    from dpi.policy.findings import near

    places = _places(config)
    if name not in places:
        raise UsageError(f"{config}: there is no rule {name}{near(name, places)}")
    return places[name][-1]


def _only_place(config: Path, name: str) -> Path:
    last = _place(config, name)
    every = _places(config)[name]
    if len(every) > 1:
        raise UsageError(f"rule {name} is written in {', '.join(map(str, every))}; edit these by hand")
    return last


def _part(config: Path, file: Path) -> Path:
    """The policy's file that is meant, as the loader calls it.  It need not be there yet."""
    from dpi.policy.load import ENDINGS, drop_in_folder

    folder = drop_in_folder(config)
    if file.resolve() == config.resolve():
        return config
    if file.resolve().parent == folder.resolve() and file.suffix in ENDINGS and not file.name.startswith("."):
        return folder / file.name
    raise UsageError(f"{file}: is no part of this policy; its drop-ins are {folder}/*.yaml")
