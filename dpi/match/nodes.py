"""Reads nodes of a signature file: each kind of value in one way, with what is wrong as a finding at its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import yaml

from dpi.errors import Finding
from dpi.match.words import SourceFile

_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{0,9}))?", re.A)


class Pair(NamedTuple):
    """A key of a mapping and its value."""

    key: yaml.Node
    value: yaml.Node


class Nodes:
    """What is wrong stands in `findings`; what is asked for is something harmless then, and reading goes on."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def finding(self, file: SourceFile, node: yaml.Node, path: str, message: str) -> None:
        mark = node.start_mark
        self.findings.append(Finding(file.path, mark.line + 1, mark.column + 1, path, message))

    def finding_at(self, file: SourceFile, line: int, column: int, path: str, message: str) -> None:
        self.findings.append(Finding(file.path, line, column, path, message))

    def mapping(self, file: SourceFile, node: yaml.Node, path: str, known: Sequence[str] = ()) -> dict[str, Pair]:
        """A mapping's pairs by key; unknown and repeated keys are findings.  An empty value is an empty mapping."""
        if isinstance(node, yaml.ScalarNode) and node.value == "":
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.finding(file, node, path, "a mapping is needed here")
            return {}
        pairs: dict[str, Pair] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.finding(file, key, path, "a plain key is needed here")
                continue
            below = f"{path}.{key.value}" if path else key.value
            if known and key.value not in known:
                self.finding(file, key, path, f"unknown key {key.value!r} (known: {', '.join(known)})")
            elif key.value in pairs:
                self.finding(file, key, below, "stands here twice")
            elif not known and not _SLUG.fullmatch(key.value):
                self.finding(file, key, below, "a slug has lower-case letters, digits, - and _")
            else:
                pairs[key.value] = Pair(key, value)
        return pairs

    def items(self, file: SourceFile, node: yaml.Node, path: str, most: int) -> list[yaml.Node]:
        if isinstance(node, yaml.ScalarNode) and node.value == "":
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.finding(file, node, path, "a list is needed here")
            return []
        if len(node.value) > most:
            self.finding(file, node, path, f"more than {most}")
        return list(node.value[:most])

    def text(self, file: SourceFile, node: yaml.Node, path: str) -> str:
        if isinstance(node, yaml.ScalarNode):
            return " ".join(node.value.split())
        self.finding(file, node, path, "a text is needed here")
        return ""

    def flag(self, file: SourceFile, node: yaml.Node, path: str) -> bool:
        if isinstance(node, yaml.ScalarNode) and node.value in ("true", "false"):
            return bool(node.value == "true")
        self.finding(file, node, path, "true or false is needed here")
        return False

    def choice(self, file: SourceFile, node: yaml.Node, path: str, known: Sequence[str]) -> str:
        if isinstance(node, yaml.ScalarNode) and node.value in known:
            return str(node.value)
        self.finding(file, node, path, f"one of {', '.join(known)} is needed here")
        return known[0]

    def number(self, file: SourceFile, node: yaml.Node, path: str, low: int, high: int) -> int:
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        if re.fullmatch(r"\d{1,9}", text, re.A) and low <= int(text) <= high:
            return int(text)
        self.finding(file, node, path, f"a number from {low} to {high} is needed here")
        return low

    def span(self, file: SourceFile, node: yaml.Node, path: str, low: int, high: int) -> tuple[int, int]:
        """`7`, `7-9`, or `7-` for 7 and more."""
        text = node.value if isinstance(node, yaml.ScalarNode) else ""
        found = parse_span(text, high)
        if found and low <= found[0] <= found[1] <= high:
            return found
        self.finding(file, node, path, f"a number or FIRST-LAST from {low} to {high} is needed here")
        return low, high


def parse_span(text: str, high: int) -> tuple[int, int] | None:
    found = _RANGE.fullmatch(text)
    if not found:
        return None
    first = int(found[1])
    return first, first if found[2] is None else int(found[2] or high)
