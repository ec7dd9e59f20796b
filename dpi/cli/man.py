"""dpi man: man pages made of the commands' own help, so that they cannot disagree."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from dpi import __version__


@click.command("man")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.pass_context
def command(ctx: click.Context, directory: Path) -> None:
    """Write the man pages into DIRECTORY (for instance /usr/local/share/man/man1)."""
    directory.mkdir(parents=True, exist_ok=True)
    root = ctx.find_root()
    for page in _pages(root.command, root.info_name or "dpi", None):
        name = page.command_path.replace(" ", "-")
        (directory / f"{name}.1").write_text(_page(page))


def _pages(command: click.Command, name: str, parent: click.Context | None) -> Iterator[click.Context]:
    ctx = click.Context(command, info_name=name, parent=parent)
    yield ctx
    if isinstance(command, click.Group):
        for sub in command.list_commands(ctx):
            if found := command.get_command(ctx, sub):
                yield from _pages(found, sub, ctx)


def _page(ctx: click.Context) -> str:
    """One page in roff (man(7))."""
    command = ctx.command
    name = ctx.command_path.replace(" ", "-")
    day = datetime.date.today().isoformat()
    lines = [f'.TH {name.upper()} 1 "{day}" "dpi {__version__}"', ".SH NAME"]
    lines.append(f"{name} \\- {_escape(command.get_short_help_str(200))}")
    lines += [".SH SYNOPSIS", f".B {ctx.command_path}", _escape(" ".join(command.collect_usage_pieces(ctx)))]
    if command.help:
        lines += [".SH DESCRIPTION", *map(_paragraph, inspect.cleandoc(command.help).split("\n\n"))]
    records = [r for p in command.get_params(ctx) if (r := p.get_help_record(ctx))]
    if records:
        lines.append(".SH OPTIONS")
        lines += [f".TP\n.B {_escape(option)}\n{_escape(text)}" for option, text in records]
    if isinstance(command, click.Group):
        lines.append(".SH COMMANDS")
        for sub in command.list_commands(ctx):
            if found := command.get_command(ctx, sub):
                lines.append(f".TP\n.B {sub}\n{_escape(found.get_short_help_str(200))}")
    if not ctx.parent:
        lines += [".SH EXIT STATUS", "0: done.  1: it failed.  2: wrong usage or input."]
    return "\n".join(lines) + "\n"


def _paragraph(text: str) -> str:
    """As click means it: one that starts with \\b keeps its lines."""
    if not text.startswith("\b\n"):
        return ".PP\n" + _escape(text)
    lines = "\n".join(_escape(line) for line in text.splitlines()[1:])
    return f".PP\n.nf\n{lines}\n.fi"


def _escape(text: str) -> str:
    text = " ".join(text.split()) if "\n" in text else text
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text
