"""dpi lab: a small internet in network namespaces, for tries and tests."""

from __future__ import annotations

import os

import click

DEFAULT = "dpi-lab"
NAME = click.option("--name", default=DEFAULT, show_default=True, help="The lab's name, if you want several.")


@click.group("lab")
def command() -> None:
    """A small internet in network namespaces, for tries and tests.

    client -- lan0 [box] wan0 -- inet, and cdn0 -- cache.  Any name resolves and answers HTTP, TLS and HTTP/3;
    `dpi run` goes into the box.  Nothing outside the lab's own namespaces is touched.
    """


@command.command()
@NAME
def up(name: str) -> None:
    """Make the lab and start its servers."""
    from dpi.lab.lab import Lab

    Lab(name).up()
    which = "" if name == DEFAULT else f" --name {name}"
    click.echo(f"lab {name} is up; try: dpi lab exec{which} client -- curl https://www.netflix.com/")


@command.command()
@NAME
def down(name: str) -> None:
    """End the lab's servers and remove it."""
    from dpi.lab.lab import Lab

    Lab(name).down()


@command.command("exec", context_settings={"ignore_unknown_options": True})
@NAME
@click.argument("role", type=click.Choice(["client", "box", "inet", "cache"]))
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
def exec_(name: str, role: str, words: tuple[str, ...]) -> None:
    """Run a command inside one of the lab's namespaces."""
    from dpi.errors import UsageError
    from dpi.lab.lab import Lab

    lab = Lab(name)
    if not lab.is_up():
        raise UsageError(f"lab {name!r} is not up: dpi lab up")
    command = lab.inside(role, list(words))
    os.execvpe(command[0], command, lab.environment())  # in our place, so that signals and the exit code are its own
