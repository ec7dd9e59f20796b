"""Which flows of captures are meant: the options of `dpi classify`, and whether there is what they name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dpi.errors import UsageError

if TYPE_CHECKING:
    from dpi.analyse.selection import Selection
    from dpi.match.labels import Tables

F = TypeVar("F", bound=Callable[..., Any])
OPTIONS = {
    "app": "Only flows of this app or protocol; @no-app: those without an app, @unnamed: without a protocol either.",
    "category": "Only flows of this category, or of one within it.",
    "host": "Only flows with this address (or one in this prefix) at either end, or this host name (or one below it; "
    "*.example.org: only below, =example.org: only itself).",
    "port": "Only flows with this port at either end: 443, 8000-8100, tcp/443.",
}


def selection_options(function: F) -> F:
    """Its arguments are the plurals: apps, categories, hosts, ports."""
    for name, says in reversed(OPTIONS.items()):
        plural = "categories" if name == "category" else f"{name}s"
        option = click.option(f"--{name}", plural, multiple=True, help=f"{says} Repeated: any of them.")
        function = option(function)
    return function


def selection(apps: Sequence[str], categories: Sequence[str], hosts: Sequence[str], ports: Sequence[str]) -> Selection:
    """Of what was given.  Raises UsageError where a host or a port is none."""
    from dpi.analyse.selection import Selection

    return Selection.of(apps, hosts, ports, categories)


def known(selection: Selection, tables: Tables) -> Selection:
    """With the categories within those that are meant.  Raises UsageError where there is no such app or category."""
    from dpi.analyse.selection import WORDS

    for app in sorted(selection.apps - tables.by_slug.keys() - {*WORDS}):
        from dpi.cli.apps import close_to

        near = close_to(app, [*tables.by_slug, *WORDS])
        if app in tables.category_by_slug:
            near = f"; for the category: --category {app}"
        raise UsageError(f"there is no app or protocol {app!r}{near}")
    if not selection.categories:
        return selection
    from dpi.cli.apps import within

    meant = {slug for each in selection.categories for slug in within(tables, each)}
    return replace(selection, categories=frozenset(meant))
