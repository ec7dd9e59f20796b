"""What can be named, read from signature files: labels, categories, and the tables that the loop matches with.

The built-in files are in dpi/signatures; a user's own directories are read after them, in the order given, and
add to or override them.  The format is described in docs/reference/signatures.md.  Every finding of every file
is reported at once.

Lists of hosts and prefixes are words in one YAML scalar rather than YAML lists: some 30,000 words then cost
one node a list, no quoting is needed for `*` and `=`, and all of it loads in a fraction of a second with no
cache to keep right.  The words are taken from the file's text, so that every entry knows its line.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import yaml

from dpi.dissect import protocols
from dpi.dissect.declaration import Declaration
from dpi.dissect.declared import Declarations, fault
from dpi.errors import Finding, FindingsError, UsageError
from dpi.match import addresses, hosts, ports
from dpi.match.app_rules import AppRule, app_rules
from dpi.match.declare import declarations
from dpi.match.devices import Device, Devices, read_device, repeated
from dpi.match.expect import capture_tests
from dpi.match.labels import (
    CaptureTest,
    Category,
    Evidence,
    Kind,
    Label,
    Listing,
    Signatures,
    SourceFile,
    Words,
)
from dpi.match.nodes import Nodes, Pair
from dpi.match.sources import Source, label_sources

BUILT_IN = Path(__file__).resolve().parent.parent / "signatures"
LABELS_MAX = 65535
Stamp = tuple[tuple[str, int, int], ...]  # path, mtime in ns, size
CATEGORIES_MAX = 255  # the loop keeps a label's in one byte
_TEXTS = ("name", "category", "description")
_PARTS = ("video", "calls", "push")  # labels of some of a label's traffic
_LISTS: tuple[Evidence, ...] = ("hosts", "prefixes", "ports")
_FLAGS = ("shared", "mixed", "replace")
_SECTIONS = ("about", "categories", "apps", "protocols", *_LISTS, "devices", "tests", "sources")


class _Spot(NamedTuple):
    """A signature of bytes, and where it was read."""

    file: SourceFile
    node: yaml.Node
    declaration: Declaration


@dataclass(slots=True)
class _Draft:
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
    lists: dict[Evidence, list[Words]] = field(default_factory=lambda: {key: [] for key in _LISTS})
    declared: list[_Spot] = field(default_factory=list)
    rules: list[AppRule] = field(default_factory=list)


def load(directories: Iterable[str | Path] = (), keep: Signatures | None = None) -> Signatures:
    """Reads the built-in signatures, then every *.yaml of the user's directories in name order, or a file of theirs.

    keep: what was loaded before; its labels and categories have the same numbers again, and no other gets them.
    Raises FindingsError with every finding as FILE:LINE:COL, UsageError where a directory cannot be read.
    """
    reader = _Reader(keep)
    with _uncollected():
        for layer, directory in enumerate([BUILT_IN, *map(Path, directories)]):
            for path in _files(directory):
                reader.read(path, layer)
        return reader.finish()


@contextmanager
def _uncollected() -> Iterator[None]:
    """While many objects are made that are all kept, the cyclic collector would go through them again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def sources(file: Path) -> list[Source]:
    """The lists that one file names.  Raises FindingsError, UsageError."""
    reader = _Reader()
    reader.read(file, 0)
    if reader.findings:
        raise FindingsError(reader.findings)
    if not reader.sources:
        raise UsageError(f"{file}: has no `sources`")
    return reader.sources


def stamp(directories: Iterable[str | Path]) -> Stamp:
    """Changes when a file of the user's does, or comes, or goes."""
    found = []
    for directory in map(Path, directories):
        try:
            for path in _files(directory):
                stat = path.stat()
                found.append((str(path), stat.st_mtime_ns, stat.st_size))
        except (OSError, UsageError):
            found.append((str(directory), 0, 0))
    return tuple(found)


def _files(directory: Path) -> list[Path]:
    if directory.is_file():
        return [directory]
    try:
        return sorted(path for path in directory.iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError as error:
        raise UsageError(f"{directory}: {error.strerror}") from error


class _Reader(Nodes):
    """Collects drafts and findings over all files."""

    def __init__(self, keep: Signatures | None = None) -> None:
        super().__init__()
        self._labels_before = {label.slug: label.id for label in keep.labels if label} if keep else {}
        self._label_numbers = len(keep.labels) if keep else protocols.RESERVED  # the first that nobody has had
        self._categories_before = {each.slug: each.id for each in keep.categories} if keep else {}
        self._category_numbers = len(keep.categories) if keep else 1
        self.drafts: dict[str, _Draft] = {}
        self.categories: dict[str, Category] = {"unknown": Category(0, "unknown", "Unknown", None)}
        self.devices: dict[str, Device] = {}
        self.tests: list[CaptureTest] = []
        self.sources: list[Source] = []
        self._spots: list[tuple[SourceFile, yaml.Node, str, str]] = []  # uses of categories, checked at the end
        self._parts: list[tuple[SourceFile, yaml.Node, str, str]] = []  # the same of labels
        self._more: list[
            tuple[SourceFile, Evidence, str, yaml.Node]
        ] = []  # lists for labels that are defined elsewhere

    # Reading

    def read(self, path: Path, layer: int) -> None:
        file = SourceFile(str(path), "", layer)
        try:
            file.text = path.read_text(encoding="utf-8-sig")
            root = yaml.compose(file.text, Loader=yaml.CSafeLoader)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
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
            self.devices[kind] = read_device(self, self._words, file, pair.key, pair.value, known)
        if "tests" in sections:
            tests, slugs = capture_tests(self, file, sections["tests"].value)
            self.tests += tests
            self._parts += slugs
        for slug, pair in self._section(file, sections, "sources").items():
            self._parts.append((file, pair.key, "sources", slug))
            self.sources += label_sources(self, file, slug, pair.value)
        for key in _LISTS:
            for slug, pair in self._section(file, sections, key).items():
                self._more.append((file, key, slug, pair.value))

    def _section(self, file: SourceFile, sections: dict[str, Pair], name: str) -> dict[str, Pair]:
        return self.mapping(file, sections[name].value, name) if name in sections else {}

    def _words(self, file: SourceFile, node: yaml.Node, path: str) -> Words:
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
            self._spots.append((file, pairs["within"].value, f"{path}.within", within))
        number = known.id if known else self._categories_before.get(slug, self._category_numbers)
        if number == self._category_numbers:
            self._category_numbers += 1
        if number > CATEGORIES_MAX:
            self.finding(file, node, path, f"more than {CATEGORIES_MAX} categories")
            return
        self.categories[slug] = Category(number, slug, name, within)

    def _label(self, file: SourceFile, slug: str, pair: Pair, path: str, kind: Kind) -> None:
        pairs = self.mapping(file, pair.value, path, (*_TEXTS, *_PARTS, *_LISTS, *_FLAGS, "signatures", "rules"))
        where = f"{file.path}:{pair.key.start_mark.line + 1}"
        draft = self.drafts.get(slug)
        if draft and draft.layer == file.layer:
            self.finding(file, pair.key, path, f"already defined at {draft.where}")
            return
        if draft is None:
            draft = self.drafts[slug] = _Draft(slug, kind, where, file.layer, name=slug)
            if "category" not in pairs:
                self.finding(file, pair.key, path, "needs a category")
        elif draft.kind != kind:
            self.finding(file, pair.key, path, f"is {draft.kind} at {draft.where}")
        draft.where, draft.layer = where, file.layer
        if "replace" in pairs and self.flag(file, pairs["replace"].value, f"{path}.replace"):
            draft.lists = {key: [] for key in _LISTS}
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
                self._parts.append((file, node, f"{path}.{part}", draft.parts[part]))
        if "category" in pairs:
            node = pairs["category"].value
            draft.category = self.text(file, node, f"{path}.category")
            self._spots.append((file, node, f"{path}.category", draft.category))
        for key in _LISTS:
            if key in pairs:
                draft.lists[key].append(self._words(file, pairs[key].value, f"{path}.{key}"))
        if "signatures" in pairs:
            read = declarations(self, file, pairs["signatures"].value, f"{path}.signatures")
            draft.declared += [_Spot(file, node, one) for node, one in read]
        if "rules" in pairs:
            if kind == "protocol":
                self.finding(file, pairs["rules"].key, f"{path}.rules", "only apps have rules")
            draft.rules += app_rules(self, self._words, file, pairs["rules"].value, f"{path}.rules")

    # Putting together

    def finish(self) -> Signatures:
        for file, node, path, slug in self._spots:
            if slug not in self.categories:
                self.finding(file, node, path, f"there is no category {slug!r}")
        for file, node, path, slug in self._parts:
            if slug not in self.drafts:
                self.finding(file, node, path, f"there is no label {slug!r}")
        for file, key, slug, node in self._more:
            if slug in self.drafts:
                self.drafts[slug].lists[key].append(self._words(file, node, f"{key}.{slug}"))
            else:
                self.finding(file, node, f"{key}.{slug}", "there is no such label")
        for slug in protocols.SLUGS:
            if slug not in self.drafts:
                self.findings.append(Finding(str(BUILT_IN), 1, 1, slug, "dissected, but not defined"))
        for spot, path, message in repeated(self.devices.values()):
            self.finding_at(spot.file, spot.line, spot.column, path, message)
        labels = self._number()
        lists = {key: self._listing(key, labels) for key in _LISTS}
        declared = self._declared(labels)
        ruled = self._rules()
        if self.findings:
            raise FindingsError(self.findings)
        try:
            categories = [self.categories["unknown"]] * self._category_numbers
            for each in self.categories.values():
                categories[each.id] = each
            devices = Devices(self.devices.values())
            return Signatures(labels, categories, lists, Declarations(declared), devices, ruled, self.tests)
        except ValueError as error:
            self._check_spelling(lists)
            if self.findings:
                raise FindingsError(self.findings) from None
            raise UsageError(str(error)) from error

    def _number(self) -> list[Label | None]:
        """Gives dissected labels their number and the others those behind, in the order of the files."""
        numbers = dict(protocols.IDS)
        for slug in self.drafts:
            if slug not in numbers:
                numbers[slug] = self._labels_before.get(slug, self._label_numbers)
                self._label_numbers += numbers[slug] == self._label_numbers
        labels: list[Label | None] = [None] * self._label_numbers
        unknown = self.categories["unknown"]
        for draft in self.drafts.values():
            number = numbers[draft.slug]
            labels[number] = Label(
                number,
                draft.slug,
                draft.name,
                draft.kind,
                self.categories.get(draft.category, unknown),
                draft.shared,
                draft.description,
                draft.where,
                draft.parts.get("video"),
                draft.parts.get("calls"),
                draft.parts.get("push"),
                draft.mixed,
            )
        if len(labels) > LABELS_MAX:
            self.findings.append(Finding(str(BUILT_IN), 1, 1, "", f"more than {LABELS_MAX} labels"))
        return labels

    def _declared(self, labels: list[Label | None]) -> list[Declaration]:
        """All signatures of bytes; one that the loop's index has no room for is a finding."""
        spots = [(spot, label) for label in labels if label for spot in self.drafts[label.slug].declared]
        spots.sort(key=lambda each: -each[0].file.layer)  # of equals, the user's own come first
        found = [replace(spot.declaration, label=label.id, app=label.kind == "app") for spot, label in spots]
        if wrong := fault(found):
            number, why = wrong
            self.finding(spots[number][0].file, spots[number][0].node, "signatures", why)
        return found

    def _rules(self) -> list[tuple[str, AppRule]]:
        """Every app's rules, the user's own before the built-in ones, each with the app's slug."""
        ruled = [(draft.slug, rule) for draft in self.drafts.values() for rule in draft.rules]
        for _, rule in ruled:
            for slug, line, column in rule.protocols:
                if slug not in self.drafts:
                    self.finding_at(rule.file, line, column, "rules", f"there is no label {slug!r}")
        return sorted(ruled, key=lambda each: -each[1].file.layer)

    def _listing(self, key: Evidence, labels: list[Label | None]) -> Listing:
        """All words of a kind, built-in files first.  The same word twice within one layer is a finding."""
        numbers = {label.slug: label.id for label in labels if label}
        listing = Listing()
        scalars = [(words, draft.slug) for draft in self.drafts.values() for words in draft.lists[key]]
        scalars.sort(key=lambda pair: pair[0].file.layer)
        layer, seen = -1, dict[str, str]()
        for words, slug in scalars:
            if words.file.layer != layer:
                layer, seen = words.file.layer, {}
            fresh = set(words.words)
            if len(fresh) < len(words.words) or not seen.keys().isdisjoint(fresh):
                self._repeated(words, slug, seen)
            seen.update(dict.fromkeys(fresh, slug))
            listing.add(words, numbers[slug])
        return listing

    def _repeated(self, words: Words, slug: str, seen: dict[str, str]) -> None:
        here: set[str] = set()
        for place, word in enumerate(words.words):
            if word in here or word in seen:
                line, column = words.spot(place)
                other = "here" if word in here else f"under {seen[word]}"
                self.findings.append(Finding(words.file.path, line, column, slug, f"{word} is already listed {other}"))
            here.add(word)

    def _check_spelling(self, lists: dict[Evidence, Listing]) -> None:
        """Tells each word that a table refused, once one did."""
        problems: dict[Evidence, Callable[[str], str]] = {
            "hosts": hosts.problem,
            "prefixes": addresses.problem,
            "ports": _port_problem,
        }
        for key, problem in problems.items():
            for number, (word, _) in enumerate(lists[key].pairs):
                if wrong := problem(word):
                    words, place = lists[key].find(number)
                    line, column = words.spot(place)
                    self.findings.append(Finding(words.file.path, line, column, key, f"{word}: {wrong}"))


def _port_problem(text: str) -> str:
    try:
        ports.parse(text)
    except ValueError as error:
        return str(error)
    return ""
