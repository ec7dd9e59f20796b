"""Edits `subscribers: {entries: …}` of a YAML file: of an entry that changes, only the values that do."""

from __future__ import annotations

import re
from typing import Any

from dpi.errors import FindingsError, UsageError
from dpi.policy.edit import RulesText, parse, scalar
from dpi.policy.load import LISTED
from dpi.policy.subscriber_entries import Changes, Entry, canonical_all, entries
from dpi.policy.tree import Mapping, Node, Scalar, Sequence

Edit = tuple[int, int, str]  # from, to, what stands there instead


class EntriesText(RulesText):
    """The text of one file.  FindingsError where it is no YAML, UsageError where it cannot be edited by lines."""

    noun = "subscriber"

    def edited(self, changes: Changes) -> str:
        """The text with these changes, all at once."""
        known = entries(self.root)
        edits: list[Edit] = []
        if self.rules.flow and any(changes.values()):  # {}
            text = self.text[: self.rules.start].rstrip(" ") + self.text[self.rules.end :]
            return EntriesText(text, self.file).edited(changes)
        for name, entry in changes.items():
            if entry is None:
                first, last = self._span(name)
                edits.append((self._offset(first), self._offset(last + 1), ""))
            elif name in known and known[name].same() != entry.same():
                edits += self._changed(name, known[name], entry)
        if known and not any(changes.get(name, known[name]) for name in known) and not any(changes.values()):
            key = self._section()["entries"][0]
            at = self.text.index(":", key.end) + 1
            edits.append((at, at, " {}"))
        result = self.text
        for start, end, text in sorted(edits, reverse=True):
            result = result[:start] + text + result[end:]
        new = {name: entry for name, entry in changes.items() if entry and name not in known}
        if new:
            kept = [name for name in self.rules.entries if name in known and changes.get(name, known[name])]
            result = EntriesText(result, self.file)._appended(new, bool(kept))
        self._verify_entries(result, changes)
        return result

    def _section(self) -> dict[str, tuple[Scalar, Node]]:
        section = self.root.get("subscribers")
        return section.entries if isinstance(section, Mapping) else {}

    def _offset(self, line: int) -> int:
        return self.starts[line] if line < len(self.starts) else len(self.text)

    # Places

    def _rules(self) -> Mapping:
        """The mapping of entries; an empty one where there is none yet."""
        if self.root.flow:
            raise UsageError(f"{self.file}: is written in braces; write it in lines to edit it here")
        node: Node | None = self.root
        for key in LISTED:
            above = node
            node = above.get(key) if isinstance(above, Mapping) else None
            if node is None or node.data() is None:
                return Mapping(self.file, 1, 1, 0, 0)
            if not isinstance(node, Mapping) or (node.flow and node.entries):
                what = f"{self.file}:{node.line}:{node.column}: `{key}`"
                raise UsageError(f"{what} stands in braces; write it in lines to edit it here")
        assert isinstance(node, Mapping)
        return node

    # Changes of the text

    def _changed(self, name: str, before: Entry, after: Entry) -> list[Edit]:
        key, node = self._entry(name)
        if not isinstance(node, Mapping):
            raise UsageError(f"{self.file}:{key.line}: subscriber {name} is no mapping; edit it by hand")
        edits: list[Edit] = []
        if before.tariff != after.tariff:
            edits.append(self._value(node, "tariff", scalar(after.tariff)))
        optional: dict[str, str | None] = {}
        for kind, keys in after.keys().items():
            if canonical_all(before.keys()[kind]) != canonical_all(keys):
                optional[kind] = _listed(kind, keys) if keys else None
        if before.parent != after.parent:
            optional["parent"] = None if after.parent is None else scalar(after.parent)
        edits += self._optional(node, optional)
        return edits

    def _value(self, node: Mapping, key: str, text: str) -> Edit:
        if key not in node.entries:
            raise UsageError(f"{self.file}:{node.line}: has no `{key}`; edit it by hand")
        at, value = node.entries[key]
        start, end = value.start, value.end
        if value.start < at.end or not node.start <= at.start < node.end:
            raise UsageError(f"{self.file}:{at.line}: `{key}` comes from an alias; edit what it names")
        if isinstance(value, Sequence) and not value.flow:
            end = start + len(self.text[start:end].rstrip())
        if isinstance(value, Sequence) and "#" in self.text[start:end]:
            raise UsageError(f"{self.file}:{value.line}: has comments between its values; edit it by hand")
        return start, end, text

    def _optional(self, node: Mapping, wanted: dict[str, str | None]) -> list[Edit]:
        """Keys that need not be there, with what they shall say; None: away with it."""
        edits, new = [], []
        for key, text in wanted.items():
            if text is None:
                edits.append(self._gone(node, key))
            elif key in node.entries:
                edits.append(self._value(node, key, text))
            else:
                new.append(f"{key}: {text}")
        if new:
            edits.append(self._more(node, new))
        return edits

    def _gone(self, node: Mapping, name: str) -> Edit:
        key, value = node.entries[name]
        if node.flow:
            before = re.compile(r",\s*$").search(self.text, 0, key.start)
            behind = re.compile(r"\s*,\s*").match(self.text, value.end)
            end = behind.end() if behind and not before else value.end
            return (before.start() if before else key.start, end, "")
        line, last = self._line_of(key.start), self._line_of(key.start + len(self.text[key.start : value.end].rstrip()))
        if self.text[self._offset(line) : self._offset(last + 1)].strip() != self.text[key.start : value.end].strip():
            raise UsageError(f"{self.file}:{key.line}: more stands in this line than `{name}`; edit it by hand")
        return self._offset(line), self._offset(last + 1), ""

    def _more(self, node: Mapping, said: list[str]) -> Edit:
        last = max((value for _, value in node.entries.values()), key=lambda each: each.end)
        if node.flow:
            return last.end, last.end, "".join(f", {each}" for each in said)
        first = next(iter(node.entries.values()))[0]
        line = self._line_of(first.start)  # before the first key, in its column
        at = self._offset(line)
        return at, at, "".join(f"{' ' * (first.column - 1)}{each}{self.newline}" for each in said)

    def _appended(self, new: dict[str, Entry], behind: bool) -> str:
        """The text with entries behind the last one."""
        column, head = self._column(), list[str]()
        if behind:
            names = [n for n, (k, _) in self.rules.entries.items() if self.rules.start <= k.start < self.rules.end]
            line = self._span(names[-1])[1] + 1
        else:
            column, line, head = self._first_place()
        block = [f"{' ' * column}{scalar(name)}: {_rendered(entry)}{self.newline}" for name, entry in new.items()]
        return self._spliced(line, line, [*(h + self.newline for h in head), *block])

    def _first_place(self) -> tuple[int, int, list[str]]:
        """Column and line of the first entry, and the lines that have to stand before it."""
        if "subscribers" not in self.root.entries:
            return 4, len(self.starts), ["subscribers:", "  entries:"]
        key, section = self.root.entries["subscribers"]
        if isinstance(section, Mapping) and section.entries:
            if "entries" not in section.entries:
                first = next(iter(section.entries.values()))[0]
                indent = first.column - 1
                return indent + 2, self._line_of(first.start), [f"{' ' * indent}entries:"]
            key, node = section.entries["entries"]
            if node.end == node.start:
                return key.column + 1, self._line_of(key.start) + 1, []
        elif section.end == section.start:
            return 4, self._line_of(key.start) + 1, ["  entries:"]
        raise UsageError(f"{self.file}:{key.line}: `{key.text}` is empty; remove the line to edit it here")

    # Proof

    def _verify_entries(self, result: str, changes: Changes) -> None:
        """Refuses a text that does not say just what was meant."""
        known = entries(self.root)
        wanted = {n: e.same() for n in known if (e := changes.get(n, known[n])) is not None}
        wanted |= {n: e.same() for n, e in changes.items() if e is not None}
        try:
            root = parse(result, self.file)
            found, rest = {n: e.same() for n, e in entries(root).items()}, _rest(root)
        except FindingsError:
            found, rest = {}, {}
        if found != wanted or rest != _rest(self.root):
            raise UsageError(f"{self.file}: cannot be edited by lines here; edit it by hand")


def _rest(root: Mapping) -> dict[str, Any]:
    """What a file says beside its entries."""
    said = {key: value for key, value in root.data().items() if value is not None}
    section = said.get("subscribers")
    if isinstance(section, dict):
        said["subscribers"] = {key: value for key, value in section.items() if key != "entries"}
    return {key: value for key, value in said.items() if key != "subscribers" or value}


def _listed(kind: str, keys: tuple[str, ...]) -> str:
    words = [each if kind == "vlan" else scalar(each) for each in keys]
    return words[0] if len(words) == 1 else f"[{', '.join(words)}]"


def _rendered(entry: Entry) -> str:
    parts = [f"tariff: {scalar(entry.tariff)}"]
    parts += [f"{kind}: {_listed(kind, keys)}" for kind, keys in entry.keys().items() if keys]
    if entry.parent:
        parts.append(f"parent: {scalar(entry.parent)}")
    return "{" + ", ".join(parts) + "}"
