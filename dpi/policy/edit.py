"""Edits the rules of a policy file as a careful person with a text editor would: no byte changes but those meant.

The tree says where a rule stands; what is cut, inserted or moved are whole lines of the file's own text.  Nothing
is printed anew from data, because no printer gives back somebody's comments, quotes, blank lines and columns.  A
comment right above a rule, in the rule's column, goes with it; so does one right below it that is indented
further.  The result is read again and must say what was meant and nothing else, or the edit is refused.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping as MappingType
from typing import Any

from dpi.errors import Finding, FindingsError, UsageError
from dpi.policy.tree import LINE_BREAK, Mapping, Node, Scalar, read

_PLAIN = re.compile(r"[A-Za-z0-9_./=%][A-Za-z0-9_./=%+-]*")
# What YAML 1.1 takes for a boolean or nothing; other readers of the file may be of that kind.
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


class RulesText:
    """The text of one file, open for edits of its `rules`.  Each edit returns the new text."""

    noun = "rule"

    def __init__(self, text: str, file: str) -> None:
        """Raises FindingsError where the text is no YAML, UsageError where its rules cannot be edited by lines."""
        self.text = text
        self.file = file
        self.root = parse(text, file)
        self.starts = [0, *(m.end() for m in LINE_BREAK.finditer(text))]
        first_break = LINE_BREAK.search(text)
        self.newline = first_break[0] if first_break else "\n"
        self.rules = self._rules()

    # Edits

    def add(self, name: str, rule: MappingType[str, Any], before: str | None = None) -> str:
        """The text with a new rule, before another one or as the last."""
        if name in self.rules.entries:
            raise UsageError(f"{self.file}:{self.rules.entries[name][0].line}: there is a rule {name} already")
        lines = render(name, rule, self._column(), self._step())
        block = [line + self.newline for line in lines]
        result = self._insert(block, before)
        entries = [(n, v) for n, v in self._data() if n != name]
        at = next((i for i, (n, _) in enumerate(entries) if n == before), len(entries))
        self._verify(result, [*entries[:at], (name, dict(rule)), *entries[at:]])
        return result

    def remove(self, name: str) -> str:
        """The text without a rule and the comments that are its own."""
        result = self._without(name)
        self._verify(result, [(n, v) for n, v in self._data() if n != name])
        return result

    def move(self, name: str, before: str | None) -> str:
        """The text with a rule, comments and all, before another one or as the last."""
        first, last = self._span(name)
        if before == name:
            return self.text
        block = [self._line(i) for i in range(first, last + 1)]
        if not LINE_BREAK.search(block[-1]):
            block[-1] += self.newline
        rest = RulesText(self._without(name), self.file)
        result = rest._insert(block, before)
        data = dict(self._data())
        names = [n for n in data if n != name]
        names.insert(names.index(before) if before else len(names), name)
        self._verify(result, [(n, data[n]) for n in names])
        return result

    def enable(self, name: str, on: bool) -> str:
        """The text with a rule switched on or off."""
        key, value = self._entry(name)
        flag = value.entries.get("enabled") if isinstance(value, Mapping) else None
        if flag and not value.start <= flag[0].start < value.end:
            flag = None  # an alias says so; what the rule says itself goes first
        data = dict(self._data())
        if (data[name].get("enabled") is not False) == on:
            return self.text
        word = "true" if on else "false"
        if not isinstance(value, Mapping) or not value.entries:
            raise UsageError(f"{self.file}:{key.line}: rule {name} says nothing that could be switched {word}")
        if flag is None:
            result = self._with_flag(value, word)
        elif on and (removed := self._without_flag(value, *flag)) is not None:
            result, word = removed, ""
        else:
            result = self.text[: flag[1].start] + word + self.text[flag[1].end :]
        rule = {k: v for k, v in data[name].items() if k != "enabled"}
        data[name] = {**rule, "enabled": on} if word else rule
        self._verify(result, list(data.items()))
        return result

    # Places

    def _rules(self) -> Mapping:
        """The mapping of rules; an empty one where there is none yet."""
        if self.root.flow:
            raise UsageError(f"{self.file}: is written in braces; write it in lines to edit it here")
        key, node = self.root.entries.get("rules", (None, None))
        if isinstance(node, Mapping) and key is not None:
            if node.start < key.end:
                raise UsageError(f"{self.file}:{key.line}: the rules are an alias; edit what it names")
            if node.flow and node.entries:
                raise UsageError(f"{self.file}:{node.line}: the rules are in braces; write them in lines to edit them")
            return node
        if node is None or node.data() is None:
            return Mapping(self.file, 1, 1, 0, 0)
        raise UsageError(f"{self.file}:{node.line}: `rules` are no mapping")

    def _entry(self, name: str) -> tuple[Scalar, Node]:
        if name not in self.rules.entries:
            raise UsageError(f"{self.file}: there is no {self.noun} {name}")
        key, value = self.rules.entries[name]
        if not self.rules.start <= key.start < self.rules.end or value.start < key.end:
            raise UsageError(f"{self.file}:{key.line}: {self.noun} {name} comes from an alias; edit what it names")
        return key, value

    def _line_of(self, offset: int) -> int:
        return bisect_right(self.starts, offset) - 1

    def _line(self, number: int) -> str:
        """A line with its break; nothing beyond the last."""
        ends = [*self.starts[1:], len(self.text)]
        return self.text[self.starts[number] : ends[number]] if 0 <= number < len(self.starts) else ""

    def _is_blank(self, number: int) -> bool:
        line = self._line(number)
        return bool(line) and not line.strip()

    def _comment_column(self, number: int) -> int | None:
        line = self._line(number)
        return len(line) - len(line.lstrip(" ")) if line.lstrip(" ").startswith("#") else None

    def _span(self, name: str) -> tuple[int, int]:
        """First and last line of a rule with its comments."""
        key, value = self._entry(name)
        column = key.column - 1
        first = self._line_of(key.start)
        content = self.text[key.start : max(key.end, value.end)].rstrip()
        last = self._line_of(key.start + len(content))
        while self._comment_column(first - 1) == column:
            first -= 1
        while (self._comment_column(last + 1) or 0) > column:
            last += 1
        return first, last

    def _column(self) -> int:
        """Where the rules' names start, from 0."""
        for key, _ in self.rules.entries.values():
            if self.rules.start <= key.start < self.rules.end:
                return key.column - 1
        return 2

    def _step(self) -> int:
        for key, value in self.rules.entries.values():
            first = _first_key(value)
            if first and isinstance(value, Mapping) and not value.flow and first.column > key.column:
                return first.column - key.column
        return 2

    # Changes of the text

    def _insert(self, block: list[str], before: str | None) -> str:
        """The text with lines before a rule, or behind the last one."""
        if before is not None:
            at = self._span(before)[0]
            if self._is_blank(at - 1):
                block = [*block, self._line(at - 1)]
            return self._spliced(at, at, block)
        names = [n for n, (k, _) in self.rules.entries.items() if self.rules.start <= k.start < self.rules.end]
        if not names:
            return self._first(block)
        at = self._span(names[-1])[1] + 1
        if len(names) > 1:
            gap = self._span(names[-1])[0] - 1
            if self._is_blank(gap) and (not self._line(at) or self._is_blank(at)):
                block = [self._line(gap), *block]
        return self._spliced(at, at, block)

    def _first(self, block: list[str]) -> str:
        """The text with its first rule."""
        if "rules" not in self.root.entries:
            blank = [self.newline] if self.text.strip() else []
            return self._spliced(len(self.starts), len(self.starts), [*blank, "rules:" + self.newline, *block])
        key, node = self.root.entries["rules"]
        text = self.text
        if node.end > node.start:  # {} or ~
            text = text[: node.start].rstrip(" ") + text[node.end :]
        line = self._line_of(key.start) + 1
        while (self._comment_column(line) or 0) > self._column():
            line += 1  # else it would seem to be the new rule's
        return RulesText(text, self.file)._spliced(line, line, block)

    def _spliced(self, first: int, end: int, block: list[str]) -> str:
        """The text with lines first … end - 1 replaced.  A file without a break at its end stays so."""
        start = self.starts[first] if first < len(self.starts) else len(self.text)
        stop = self.starts[end] if end < len(self.starts) else len(self.text)
        head, body, tail = self.text[:start], "".join(block), self.text[stop:]
        if not tail and self.text and not LINE_BREAK.search(self.text[-1]):
            if body and head and not LINE_BREAK.search(head[-1]):
                head += self.newline
            text = head + body
            return text[: -len(self.newline)] if text.endswith(self.newline) else text
        return head + body + tail

    def _without(self, name: str) -> str:
        first, last = self._span(name)
        if self._is_blank(first - 1) and (self._is_blank(last + 1) or not self._line(last + 1)):
            first -= 1
        return self._spliced(first, last + 1, [])

    def _with_flag(self, value: Mapping, word: str) -> str:
        """The text with `enabled` as the first thing that a rule says."""
        if value.flow:
            at = value.start + 1
            return f"{self.text[:at]}enabled: {word}, {self.text[at:]}"
        first = _first_key(value)
        if first is None:
            raise UsageError(f"{self.file}:{value.line}: this rule is all aliases; edit what they name")
        line = self._line_of(first.start)
        indent = " " * (first.column - 1)
        return self._spliced(line, line, [f"{indent}enabled: {word}{self.newline}"])

    def _without_flag(self, value: Mapping, key: Scalar, flag: Node) -> str | None:
        """The text without `enabled`; None where that would take a comment along, or leave nothing."""
        text = self.text
        if len(value.entries) == 1:
            return None
        if value.flow:
            after = re.compile(r"\s*,[ \t]*").match(text, flag.end)
            if after:
                return text[: key.start] + text[after.end() :]
            before = re.compile(r",\s*$").search(text, 0, key.start)
            return text[: before.start()] + text[flag.end :] if before else None
        line = self._line_of(key.start)
        if self._line(line).strip() != text[key.start : flag.end].strip():
            return None
        return self._spliced(line, line + 1, [])

    # Proof

    def _data(self) -> list[tuple[str, Any]]:
        return list(self.rules.data().items())

    def _verify(self, result: str, rules: list[tuple[str, Any]]) -> None:
        """Refuses a text that does not say just what was meant."""
        wanted = {key: value for key, value in self.root.data().items() if key != "rules"}
        try:
            found = parse(result, self.file).data()
        except FindingsError:
            found = {}
        if list((found.pop("rules", None) or {}).items()) != rules or found != wanted:
            raise UsageError(f"{self.file}: cannot be edited by lines here; edit it by hand")


def _first_key(node: Node) -> Scalar | None:
    """The first key that a mapping itself has, not one of an alias."""
    if not isinstance(node, Mapping):
        return None
    return next((key for key, _ in node.entries.values() if node.start <= key.start < node.end), None)


def parse(text: str, file: str) -> Mapping:
    """The tree of a text that has to be right as YAML."""
    findings: list[Finding] = []
    root, _ = read(text.encode("utf-8"), file, findings)
    if root is None or findings:
        raise FindingsError(findings)
    return root


def render(name: str, rule: MappingType[str, Any], column: int, step: int) -> list[str]:
    """A rule as lines of YAML without breaks."""
    lines = [" " * column + f"{scalar(name)}:"]
    for key, value in rule.items():
        indent = " " * (column + step)
        if isinstance(value, dict):
            lines.append(f"{indent}{key}:")
            lines += [f"{indent}{' ' * step}{k}: {_value(v)}" for k, v in value.items()]
        else:
            lines.append(f"{indent}{key}: {_value(value)}")
    return lines


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(scalar, value))}]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A plain value as YAML, quoted where it has to be."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    if plain and Scalar("", 1, 1, 0, 0, text=text).data() == text:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
