"""A policy's files, read and merged into one tree that still knows where each word stands.

A policy is one file, the drop-ins beside it, and what `--set` says, in this order.  The drop-ins of
`/etc/dpi/policy.yaml` are `/etc/dpi/policy.d/*.yaml` (the file's name with `.d` for its ending), in the order of
their names.  Mappings merge key by key, so a drop-in adds a class or a rule by naming it.  To say again what an
earlier file already said is an error that names both places, because it is nearly always an accident; a mapping
with `override: true` means it: its keys then take the place of the earlier ones, and `~` takes a key away.
`--set PATH=VALUE` overrides in the same way.  A drop-in `*.csv` is a list of subscribers (table.py), and several files
may list some.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dpi.errors import Finding, FindingsError
from dpi.policy import table
from dpi.policy.tree import MAX_BYTES, Mapping, Node, Scalar, Sequence, compose, read

DEFAULT = Path("/etc/dpi/policy.yaml")
ENDINGS = (".yaml", ".yml")
TABLE = ".csv"
LISTED = ("subscribers", "entries")  # that many files may add to
Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The merged tree and the files that it came from."""

    root: Mapping
    files: tuple[str, ...]
    complete: bool = True  # every file could be read

    def data(self) -> dict[str, Any]:
        """Plain values.  A section without content (`rules:`) is as if it were not there."""
        return {key: value for key, value in self.root.data().items() if value is not None}

    def at(self, path: Path_, key: bool = False) -> Node:
        """The node at a path, or the nearest above it; with `key`, the key that leads there."""
        node: Node = self.root
        for step in path:
            if isinstance(node, Mapping) and step in node.entries:
                found = node.entries[str(step)]
                node = found[0] if key and step == path[-1] else found[1]
            elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
        return node

    def finding(self, path: Path_, message: str, *, key: bool = False, warning: bool = False) -> Finding:
        """A finding at that path, placed as well as the tree knows."""
        node = self.at(path, key)
        return Finding(node.file, node.line, node.column, spell(path), message, warning)

    def names(self, section: str) -> list[str]:
        """The names that a section defines."""
        node = self.root.get(section)
        return list(node.entries) if isinstance(node, Mapping) else []

    def where(self, path: Path_) -> str:
        """FILE:LINE of the key at a path."""
        node = self.at(path, key=True)
        return f"{node.file}:{node.line}"


def spell(path: Iterable[str | int]) -> str:
    """`rules.video.match.app[1]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def drop_in_folder(file: Path) -> Path:
    """Where the drop-ins of a policy file are."""
    return file.with_suffix(".d") if file.suffix in ENDINGS else file.with_name(file.name + ".d")


def policy_files(file: Path) -> list[Path]:
    """The file and its drop-ins, in the order in which they are read."""
    folder = drop_in_folder(file)
    try:
        entries = sorted(folder.iterdir(), key=lambda p: p.name)
    except OSError:  # there is none; one that may not be read is found by load()
        entries = []
    return [file, *(p for p in entries if p.suffix in (*ENDINGS, TABLE) and not p.name.startswith("."))]


def load(
    file: Path,
    sets: Iterable[str] = (),
    instead: MappingType[Path, bytes] | None = None,
    findings: list[Finding] | None = None,
) -> Document:
    """Reads a policy.  `instead` gives what some files are to contain, for a try before they are written.

    With `findings`, what is wrong is added there and what could be read comes back; else FindingsError is
    raised with all of it.
    """
    instead = instead or {}
    found: list[Finding] = []
    root = Mapping(str(file), 1, 1, 0, 0)
    paths = policy_files(file)
    folder = drop_in_folder(file)
    paths += sorted(p for p in instead if p.parent == folder and p not in paths)
    paths[1:] = sorted(paths[1:], key=lambda p: p.name)
    try:
        if folder.exists():
            list(folder.iterdir())
    except OSError as error:
        found.append(Finding(str(folder), 1, 1, "", f"cannot be read: {error.strerror}"))
    complete = True
    for number, path in enumerate(paths):
        tree = _read(path, instead.get(path), found)
        if tree is None:
            complete = False
        else:
            root = tree if number == 0 else _merge(root, tree, (), _overrides(tree), found)
    for number, text in enumerate(sets, 1):
        tree = _setting(text, number, found)
        if tree is not None:
            root = _merge(root, tree, (), True, found)
    document = Document(root, tuple(map(str, paths)), complete)
    if findings is not None:
        findings.extend(found)
    elif found:
        raise FindingsError(found)
    return document


def _read(path: Path, content: bytes | None, findings: list[Finding]) -> Mapping | None:
    if content is None:
        try:
            if not path.is_file():
                # A pipe or device could block or never end.
                raise OSError(None, "not a file" if path.exists() else "No such file or directory")
            with path.open("rb") as stream:
                content = stream.read((table.MAX_BYTES if path.suffix == TABLE else MAX_BYTES) + 1)
        except OSError as error:
            findings.append(Finding(str(path), 1, 1, "", f"cannot be read: {error.strerror or error}"))
            return None
    if path.suffix == TABLE:
        return table.read(content, str(path), findings)
    return read(content, str(path), findings)[0]


def _overrides(node: Node) -> bool:
    flag = node.get("override") if isinstance(node, Mapping) else None
    return flag is not None and flag.data() is True


def _merge(base: Mapping, extra: Mapping, path: Path_, override: bool, findings: list[Finding]) -> Mapping:
    """A new mapping; neither is changed, since an alias may show the same one elsewhere."""
    entries = dict(base.entries)
    for key, (key_node, value) in extra.entries.items():
        if key == "override":
            continue
        here = (*path, key)
        if key not in entries:
            if not (override and value.data() is None):
                entries[key] = (key_node, value)
            continue
        first_key, first = entries[key]
        inner = override or _overrides(value)
        if isinstance(first, Mapping) and isinstance(value, Mapping) and (inner or len(path) == 0 or here == LISTED):
            entries[key] = (first_key, _merge(first, value, here, inner, findings))
        elif override and value.data() is None:
            del entries[key]
        elif override:
            entries[key] = (key_node, value)
        elif not (here == ("version",) and first.data() == value.data()):
            message = f"already said at {first_key.file}:{first_key.line}; to replace it, add `override: true`"
            findings.append(Finding(key_node.file, key_node.line, key_node.column, spell(here), message))
    return replace(base, entries=entries)


def _setting(text: str, number: int, findings: list[Finding]) -> Mapping | None:
    """`--set PATH=VALUE` as a tree.  Its line is the number of the option, its column counts in the option."""
    path, equals, value = text.partition("=")
    steps = path.strip().split(".")
    if not equals or not all(steps):
        findings.append(Finding("--set", number, 1, "", f"{text!r} is not of the form PATH=VALUE"))
        return None
    inner: list[Finding] = []
    node = compose(value, "--set", inner) or Scalar("--set", 1, 1, 0, 0)
    _shift(node, number, len(path) + 1)
    findings += [Finding("--set", number, f.column + len(path) + 1, spell(steps), f.message) for f in inner]
    if inner:
        return None
    for depth, step in reversed(list(enumerate(steps))):
        column = len(".".join(steps[:depth])) + (2 if depth else 1)
        key = Scalar("--set", number, column, 0, 0, text=step)
        node = Mapping("--set", number, column, 0, 0, size=node.size + 2, entries={step: (key, node)})
    return node if isinstance(node, Mapping) else None


def _shift(node: Node, line: int, columns: int) -> None:
    todo, seen = [node], {id(node)}
    while todo:
        node = todo.pop()
        node.line, node.column = line, node.column + columns
        inner: list[Node] = []
        if isinstance(node, Sequence):
            inner = node.items
        elif isinstance(node, Mapping):
            inner = [n for entry in node.entries.values() for n in entry]
        todo += [n for n in inner if id(n) not in seen]
        seen |= {id(n) for n in inner}
