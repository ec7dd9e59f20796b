"""`dpi classify`: names the flows of capture files, offline and without rights."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from math import isnan
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, Self

import click

from dpi.cli.bar import Bar
from dpi.cli.selection import selection, selection_options
from dpi.cli.signatures import signatures_option
from dpi.errors import DpiError, UsageError

if TYPE_CHECKING:
    from dpi.analyse.selection import Selection
    from dpi.captures import Captures
    from dpi.match.labels import Tables
    from dpi.record.lines import Lines

Blind = Literal["names", "dns"]
TABLE_FIELDS = (
    "capture",
    "l4",
    "src",
    "sport",
    "dst",
    "dport",
    "protocol",
    "app",
    "hostname",
    "method",
    "packets",
    "risks",
)


class Classify(click.Command):
    """Takes the value of --blind by = alone, so that a capture behind it is not taken for one.

    An empty argument, which a shell makes of a variable that is not set, is not the working directory.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "" in args:
            raise UsageError("an empty argument names no capture")
        return super().parse_args(ctx, ["--blind=names" if each == "--blind" else each for each in args])


@click.command(cls=Classify)
@click.argument("captures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "jsonl", "csv"]),
    default="table",
    show_default=True,
    help="A table for people; one JSON object a flow; or comma-separated values with a head line.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
@click.option(
    "--summary",
    is_flag=True,
    help="Not the flows but what they come to: by app, protocol, category, method, client, device, server, VLAN, risk "
    "and over time.",
)
@click.option("--top", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Rows a table of --summary.")
@selection_options
@signatures_option
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    default=0.0,
    help="Leave out apps and protocols that are less sure than this.",
)
@click.option("--risky", is_flag=True, help="Only flows with a risk (see the reference of risks).")
@click.option(
    "--blind",
    type=click.Choice(["names", "dns"]),
    help="Name flows as if no name could be read but those of DNS; --blind=dns: nor these.",
)
@click.option(
    "--first-packet", is_flag=True, help="Each flow as it is known when its first packet is through; and the share."
)
@click.option(
    "--joined",
    is_flag=True,
    help="The captures are pieces of one: in the order in which they begin, flows and names go on to the next.",
)
@click.option(
    "--live",
    is_flag=True,
    help="End flows as the router does: soon after they were closed or fell silent, and where their ports begin again.",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also say which rule of this policy each flow falls under.",
)
@click.option(
    "--max-flows",
    type=click.IntRange(1, 1 << 28),
    default=1 << 19,
    show_default=True,
    help="Flows kept at a time; beyond it the oldest undecided are given up.",
)
def command(
    captures: tuple[Path, ...],
    format_: str,
    as_json: bool,
    summary: bool,
    top: int,
    apps: tuple[str, ...],
    categories: tuple[str, ...],
    hosts: tuple[str, ...],
    ports: tuple[str, ...],
    folders: tuple[Path, ...],
    min_confidence: float,
    risky: bool,
    blind: Blind | None,
    first_packet: bool,
    joined: bool,
    live: bool,
    policy: Path | None,
    max_flows: int,
) -> None:
    """Name the flows of capture files.

    CAPTURES are pcap or pcapng files, whatever they are called, also compressed ones (gzip, bzip2, xz), or directories
    of them; - is standard input.  Every file starts with nothing known, but for --joined.  What two ports send each
    other is one flow, which is printed when it was silent for two hours of the capture's time (with --live as it ends),
    when room is needed for others, or at the end.  A file that is damaged gives the flows up to there; it is reported,
    and the exit code is 2.
    Ctrl-C ends reading, prints the flows known so far and exits with 130; a second one ends at once.

    \b
    dpi classify lan0.pcap
    dpi classify --summary --top 20 lan0.pcap
    dpi classify --app netflix --host 10.0.0.5 --json lan0.pcap
    tcpdump -r lan0.pcap -w - host 10.0.0.5 | dpi classify -
    """
    if isnan(min_confidence):
        raise UsageError("--min-confidence: nan is no number from 0 to 1")
    if summary and format_ == "csv" and not as_json:
        raise UsageError("--summary: a table or JSON, not csv")
    try:
        code = write(
            captures,
            "jsonl" if as_json else format_,
            top if summary else 0,
            folders,
            policy,
            max_flows,
            meant=selection(apps, categories, hosts, ports),
            min_confidence=min_confidence,
            risky=risky,
            blind=blind,
            first_packet=first_packet,
            joined=joined,
            live=live,
        )
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def write(
    captures: Iterable[Path],
    style: str,
    top: int,
    folders: Sequence[Path],
    policy: Path | None,
    max_flows: int,
    *,
    meant: Selection | None,
    min_confidence: float,
    risky: bool,
    blind: Blind | None,
    first_packet: bool,
    joined: bool,
    live: bool,
) -> int:
    """The exit code.  top: rows a table of a summary in place of flows, 0 for flows."""
    from dpi.errors import CaptureError
    from dpi.record.counts import Counts
    from dpi.record.fields import FIELDS

    classifier = named_by(folders, policy, max_flows)
    if meant:
        from dpi.analyse.known import known

        meant = known(meant, classifier.tables)
    paths = list(files(captures))
    if joined:
        from dpi.captures import begins

        paths.sort(key=begins)
    code = 0
    with Bar(paths) as bar, Stop() as stop:
        fields: Sequence[str] = TABLE_FIELDS if style == "table" else tuple(FIELDS)
        out = Output(bar, aligned=style == "table")
        lines = classifier.lines("jsonl" if top else style, fields, out, min_confidence=min_confidence, risky=risky)
        lines.wanted = meant.takes if meant else None
        lines.counts = counts = Counts() if top else None

        def watch(offset: int) -> bool:
            bar.at(offset)
            return stop.wanted

        core = None
        took = Counter[str]()
        for n, path in enumerate(bar.over(paths), 1):
            core = core or classifier.classifier(blind or "", first_packet=first_packet, live=live)
            try:
                classifier.write(core, path, lines, first_packet=first_packet, watch=watch)
            except CaptureError as error:
                with bar.aside():  # a call: Python handles a signal that ended the read before it
                    if not stop.wanted:
                        code = 2
                        click.echo(str(error), err=True)
            if stop.wanted or n == len(paths) or not joined:
                classifier.end(core, path, lines, first_packet=first_packet)
                took.update(core.counters())
                core = None
            if stop.wanted:
                code = 130
                break
        lines.flush()
    said: list[str] = []
    if counts or sys.stderr.isatty():
        from dpi.cli.classify_hints import hints

        said = hints(lines, paths)
    if counts:
        from dpi.analyse.summary import Outside, Summary
        from dpi.cli.classify_summary import tell

        tell(Summary(counts, Outside.of(took)), top, said, style == "jsonl")
    else:
        for each in said:
            click.echo(f"note: {each}", err=True)
    if first_packet:
        click.echo(f"at the first packet: {share(lines)}", err=True)
    return code


def named_by(folders: Sequence[Path], policy: Path | None, max_flows: int) -> Captures:
    """What names flows by these signatures, and decides by this policy."""
    from dpi.captures import Captures

    if policy is None:
        return Captures(tables(folders), max_flows=max_flows)
    from dpi.cli.policy_file import planned

    plan = planned(policy)
    classifier = Captures(tables([*plan.engine.signature_dirs, *folders]), max_flows=max_flows)
    classifier.follow(plan)
    return classifier


def tables(folders: Sequence[str | Path]) -> Tables:
    """What flows are named by: the built-in signatures, and those of the folders."""
    if not folders:
        from dpi.match import kept

        return kept.tables()
    from dpi.match.signatures import load

    return load(folders)


def share(lines: Lines) -> str:
    """How many of the flows taken have a name."""
    counts = (lines.named, lines.guessed, lines.apps)
    named, guessed, apps = (f"{n} ({100 * n / max(lines.flows, 1):.1f} %)" for n in counts)
    return f"of {lines.flows} flows {named} had a name, {guessed} by nothing but a port, {apps} an app"


def files(captures: Iterable[Path]) -> Iterator[Path]:
    """The files meant, directories opened, in order."""
    for path in captures:
        if path.is_dir():
            yield from sorted(within(path))
        else:
            yield path


def within(folder: Path) -> Iterator[Path]:
    """The files in a folder and all below it; and what may not be looked into, so that opening it says why."""
    closed: list[Path] = []
    for at, _, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        for each in (Path(at, name) for name in names):
            try:
                if each.is_file():
                    yield each
            except OSError:
                yield each
    yield from closed


class Stop:
    """The first Ctrl-C is a wish, so that no line is cut or written twice; the second one is a KeyboardInterrupt."""

    def __init__(self) -> None:
        self.wanted = False
        self._before: Any = None

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before != signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)


class Output:
    """Standard output, for whole lines in large pieces: past Python's buffer, so that nothing is left in it when the
    disk is full or the reader has gone.  To a terminal it gives way to the bar, and a table is aligned."""

    def __init__(self, bar: Bar, aligned: bool) -> None:
        self._bar = bar
        self._terminal = sys.stdout.isatty()
        self._aligned = aligned and self._terminal
        self._file: Any = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer)

    def fileno(self) -> int:
        return int(self._file.fileno())

    def write(self, data: memoryview) -> int | None:
        """Bytes written, None where the other side takes none just now.  Raises DpiError, BrokenPipeError."""
        try:
            if not self._terminal:
                written: int | None = self._file.write(data)
                return written
            with self._bar.aside():
                return self._table(data) if self._aligned else self._file.write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise DpiError(f"standard output: {error.strerror}") from error

    def _table(self, data: memoryview) -> int:
        """As aligned as the lines that come together allow."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold")
        for name in TABLE_FIELDS:
            right = name in ("sport", "dport", "packets")
            table.add_column(name, justify="right" if right else "left", overflow="fold")
        for row in bytes(data).decode().splitlines():
            cells = row.split("\t")
            if tuple(cells) != TABLE_FIELDS:
                table.add_row(*map(Text, cells))
        Console().print(table)
        return len(data)
