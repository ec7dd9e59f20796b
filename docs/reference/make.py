"""Writes what the reference repeats of the code: cli.md from the commands' help, tables in the other pages.

    python docs/reference/make.py            writes the files
    python docs/reference/make.py --check    exit code 1 where one of them is not as it would be written

A page may have a part of its own making, between `<!-- made: NAME -->` and `<!-- /made -->`; all else in it is
written by hand.  tests/unit/test_docs.py holds pages and code together.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PART = re.compile(r"(?P<head><!-- made: (?P<name>\w+) -->\n).*?(?P<tail><!-- /made -->)", re.S)


def commands() -> str:
    """Every command: how it is called, what it does, its options."""
    from dpi.cli import dpi

    return "\n".join(line for command in _walk(dpi, "dpi", None) for line in _command(command))


def _walk(command: click.Command, name: str, parent: click.Context | None) -> Iterator[click.Context]:
    ctx = click.Context(command, info_name=name, parent=parent)
    yield ctx
    if isinstance(command, click.Group):
        for sub in command.list_commands(ctx):
            found = command.get_command(ctx, sub)
            if found:
                yield from _walk(found, sub, ctx)


def _command(ctx: click.Context) -> Iterator[str]:
    command = ctx.command
    pieces = " ".join([ctx.command_path, *command.collect_usage_pieces(ctx)])
    yield from (f"## {ctx.command_path}", "", f"    {pieces}", "")
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b\n"):
            yield from (*(f"    {line}" for line in paragraph.splitlines()[1:]), "")
        else:
            yield from (" ".join(paragraph.split()), "")
    options = [p for p in command.params if isinstance(p, click.Option) and p.help and not p.hidden]
    if options:
        yield from (
            "| option | |",
            "|---|---|",
            *(f"| `{_cell(_spelt(o))}` | {_cell(_said(o))} |" for o in options),
            "",
        )
    if isinstance(command, click.Group) and ctx.parent:
        names = [f"{ctx.command_path} {sub}" for sub in command.list_commands(ctx)]
        yield from (*(f"* [{name}](#{name.replace(' ', '-')})" for name in names), "")


def _spelt(option: click.Option) -> str:
    """`--limit N`; made here, as click's own words differ from one version to the next."""
    words = ", ".join(option.opts) + "".join(f" / {word}" for word in option.secondary_opts)
    if option.is_flag:
        return words
    kind = option.type
    value = f"[{'|'.join(kind.choices)}]" if isinstance(kind, click.Choice) else kind.name.split()[0].upper()
    return f"{words} {option.metavar or ('N' if value in ('INTEGER', 'FLOAT') else value)}"


def _said(option: click.Option) -> str:
    extra = [f"default: {option.default}"] if option.show_default else []
    kind = option.type
    if isinstance(kind, click.IntRange | click.FloatRange):
        ends = (kind.min, kind.max)
        extra += [" to ".join(f"{end:,}" for end in ends)] if None not in ends else []
    return (option.help or "") + (f" [{'; '.join(extra)}]" if extra else "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def fields() -> str:
    """Every field of a record."""
    from dpi.record.fields import FIELDS

    return "\n".join(["| field | |", "|---|---|", *(f"| `{name}` | {_cell(says)} |" for name, says in FIELDS.items())])


def risks() -> str:
    """Every risk with its score."""
    from dpi.dissect.risks import RISKS

    rows = (f"| `{risk.slug}` | {risk.score} | {_cell(risk.meaning)} |" for risk in RISKS)
    return "\n".join(["| risk | score | |", "|---|---|---|", *rows])


PARTS: dict[str, Callable[[], str]] = {"commands": commands, "fields": fields, "risks": risks}


def made(page: str) -> str:
    """The page with its parts made anew."""
    return PART.sub(lambda m: f"{m['head']}{PARTS[m['name']]().strip()}\n{m['tail']}", page)


def main() -> int:
    wrong = 0
    for file in sorted(REFERENCE.glob("*.md")):
        text = file.read_text()
        wanted = made(text)
        if wanted == text:
            continue
        wrong += 1
        if "--check" in sys.argv:
            print(f"{file.relative_to(ROOT)}: not as the code has it; run python docs/reference/make.py")
        else:
            file.write_text(wanted)
            print(file.relative_to(ROOT))
    return 1 if wrong and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
