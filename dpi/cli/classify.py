"""`dpi classify`: names the flows of capture files, offline and without rights."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from dpi.cli.signatures import signatures_option

if TYPE_CHECKING:
    from dpi.record.fields import FlowRecord

Printer = Callable[[Iterator["FlowRecord"]], None]
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
    """Takes the value of --blind by = alone, so that a capture behind it is not taken for one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
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
    "--policy",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also say which rule of this policy each flow falls under.",
)
@click.option(
    "--max-flows",
    type=click.IntRange(1, 1 << 28),
    default=1 << 20,
    show_default=True,
    help="Flows kept at a time; beyond it the oldest undecided are given up.",
)
def command(
    captures: tuple[Path, ...],
    format_: str,
    as_json: bool,
    folders: tuple[Path, ...],
    min_confidence: float,
    risky: bool,
    blind: Blind | None,
    first_packet: bool,
    policy: Path | None,
    max_flows: int,
) -> None:
    """Name the flows of capture files.

    CAPTURES are pcap or pcapng files, whatever they are called, or directories of them; - is standard input.  Every
    file starts with nothing known.  A file that is damaged gives the flows up to there; it is reported, and the
    exit code is 2.
    """
    from dpi.cli.policy import planned
    from dpi.engine import Engine
    from dpi.errors import CaptureError
    from dpi.match.prefixes import Prefixes
    from dpi.match.signatures import load

    if policy is None:
        engine = Engine(load(folders), max_flows=max_flows)
    else:
        plan = planned(policy)
        engine = Engine(load([*plan.engine.signature_dirs, *folders]), max_flows=max_flows)
        engine.load_rules(plan.engine, plan.ids.routes)
        if plan.kernel.local:
            engine.local = Prefixes([(prefix, 1) for prefix in plan.kernel.local])
    faults: list[CaptureError] = []
    share = Share()

    def flows() -> Iterator[FlowRecord]:
        for path in progress(list(files(captures))):
            try:
                for record in share.of(
                    engine.classify(path, min_confidence, blind=blind or "", first_packet=first_packet)
                ):
                    if record.risks or not risky:
                        yield record
            except CaptureError as error:
                faults.append(error)
                click.echo(str(error), err=True)

    PRINTERS["jsonl" if as_json else format_](flows())
    if first_packet:
        click.echo(f"at the first packet: {share}", err=True)
    if faults:
        sys.exit(2)


class Share:
    """Counts, of the flows that pass by, those that have a name."""

    def __init__(self) -> None:
        self.flows = self.named = self.apps = 0

    def of(self, records: Iterable[FlowRecord]) -> Iterator[FlowRecord]:
        for record in records:
            self.flows += 1
            self.named += record.method is not None
            self.apps += record.app is not None
            yield record

    def __str__(self) -> str:
        named, apps = (f"{n} ({100 * n / max(self.flows, 1):.1f} %)" for n in (self.named, self.apps))
        return f"of {self.flows} flows {named} had a name, {apps} an app"


def files(captures: Iterable[Path]) -> Iterator[Path]:
    """The files meant, directories opened, in order."""
    for path in captures:
        if path.is_dir():
            yield from sorted(each for each in path.rglob("*") if each.is_file())
        else:
            yield path


def progress(paths: list[Path]) -> Iterable[Path]:
    """Says how far it is where someone watches, and only then."""
    if len(paths) < 2 or not sys.stderr.isatty() or sys.stdout.isatty():
        yield from paths
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(paths, description="captures", console=Console(stderr=True), transient=True)


def print_jsonl(records: Iterator[FlowRecord]) -> None:
    write = sys.stdout.write
    for record in records:
        write(record.as_json() + "\n")


def print_csv(records: Iterator[FlowRecord]) -> None:
    from dpi.record.fields import FIELDS

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(FIELDS)
    for record in records:
        writer.writerow([flat(value) for value in record.as_dict().values()])


def flat(value: Any) -> Any:
    """A value as one cell."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return json.dumps(value) if isinstance(value, bool) else value


def print_table(records: Iterator[FlowRecord]) -> None:
    """Aligned to what a terminal shows, or tab-separated in a pipe."""
    rows: Iterator[tuple[str, ...]] = (tuple(str(cell(record, name)) for name in TABLE_FIELDS) for record in records)
    if not sys.stdout.isatty():
        for row in (TABLE_FIELDS, *rows):
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for name in TABLE_FIELDS:
        table.add_column(name, justify="right" if name in ("sport", "dport", "packets") else "left")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def cell(record: FlowRecord, name: str) -> Any:
    if name == "packets":
        return record.packets_up + record.packets_down
    value = getattr(record, name)
    if isinstance(value, list):
        return " ".join(value) or "-"
    return "-" if value is None else value


PRINTERS: dict[str, Printer] = {"jsonl": print_jsonl, "csv": print_csv, "table": print_table}
