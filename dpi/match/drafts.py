"""Signature files as they are read: labels being put together from several files, and what was wrong on the way.

Lists of hosts and prefixes are words in one YAML scalar rather than YAML lists: some 30,000 words then cost
one node a list, no quoting is needed for `*` and `=`, and all of it loads in a fraction of a second with no
cache to keep right.  The words are taken from the file's text, so that every entry knows its line.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import yaml

from dpi.dissect import protocols
from dpi.dissect.declaration import Declaration
from dpi.errors import Finding
from dpi.match.app_rules import AppRule, app_rules
from dpi.match.declare import declarations
from dpi.match.devices import Device, read_device
from dpi.match.expect import CaptureTest, capture_tests
from dpi.match.labels import Category, Evidence, Kind, Signatures
from dpi.match.nodes import Nodes, Pair
from dpi.match.sources import Source, label_sources
from dpi.match.words import SourceFile, Words

CATEGORIES_MAX = 255  # the loop keeps a label's in one byte
_TEXTS = ("name", "category", "description")
_PARTS = ("video", "calls", "push")  # labels of some of a label's traffic
LISTS: tuple[Evidence, ...] = ("hosts", "prefixes", "ports")
_FLAGS = ("shared", "mixed", "replace")
_SECTIONS = ("about", "categories", "apps", "protocols", *LISTS, "devices", "tests", "sources")


class Spot(NamedTuple):
    """A signature of bytes, and where it was read."""

    file: SourceFile
    node: yaml.Node
    declaration: Declaration


@dataclass(slots=True)
class Draft:
    """A label while it is being put together from several files."""

    slug: str
    kind: Kind
    where: str
    layer: int
    name: str = ""
    category: str = ""
    description: str = ""
    shared: bool = False
    mixed: bool = False
    parts: dict[str, str] = field(default_factory=dict)  # by each of _PARTS
    lists: dict[Evidence, list[Words]] = field(default_factory=lambda: {key: [] for key in LISTS})
    declared: list[Spot] = field(default_factory=list)
    rules: list[AppRule] = field(default_factory=list)


def _text_of(path: Path) -> str:
    """Of a regular file alone: a pipe or a device could block, or never end.  Raises OSError, UnicodeDecodeError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(None, "not a file")
        return file.read().decode("utf-8-sig")


class Reader(Nodes):
    """Collects drafts and findings over all files."""

    def __init__(self, keep: Signatures | None = None) -> None:
        super().__init__()
        self.labels_before = {label.slug: label.id for label in keep.labels if label} if keep else {}
        self.label_numbers = len(keep.labels) if keep else protocols.RESERVED  # the first that nobody has had
        self._categories_before = {each.slug: each.id for each in keep.categories} if keep else {}
        self.category_numbers = len(keep.categories) if keep else 1
        self.drafts: dict[str, Draft] = {}
        self.categories: dict[str, Category] = {"unknown": Category(0, "unknown", "Unknown", None)}
        self.devices: dict[str, Device] = {}
        self.tests: list[CaptureTest] = []
        self.sources: list[Source] = []
        self.category_uses: list[tuple[SourceFile, yaml.Node, str, str]] = []  # uses of categories, checked at the end
        self.label_uses: list[tuple[SourceFile, yaml.Node, str, str]] = []  # the same of labels
        self.more_lists: list[
            tuple[SourceFile, Evidence, str, yaml.Node]
        ] = []  # lists for labels that are defined elsewhere

    def read(self, path: Path, layer: int, text: str | None = None) -> None:
        """text: what is to stand in the file; None: what does."""
        file = SourceFile(str(path), "", layer)
        try:
            file.text = _text_of(path) if text is None else text
            root = yaml.compose(file.text, Loader=yaml.CSafeLoader)
        except OSError as error:
            self.findings.append(Finding(file.path, 1, 1, "", f"cannot be read: {error.strerror or error}"))
            return
        except UnicodeDecodeError as error:
            self.findings.append(Finding(file.path, 1, 1, "", f"not UTF-8 at byte {error.start}"))
            return
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            message = getattr(error, "problem", None) or "not YAML"
            self.findings.append(Finding(file.path, line, column, "", str(message)))
            return
        if root is None:
            return
        sections = self.mapping(file, root, "", _SECTIONS)
        if "about" in sections:
            file.about = self.text(file, sections["about"].value, "about")
        for slug, pair in self._section(file, sections, "categories").items():
            self._category(file, slug, pair.value)
        for slug, pair in self._section(file, sections, "apps").items():
            self._label(file, slug, pair, f"apps.{slug}", "app")
        for slug, pair in self._section(file, sections, "protocols").items():
            self._label(file, slug, pair, f"protocols.{slug}", "protocol")
        for kind, pair in self._section(file, sections, "devices").items():
            known = self.devices.get(kind)
            self.devices[kind] = read_device(self, self.words, file, pair.key, pair.value, known)
        if "tests" in sections:
            tests, slugs = capture_tests(self, file, sections["tests"].value)
            self.tests += tests
            self.label_uses += slugs
        for slug, pair in self._section(file, sections, "sources").items():
            self.label_uses.append((file, pair.key, "sources", slug))
            self.sources += label_sources(self, self.words, file, slug, pair.value)
        for key in LISTS:
            for slug, pair in self._section(file, sections, key).items():
                self.more_lists.append((file, key, slug, pair.value))

    def _section(self, file: SourceFile, sections: dict[str, Pair], name: str) -> dict[str, Pair]:
        return self.mapping(file, sections[name].value, name) if name in sections else {}

    def words(self, file: SourceFile, node: yaml.Node, path: str) -> Words:
        """The words of a scalar, or of a list of scalars; # starts a comment."""
        result = Words(file, [], [])
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                if isinstance(item, yaml.ScalarNode):
                    self._split(file, item, result)
                else:
                    self.finding(file, item, path, "a word is needed here")
        elif isinstance(node, yaml.ScalarNode):
            self._split(file, node, result)
        else:
            self.finding(file, node, path, "words are needed here")
        return result

    def _split(self, file: SourceFile, node: yaml.ScalarNode, into: Words) -> None:
        start = node.start_mark
        raw = file.text[start.index : node.end_mark.index]
        if node.style in ("'", '"'):
            raw = " " + raw[1:-1]
        for offset, line in enumerate(raw.split("\n")):
            if offset == 0 and node.style in ("|", ">"):
                continue
            words = line.partition("#")[0].split() if "#" in line else line.split()
            into.words += words
            into.lines += [start.line + 1 + offset] * len(words)

    def _category(self, file: SourceFile, slug: str, node: yaml.Node) -> None:
        path = f"categories.{slug}"
        pairs = self.mapping(file, node, path, ("name", "within"))
        known = self.categories.get(slug)
        name, within = (known.name, known.within) if known else (slug, None)
        if "name" in pairs:
            name = self.text(file, pairs["name"].value, f"{path}.name")
        if "within" in pairs:
            within = self.text(file, pairs["within"].value, f"{path}.within")
            self.category_uses.append((file, pairs["within"].value, f"{path}.within", within))
        number = known.id if known else self._categories_before.get(slug, self.category_numbers)
        if number == self.category_numbers:
            self.category_numbers += 1
        if number > CATEGORIES_MAX:
            self.finding(file, node, path, f"more than {CATEGORIES_MAX} categories")
            return
        self.categories[slug] = Category(number, slug, name, within)

    def _label(self, file: SourceFile, slug: str, pair: Pair, path: str, kind: Kind) -> None:
        pairs = self.mapping(file, pair.value, path, (*_TEXTS, *_PARTS, *LISTS, *_FLAGS, "signatures", "rules"))
        where = f"{file.path}:{pair.key.start_mark.line + 1}"
        draft = self.drafts.get(slug)
        if draft and draft.layer == file.layer:
            self.finding(file, pair.key, path, f"already defined at {draft.where}")
            return
        if draft is None:
            draft = self.drafts[slug] = Draft(slug, kind, where, file.layer, name=slug)
            if "category" not in pairs:
                self.finding(file, pair.key, path, "needs a category")
        elif draft.kind != kind:
            self.finding(file, pair.key, path, f"is {draft.kind} at {draft.where}")
        draft.where, draft.layer = where, file.layer
        if "replace" in pairs and self.flag(file, pairs["replace"].value, f"{path}.replace"):
            draft.lists = {key: [] for key in LISTS}
            draft.declared = []
            draft.rules = []
        if "name" in pairs:
            draft.name = self.text(file, pairs["name"].value, f"{path}.name")
        if "description" in pairs:
            draft.description = self.text(file, pairs["description"].value, f"{path}.description")
        if "shared" in pairs:
            draft.shared = self.flag(file, pairs["shared"].value, f"{path}.shared")
        if "mixed" in pairs:
            draft.mixed = self.flag(file, pairs["mixed"].value, f"{path}.mixed")
        for part in _PARTS:
            if part in pairs:
                node = pairs[part].value
                draft.parts[part] = self.text(file, node, f"{path}.{part}")
                self.label_uses.append((file, node, f"{path}.{part}", draft.parts[part]))
        if "category" in pairs:
            node = pairs["category"].value
            draft.category = self.text(file, node, f"{path}.category")
            self.category_uses.append((file, node, f"{path}.category", draft.category))
        for key in LISTS:
            if key in pairs:
                draft.lists[key].append(self.words(file, pairs[key].value, f"{path}.{key}"))
        if "signatures" in pairs:
            read = declarations(self, file, pairs["signatures"].value, f"{path}.signatures")
            draft.declared += [Spot(file, node, one) for node, one in read]
        if "rules" in pairs:
            if kind == "protocol":
                self.finding(file, pairs["rules"].key, f"{path}.rules", "only apps have rules")
            draft.rules += app_rules(self, self.words, file, pairs["rules"].value, f"{path}.rules")
