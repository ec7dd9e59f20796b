"""Reads `tests` of a signature file: captures of its own, and how their flows must be named.

`dpi apps test` runs them; for all else they are only read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from dpi.match.nodes import Nodes
from dpi.match.words import SourceFile

TESTS_MAX = 1000
FLOWS_MAX = 1000
COUNT_MAX = 1_000_000
FIELDS = ("app", "protocol", "category", "hostname", "method", "l4", "src", "sport", "dst", "dport")
NONE = "none"  # of app, category, hostname, method: there is none

Slugs = list[tuple[SourceFile, yaml.Node, str, str]]  # labels that must exist, with where they are named


@dataclass(frozen=True, slots=True)
class Expectation:
    """How many flows of a capture agree with what is said of them: {field of the record: its text}."""

    fields: dict[str, str]
    count: tuple[int, int]
    where: str  # FILE:LINE:COL


@dataclass(frozen=True, slots=True)
class CaptureTest:
    """What must come of one capture."""

    capture: Path
    flows: tuple[Expectation, ...]
    where: str  # FILE:LINE:COL


def capture_tests(nodes: Nodes, file: SourceFile, node: yaml.Node) -> tuple[list[CaptureTest], Slugs]:
    """The tests of one file.  A capture's path is relative to the file; that it is there is not asked."""
    found: list[CaptureTest] = []
    slugs: Slugs = []
    for number, item in enumerate(nodes.items(file, node, "tests", TESTS_MAX)):
        path = f"tests[{number}]"
        pairs = nodes.mapping(file, item, path, ("capture", "flows"))
        if pairs.keys() != {"capture", "flows"}:
            nodes.finding(file, item, path, "needs `capture` and `flows`")
            continue
        capture = nodes.text(file, pairs["capture"].value, f"{path}.capture")
        if not capture or "\0" in capture:
            nodes.finding(file, pairs["capture"].value, f"{path}.capture", "a file's path is needed here")
        flows = []
        for i, each in enumerate(nodes.items(file, pairs["flows"].value, f"{path}.flows", FLOWS_MAX)):
            flows.append(_expectation(nodes, file, each, f"{path}.flows[{i}]", slugs))
        if not flows:
            nodes.finding(file, pairs["flows"].value, f"{path}.flows", "says nothing of any flow")
        spot = pairs["capture"].value
        found.append(CaptureTest(Path(file.path).parent / capture, tuple(flows), _where(file, spot)))
    return found, slugs


def _expectation(nodes: Nodes, file: SourceFile, node: yaml.Node, path: str, slugs: Slugs) -> Expectation:
    pairs = nodes.mapping(file, node, path, (*FIELDS, "count"))
    count = (1, COUNT_MAX)
    if "count" in pairs:
        count = nodes.span(file, pairs.pop("count").value, f"{path}.count", 0, COUNT_MAX)
    if not pairs:
        nodes.finding(file, node, path, f"says nothing of the flows (known: {', '.join(FIELDS)})")
    fields = {name: nodes.text(file, pair.value, f"{path}.{name}") for name, pair in pairs.items()}
    for name in ("app", "protocol"):
        if name in fields and fields[name] != NONE:
            slugs.append((file, pairs[name].value, f"{path}.{name}", fields[name]))
    return Expectation(fields, count, _where(file, node))


def _where(file: SourceFile, node: yaml.Node) -> str:
    return f"{file.path}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
