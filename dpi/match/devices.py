"""Kinds of devices, and what DHCP messages tell them by: `devices` of signature files.

The format is described in docs/reference/signatures.md.  Three things are asked in turn, the surest first: what a
client says that it is (`vendor`), the exact list of options that it asks for (`dhcp`, `dhcp6`), and the name of a
DHCP program that many kinds use (`program`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import yaml

from dpi.match.nodes import Nodes
from dpi.match.words import SourceFile, Words

LISTS = ("dhcp", "dhcp6")
TEXTS = ("vendor", "program")
MOST = 256  # vendor classes of one key
MOST_NAME = 48  # characters of a kind: more a policy does not take
_LIST = re.compile(r"\d{1,5}(,\d{1,5}){0,127}", re.A)

ReadWords = Callable[[SourceFile, yaml.Node, str], Words]


class Spot(NamedTuple):
    """Where a word stands, and of which layer its file is: 0 for ours, then one for each of the user's folders."""

    file: SourceFile
    line: int
    column: int

    @property
    def where(self) -> str:
        return f"{self.file.path}:{self.line}"


@dataclass(slots=True)
class Device:
    """One kind: by key, its words."""

    kind: str
    spot: Spot
    name: str = ""
    words: dict[str, dict[str, Spot]] = field(default_factory=lambda: {key: {} for key in (*LISTS, *TEXTS)})


@dataclass(frozen=True, slots=True)
class Found:
    """A kind, and by what."""

    kind: str
    by: str  # vendor, dhcp, dhcp6, program
    word: str
    where: str  # FILE:LINE


class Devices:
    """All kinds.  Of a word of two kinds, the file that was read last has the say: a user's own comes after ours."""

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self.kinds = {device.kind: device.name or device.kind for device in devices}
        self._found: dict[str, dict[str, Found]] = {key: {} for key in (*LISTS, *TEXTS)}
        for key, word, device, spot in sorted(_words(devices), key=lambda each: each[3].file.layer):
            self._found[key][word.casefold()] = Found(device.kind, key, word, spot.where)

    def find(self, vendor: str, dhcp: str, dhcp6: str) -> Found | None:
        """What kind a client is that shows these; empty what it does not show."""
        exact = self._found["dhcp"].get(dhcp) or self._found["dhcp6"].get(dhcp6)
        return self._begin("vendor", vendor) or exact or self._begin("program", vendor)

    def _begin(self, key: str, vendor: str) -> Found | None:
        """The longest that the vendor class begins with."""
        known, text = self._found[key], vendor.casefold()
        return next((known[text[:n]] for n in range(len(text), 0, -1) if text[:n] in known), None)


def repeated(devices: Iterable[Device]) -> Iterator[tuple[Spot, str, str]]:
    """Words that two kinds have within one layer: where the second stands, its key, and what is wrong."""
    seen: dict[tuple[int, str, str], str] = {}
    for key, word, device, spot in _words(devices):
        kind = seen.setdefault((spot.file.layer, key, word.casefold()), device.kind)
        if kind != device.kind:
            yield spot, f"devices.{device.kind}.{key}", f"{word} is already listed under {kind}"


def _words(devices: Iterable[Device]) -> Iterator[tuple[str, str, Device, Spot]]:
    for device in devices:
        for key, words in device.words.items():
            yield from ((key, word, device, spot) for word, spot in words.items())


def read_device(
    nodes: Nodes, words: ReadWords, file: SourceFile, key: yaml.Node, node: yaml.Node, known: Device | None
) -> Device:
    """What a file says of a kind is added to what is known of it, or with `replace` takes its place."""
    kind, mark = str(key.value), key.start_mark
    path, spot = f"devices.{kind}", Spot(file, mark.line + 1, mark.column + 1)
    pairs = nodes.mapping(file, node, path, ("name", *LISTS, *TEXTS, "replace"))
    if len(kind) > MOST_NAME:
        nodes.finding(file, key, path, f"has more than {MOST_NAME} characters")
    if known and known.spot.file.layer == file.layer:
        nodes.finding(file, key, path, f"already defined at {known.spot.where}")
    if known is None or ("replace" in pairs and nodes.flag(file, pairs["replace"].value, f"{path}.replace")):
        known = Device(kind, spot)
    known.spot = spot
    if "name" in pairs:
        known.name = nodes.text(file, pairs["name"].value, f"{path}.name")
    for each in LISTS:
        those = words(file, pairs[each].value, f"{path}.{each}") if each in pairs else Words(file, [], [])
        for place, word in enumerate(those.words):
            line, column = those.spot(place)
            known.words[each][word] = Spot(file, line, column)
            if not _LIST.fullmatch(word):
                text = f"{word}: numbers of options are needed, as in 1,3,6,15"
                nodes.finding_at(file, line, column, f"{path}.{each}", text)
    for each in TEXTS:
        value = pairs[each].value if each in pairs else None
        if value is None:
            continue
        items = [value] if isinstance(value, yaml.ScalarNode) else nodes.items(file, value, f"{path}.{each}", MOST)
        for item in items:
            text = nodes.text(file, item, f"{path}.{each}")
            known.words[each][text] = Spot(file, item.start_mark.line + 1, item.start_mark.column + 1)
            if not 2 <= len(text) <= 64:
                wrong = "2 to 64 characters are needed, the beginning of a vendor class"
                nodes.finding(file, item, f"{path}.{each}", wrong)
    return known
