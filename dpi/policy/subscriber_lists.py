"""The files of a policy that list subscribers: who is listed where, edits of them, and whole lists put in their place.

A list is a CSV (table.py) or the `subscribers: {entries: …}` of a YAML file.  Edits keep every byte that they do not
mean, comments and order too (edit_table.py, edit_entries.py).  Nothing is written that the whole policy would not pass
its check with, and nobody ever reads half of it (rewrite.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpi.atomic import replace
from dpi.errors import Finding, FindingsError, UsageError
from dpi.policy import table
from dpi.policy.check import Names, check
from dpi.policy.edit_entries import EntriesText
from dpi.policy.edit_table import TableText
from dpi.policy.load import ENDINGS, TABLE, drop_in_folder, load, policy_files
from dpi.policy.rewrite import locked
from dpi.policy.subscriber_entries import Changes, Entry, canonical, entries, entries_node, parsed
from dpi.policy.tree import MAX_BYTES, Mapping, Node, Sequence

DEFAULT = "subscribers.csv"  # in the folder of drop-ins, where no list is there yet
_ENTRY = re.compile(r"subscribers\.entries\.([^.\[]+)(?:\.(\w+)(?:\[(\d+)\])?)?")


# What there is


def places(config: Path) -> dict[str, list[Path]]:
    """The files in which each subscriber stands."""
    found: dict[str, list[Path]] = {}
    for file in policy_files(config):
        for name in entries(parsed(content(file), file)):
            found.setdefault(name, []).append(file)
    return found


def content(file: Path) -> bytes:
    """What a file holds; UsageError where it cannot be read."""
    most = table.MAX_BYTES if file.suffix == TABLE else MAX_BYTES
    try:
        if file.exists() and not file.is_file():
            raise UsageError(f"{file}: not a file")
        with file.open("rb") as stream:
            return stream.read(most + 1)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror or error}") from error


def part(config: Path, file: Path) -> Path:
    """The policy's file that is meant, as the loader calls it.  It need not be there yet."""
    folder = drop_in_folder(config)
    if file.resolve() == config.resolve():
        return config
    inside = file.resolve().parent == folder.resolve() or file == Path(file.name)
    if inside and file.suffix in (*ENDINGS, TABLE) and not file.name.startswith("."):
        return folder / file.name
    raise UsageError(f"{file}: is no part of this policy; its lists are {folder}/*.csv and *.yaml")


def usual_list(config: Path) -> Path:
    """Where a new subscriber goes: the policy's only CSV, or a first one."""
    tables = [file for file in policy_files(config) if file.suffix == TABLE]
    if len(tables) > 1:
        raise UsageError(f"there are several lists, so say --file: {', '.join(file.name for file in tables)}")
    return tables[0] if tables else drop_in_folder(config) / DEFAULT


# Edits


def edited(text: str, file: Path, changes: Changes) -> str:
    """The text of a list with some of its subscribers new, other or gone; all else is as it was."""
    if file.suffix == TABLE:
        return TableText(text, str(file)).edited(changes)
    return EntriesText(text, str(file)).edited(changes)


@dataclass(frozen=True)
class Difference:
    """What becomes of a policy's subscribers."""

    added: dict[str, Entry] = field(default_factory=dict)
    removed: dict[str, Entry] = field(default_factory=dict)
    changed: dict[str, tuple[Entry, Entry]] = field(default_factory=dict)
    kept: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def to_json(self) -> dict[str, Any]:
        return {
            "added": {name: entry.to_json() for name, entry in self.added.items()},
            "removed": {name: entry.to_json() for name, entry in self.removed.items()},
            "changed": {
                name: {"before": before.to_json(), "after": after.to_json()}
                for name, (before, after) in self.changed.items()
            },
            "kept": self.kept,
        }


def difference(before: MappingType[str, Entry], after: MappingType[str, Entry]) -> Difference:
    both = before.keys() & after.keys()
    other = {name for name in both if before[name] != after[name] and before[name].same() != after[name].same()}
    return Difference(
        {name: entry for name, entry in after.items() if name not in before},
        {name: entry for name, entry in before.items() if name not in after},
        {name: (before[name], after[name]) for name in after if name in other},
        len(both) - len(other),
    )


def change_words(before: Entry, after: Entry) -> str:
    """`tariff basic → home, +10.0.0.9, -10.0.0.1, behind mast → link`."""
    words = [f"tariff {before.tariff} → {after.tariff}"] if before.tariff != after.tariff else []
    for kind, given in after.keys().items():
        old, new = ({canonical(a): a for a in keys} for keys in (before.keys()[kind], given))
        sign = "VLAN " if kind == "vlan" else ""
        words += [f"+{sign}{new[a]}" for a in new if a not in old] + [f"-{sign}{old[a]}" for a in old if a not in new]
    if before.parent != after.parent:
        words.append(f"behind {before.parent or 'link'} → {after.parent or 'link'}")
    return ", ".join(words)


# Whole lists


@dataclass(frozen=True)
class Import:
    """A list that is to take another's place, or to be merged into it."""

    source: Path
    into: Path
    merge: bool = False
    force: bool = False  # also where most of the list goes


def put(config: Path, wanted: Import, names: Names | None = None, *, dry_run: bool = False) -> Difference:
    """Puts a list in place, all of it or nothing, and says what that changes.

    FindingsError with places in the source where the policy would be wrong with it; UsageError where more than half of
    the list would go and that is not forced: an export that broke off is shorter, too.
    """
    with locked(config):
        root = _source(wanted)
        raw = content(wanted.into) if wanted.into.exists() else b""
        before, new = entries(parsed(raw, wanted.into)), entries(root)
        after = _after(wanted, raw, new)
        try:
            document = check(config, names=names, instead={wanted.into: after}).document
        except FindingsError as error:
            raise FindingsError([_in_source(f, wanted, root) for f in error.findings]) from None
        gone = len(before.keys() - new.keys())
        if not (wanted.merge or wanted.force) and gone * 2 > len(before):
            raise UsageError(
                f"{wanted.source}: {gone} of the {len(before)} subscribers in {wanted.into} are not in it; "
                "--force takes it nevertheless, --merge removes nobody"
            )
        change = difference(entries(load(config, findings=[]).root), entries(document.root))
        if after != raw and not dry_run:
            replace(wanted.into, after)
    return change


def _source(wanted: Import) -> Mapping:
    file = wanted.source
    if file.suffix not in (*ENDINGS, TABLE):
        raise UsageError(f"{file}: neither .csv nor .yaml")
    root = parsed(content(file), file)
    if file.suffix == TABLE:
        return root
    section = root.get("subscribers")
    extra = [key for name, (key, _) in root.entries.items() if name not in ("version", "subscribers")]
    if isinstance(section, Mapping):
        extra += [key for name, (key, _) in section.entries.items() if name != "entries"]
    if extra or not isinstance(section, Mapping):
        message = "a list holds `subscribers: {entries: …}` and nothing else"
        places: list[Node] = [*extra] or [root]
        raise FindingsError([Finding(str(file), n.line, n.column, "", message) for n in places])
    return root


def _after(wanted: Import, raw: bytes, new: dict[str, Entry]) -> bytes:
    """What the list is to hold."""
    if wanted.merge:
        known = entries(parsed(raw, wanted.into))
        other = {name: e for name, e in new.items() if name not in known or known[name].same() != e.same()}
        return edited(raw.decode("utf-8"), wanted.into, other).encode("utf-8")
    if (wanted.source.suffix == TABLE) == (wanted.into.suffix == TABLE):
        return content(wanted.source)
    return edited("", wanted.into, new).encode("utf-8")


def _in_source(finding: Finding, wanted: Import, root: Mapping) -> Finding:
    """A finding on what came from the source, at its place there."""
    match = _ENTRY.match(finding.path)
    node = entries_node(root)
    if finding.file != str(wanted.into) or match is None or node is None or match[1] not in node.entries:
        return finding
    place, value = node.entries[match[1]]
    at: Node = place
    if match[2] and isinstance(value, Mapping) and match[2] in value.entries:
        at = value.entries[match[2]][1]
        if match[3] and isinstance(at, Sequence) and int(match[3]) < len(at.items):
            at = at.items[int(match[3])]
    return finding._replace(file=str(wanted.source), line=at.line, column=at.column)
