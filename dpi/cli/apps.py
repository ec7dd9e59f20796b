"""dpi apps: what can be named, and what a name or an address would be named."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dpi.cli import apps_test, apps_update
from dpi.cli.output import json_option, print_json, print_table
from dpi.cli.signatures import signatures_option
from dpi.errors import UsageError

if TYPE_CHECKING:
    from dpi.match.labels import Label, Match, Signatures

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?\.?")


def load(folders: tuple[Path, ...]) -> Signatures:
    from dpi.match import signatures

    return signatures.load(folders)


@click.group("apps")
def command() -> None:
    """List what can be named, try a name, and test signature files."""


command.add_command(apps_test.command)
command.add_command(apps_update.command)


@command.command("list")
@click.option("--category", metavar="CATEGORY", help="Only those of a category and of those within it.")
@signatures_option
@json_option
def list_(category: str | None, folders: tuple[Path, ...], as_json: bool) -> None:
    """List apps and protocols with what they are told by.

    How many host names, prefixes and ports; and whether their own packets tell them.
    """
    from dpi.analyse.known import within
    from dpi.dissect.told_by import told_by

    signatures = load(folders)
    wanted = within(signatures, category) if category else None
    counts = {kind: Counter(label.id for label in signatures.owners(kind)) for kind in ("hosts", "prefixes", "ports")}
    labels = [
        label
        for label in sorted(signatures.by_slug.values(), key=lambda label: label.slug)
        if wanted is None or label.category.slug in wanted
    ]
    rows = [[counts[kind][label.id] for kind in ("hosts", "prefixes", "ports")] for label in labels]
    packets = [bool(told_by(label.id) or signatures.declared_at(label.id)) for label in labels]
    if as_json:
        print_json(
            [
                _label(label) | dict(zip(("hosts", "prefixes", "ports"), row, strict=True)) | {"packets": told}
                for label, row, told in zip(labels, rows, packets, strict=True)
            ]
        )
        return
    print_table(
        ["slug", "name", "kind", "category", ">hosts", ">prefixes", ">ports", "packets"],
        [
            [label.slug, label.name, label.kind, label.category.slug, *(n or "" for n in row), "yes" if told else ""]
            for label, row, told in zip(labels, rows, packets, strict=True)
        ],
    )


@command.command("show")
@click.argument("slug")
@signatures_option
@json_option
def show(slug: str, folders: tuple[Path, ...], as_json: bool) -> None:
    """Show everything that is known of an app or protocol."""
    from dpi.dissect.told_by import told_by

    signatures = load(folders)
    label = signatures.by_slug.get(slug.lower())
    if label is None:
        from dpi.analyse.known import close_to

        raise UsageError(f"there is no app {slug!r}{close_to(slug, list(signatures.by_slug))}")
    entries = {kind: list(signatures.entries(label, kind)) for kind in ("hosts", "prefixes", "ports")}
    declared, ruled = signatures.declared_at(label.id), signatures.rules_of(label)
    if as_json:
        print_json(
            _label(label)
            | {"description": label.description, "shared": label.shared, "mixed": label.mixed, "where": label.where}
            | {
                kind: [{"entry": entry.text, "where": entry.where} for entry in found]
                for kind, found in entries.items()
            }
            | {"packets": told_by(label.id), "signatures": declared, "rules": [rule.where for rule in ruled]}
        )
        return
    click.echo(f"{label.name} ({label.slug}), {label.kind}, {label.category.name} ({label.category.slug})")
    if label.description:
        click.echo(label.description)
    if label.shared:
        click.echo("shared: carries others' apps too, so any other app's name is better evidence")
    if label.mixed:
        click.echo("mixed: other services of its owner are at its addresses, so an address alone names none")
    for part, other in (("video", label.video), ("calls", label.calls), ("push", label.push)):
        if other:
            click.echo(f"its {part}: {signatures.by_slug[other].name} ({other})")
    click.echo(f"defined at {label.where}")
    if told := told_by(label.id):
        click.echo("\nits own packets: " + "; ".join(told))
    for kind, found in entries.items():
        sources = dict.fromkeys(entry.about for entry in found if entry.about)
        if found:
            click.echo(f"\n{kind} ({len(found)})" + "".join(f"; {about}" for about in sources))
            print_table(["entry", "where"], [[entry.text, entry.where] for entry in found])
    if declared:
        click.echo(f"\nsignatures of bytes ({len(declared)})\n" + "\n".join(declared))
    if ruled:
        click.echo(f"\nrules ({len(ruled)})")
        print_table(["all of", "where"], [[rule, rule.where] for rule in ruled])


@command.command("match")
@click.argument("what", metavar="NAME|ADDRESS")
@signatures_option
@json_option
def match(what: str, folders: tuple[Path, ...], as_json: bool) -> None:
    """Tell what a host name or an address would be named, and by which line of which file.

    Rules that ask for it are listed as well: where all that one asks for holds, it beats everything else.
    """
    if not _is_address(what) and not _NAME.fullmatch(what):
        raise UsageError(f"{what!r} is neither a host name nor an address")
    signatures = load(folders)
    found, ruled = signatures.explain(what), signatures.rules_for(what)
    if as_json:
        answers = [_match(each) for each in found]
        rules = [{"slug": slug, "all_of": str(rule), "where": rule.where} for slug, rule in ruled]
        print_json({"what": what, "match": answers[0] if answers else None, "also": answers[1:], "rules": rules})
        return
    if not found:
        click.echo(f"{what}: nothing is known of it" if not ruled else f"{what}: rules alone ask for it")
    else:
        label = found[0].entry.label
        shared = ", shared by others' apps" if label.shared else ""
        click.echo(f"{what}: {label.name} ({label.slug}), {label.category.name}{shared}")
        print_table(
            ["", "label", "entry", "how", "where"],
            [
                ["by" if i == 0 else "also", each.entry.label.slug, each.entry.text, each.how, each.entry.where]
                for i, each in enumerate(found)
            ],
        )
    if ruled:
        print_table(["rule of", "all of", "where"], [[slug, rule, rule.where] for slug, rule in ruled])


@command.command("categories")
@signatures_option
@json_option
def categories(folders: tuple[Path, ...], as_json: bool) -> None:
    """List categories and how many apps and protocols each has."""
    signatures = load(folders)
    kinds = {kind: Counter[str]() for kind in ("app", "protocol")}
    for label in signatures.by_slug.values():
        kinds[label.kind][label.category.slug] += 1
    rows = [
        (each, kinds["app"][each.slug], kinds["protocol"][each.slug])
        for each in sorted(signatures.categories, key=lambda each: each.slug)
    ]
    if as_json:
        print_json(
            [
                {"slug": each.slug, "name": each.name, "within": each.within, "apps": apps, "protocols": protocols}
                for each, apps, protocols in rows
            ]
        )
        return
    print_table(
        ["category", "name", "within", ">apps", ">protocols"],
        [[each.slug, each.name, each.within, apps, protocols] for each, apps, protocols in rows],
    )


def _is_address(text: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _label(label: Label) -> dict[str, Any]:
    return {"slug": label.slug, "name": label.name, "kind": label.kind, "category": label.category.slug}


def _match(match: Match) -> dict[str, Any]:
    entry = match.entry
    return _label(entry.label) | {
        "entry": entry.text,
        "how": match.how,
        "where": entry.where,
        "source": entry.about,
        "shared": entry.label.shared,
    }
