"""Which flows are meant: the options of `dpi classify` and `dpi flows`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from dpi.analyse.selection import Selection

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


def selection(
    apps: Sequence[str], categories: Sequence[str], hosts: Sequence[str], ports: Sequence[str]
) -> Selection | None:
    """Of what was given, None where that is nothing.  Raises UsageError where a host or a port is none."""
    if not (apps or categories or hosts or ports):
        return None
    from dpi.analyse.selection import Selection

    return Selection.of(apps, hosts, ports, categories)
