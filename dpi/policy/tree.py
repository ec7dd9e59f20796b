"""YAML as a tree in which every node knows where it stands.

Built from libyaml's events rather than by PyYAML's composer, for three reasons: depth, number of nodes and what
aliases expand to are bounded while reading, so that no file can exhaust stack or memory; every fault becomes a
finding with line and column; and plain scalars are read by YAML 1.2's core schema, which is what editors and
the published JSON Schema assume (`no` is text, `22:30` is not 1350).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from dpi.errors import Finding

MAX_BYTES = 8 << 20
MAX_DEPTH = 32
MAX_NODES = 500_000

_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LINE_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")  # what libyaml counts as the end of a line
_INT = re.compile(r"[-+]?[0-9]{1,18}|0x[0-9a-fA-F]{1,16}|0o[0-7]{1,20}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(slots=True, eq=False)
class Node:
    """Line and column count from 1; start and end are offsets into the text, the end where content ends."""

    file: str
    line: int
    column: int
    start: int
    end: int
    size: int = 1  # nodes, with aliases expanded

    def data(self) -> Any:
        """As plain Python values."""
        raise NotImplementedError


@dataclass(slots=True, eq=False)
class Scalar(Node):
    text: str = ""
    plain: bool = True

    def data(self) -> str | int | float | bool | None:
        if not self.plain:
            return self.text
        if self.text in _WORDS:
            return _WORDS[self.text]
        if self.text[0] in "+-.0123456789":
            if _INT.fullmatch(self.text):
                return int(self.text, 0) if self.text[:2] in ("0x", "0o") else int(self.text)
            if _FLOAT.fullmatch(self.text):
                return float(self.text)
        return self.text


@dataclass(slots=True, eq=False)
class Sequence(Node):
    items: list[Node] = field(default_factory=list)
    flow: bool = False

    def data(self) -> list[Any]:
        return [item.data() for item in self.items]


@dataclass(slots=True, eq=False)
class Mapping(Node):
    entries: dict[str, tuple[Scalar, Node]] = field(default_factory=dict)  # key node, value node
    flow: bool = False

    def data(self) -> dict[str, Any]:
        return {key: value.data() for key, (_, value) in self.entries.items()}

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry[1] if entry else None


def read(raw: bytes, file: str, findings: list[Finding]) -> tuple[Mapping | None, str]:
    """The tree of one YAML file and its text; what is wrong goes to `findings`.

    None where there is no tree at all.  An empty file is an empty mapping.
    """
    if len(raw) > MAX_BYTES:
        findings.append(Finding(file, 1, 1, "", f"larger than {MAX_BYTES >> 20} MiB"))
        return None, ""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = position(raw[: error.start].decode("utf-8"), error.start)
        findings.append(Finding(file, line, column, "", f"not UTF-8: byte 0x{raw[error.start]:02x}"))
        return None, ""
    before = len(findings)
    root = compose(text, file, findings)
    if isinstance(root, Mapping) or (root is None and len(findings) > before):
        return root, text
    if root is None or (isinstance(root, Scalar) and root.data() is None):
        return Mapping(file, 1, 1, 0, 0), text
    findings.append(Finding(file, root.line, root.column, "", "expected keys and values (`version: 1` …)"))
    return None, text


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset."""
    breaks = [m.end() for m in LINE_BREAK.finditer(text, 0, offset)]
    return len(breaks) + 1, offset - (breaks[-1] if breaks else 0) + 1


def compose(text: str, file: str, findings: list[Finding]) -> Node | None:
    """The tree of one YAML text, None where there is none."""
    shift = 1 if text.startswith("\ufeff") else 0
    bad = _UNPRINTABLE.search(text, shift)
    if bad:
        message = f"not valid YAML: character U+{ord(bad[0]):04X}"
        findings.append(Finding(file, *position(text, bad.start()), "", message))
        return None
    composer = _Composer(file, findings, shift)
    try:
        return composer.run(yaml.parse(text[shift:], Loader=_LOADER))
    except _Fatal:
        return None
    except yaml.YAMLError as error:
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark and "nesting depth" in (error.problem or ""):
            # libyaml 0.2.6 has a limit of its own, met while it looks ahead: what stands before it says where ours is.
            return compose(text[: error.problem_mark.index + shift], file, findings)
        findings.append(_syntax(error, text[shift:], file))
        return None


class _Fatal(Exception):
    """The finding is recorded; reading on makes no sense."""


class _Composer:
    def __init__(self, file: str, findings: list[Finding], shift: int) -> None:
        self.file = file
        self.findings = findings
        self.shift = shift  # of a byte order mark, which libyaml does not see
        self.anchors: dict[str, Node] = {}
        self.open: list[tuple[Mapping | Sequence, list[Node]]] = []  # being filled: node, children so far
        self.root: Node | None = None

    def run(self, events: Iterator[Any]) -> Node | None:
        documents = 0
        for event in events:
            if isinstance(event, yaml.ScalarEvent):
                plain = not event.style and event.tag is None
                self.tagged(event, "tag:yaml.org,2002:str")
                self.add(event, Scalar(*self.place(event), text=event.value, plain=plain))
            elif isinstance(event, yaml.MappingStartEvent):
                self.tagged(event, "tag:yaml.org,2002:map")
                self.begin(event, Mapping(*self.place(event), flow=bool(event.flow_style)))
            elif isinstance(event, yaml.SequenceStartEvent):
                self.tagged(event, "tag:yaml.org,2002:seq")
                self.begin(event, Sequence(*self.place(event), flow=bool(event.flow_style)))
            elif isinstance(event, yaml.CollectionEndEvent):
                self.finish(event)
            elif isinstance(event, yaml.AliasEvent):
                self.alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.fatal(event, "a second document in one file; put it into a file of its own")
        return self.root

    def place(self, event: Any) -> tuple[str, int, int, int, int]:
        start, end = event.start_mark, event.end_mark
        shift = self.shift
        column = start.column + 1 + (shift if start.line == 0 else 0)
        return self.file, start.line + 1, column, start.index + shift, end.index + shift

    def report(self, event: Any, message: str) -> None:
        _, line, column, _, _ = self.place(event)
        self.findings.append(Finding(self.file, line, column, "", message))

    def fatal(self, event: Any, message: str) -> None:
        self.report(event, message)
        raise _Fatal

    def tagged(self, event: Any, allowed: str) -> None:
        if event.tag not in (None, "!", allowed):
            self.report(event, f"tag {event.tag!r} has no meaning here")

    def begin(self, event: Any, node: Mapping | Sequence) -> None:
        if len(self.open) >= MAX_DEPTH:
            self.fatal(event, f"nested more than {MAX_DEPTH} levels deep")
        if event.anchor:
            self.anchors[event.anchor] = node
        self.open.append((node, []))

    def add(self, event: Any, node: Node) -> None:
        if getattr(event, "anchor", None) and not isinstance(event, yaml.AliasEvent):
            self.anchors[event.anchor] = node
        if not self.open:
            self.root = node
            return
        parent, children = self.open[-1]
        children.append(node)
        parent.size += node.size
        if parent.size > MAX_NODES:
            self.fatal(event, f"more than {MAX_NODES:,} nodes, with aliases expanded")

    def alias(self, event: Any) -> None:
        node = self.anchors.get(event.anchor)
        if node is None:
            self.fatal(event, f"alias *{event.anchor} without an anchor &{event.anchor} before it")
        elif any(node is parent for parent, _ in self.open):
            self.fatal(event, f"alias *{event.anchor} stands inside of what it names")
        else:
            self.add(event, node)

    def finish(self, event: Any) -> None:
        node, children = self.open.pop()
        if isinstance(node, Sequence):
            node.items = children
        else:
            self.fill(node, children)
        if node.flow:
            node.end = event.end_mark.index + self.shift
        elif children:
            # An alias' own end is elsewhere in the text; its place in this one is at least its key's.
            node.end = max([node.end, *(c.end for c in children if c.start >= node.start)])
        self.add(event, node)

    def fill(self, node: Mapping, children: list[Node]) -> None:
        merged: list[Node] = []
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                self.findings.append(Finding(key.file, key.line, key.column, "", "a key must be one word"))
            elif key.text == "<<" and key.plain:
                merged.extend(value.items if isinstance(value, Sequence) else [value])
            elif key.text in node.entries:
                first = node.entries[key.text][0]
                message = f"`{key.text}` stands here a second time; first at line {first.line}"
                self.findings.append(Finding(key.file, key.line, key.column, "", message))
            else:
                node.entries[key.text] = (key, value)
        for other in merged:
            if isinstance(other, Mapping):
                for name, entry in other.entries.items():
                    node.entries.setdefault(name, entry)
            else:
                message = "`<<` takes an alias of a mapping, or a list of them"
                self.findings.append(Finding(node.file, node.line, node.column, "", message))


def _syntax(error: yaml.YAMLError, text: str, file: str) -> Finding:
    """libyaml's words, with what usually causes them where that is known."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return Finding(file, 1, 1, "", f"not valid YAML: {error}")
    problem = getattr(error, "problem", None) or "cannot be read"
    context = getattr(error, "context", None)
    message = f"not valid YAML: {problem}" + (f" {context}" if context else "")
    line_start = mark.index - mark.column
    line = LINE_BREAK.split(text[line_start : line_start + 2000], maxsplit=1)[0]
    if "\t" in line[: len(line) - len(line.lstrip())]:
        message += "; indent with spaces, not tabs"
    elif "alias" in message:
        message += '; a text that begins with a star needs quotes: "*.example.org"'
    elif "anchor" in message:
        message += '; a text that begins with an ampersand needs quotes: "&…"'
    # What is missing at the end is missing behind the last word, not on a line that is not there.
    return Finding(file, *position(text, min(mark.index, len(text.rstrip()))), "", message)
