"""What can be named, read from signature files: labels, categories, and the tables that the loop matches with.

The built-in files are in dpi/signatures; a user's own directories are read after them, in the order given, and
add to or override them.  The format is described in docs/reference/signatures.md.  Every finding of every file
is reported at once.

Lists of hosts and prefixes are words in one YAML scalar rather than YAML lists: some 30,000 words then cost
one node a list, no quoting is needed for `*` and `=`, and all of it loads in a fraction of a second with no
cache to keep right.  The words are taken from the file's text, so that every entry knows its line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from re import compile as regex
from re import escape, finditer
from typing import Literal

import yaml

from dpi.dissect import protocols
from dpi.errors import Finding, FindingsError, UsageError
from dpi.match import hosts, ports, prefixes

Kind = Literal["app", "protocol"]

BUILT_IN = Path(__file__).resolve().parent.parent / "signatures"
LABELS_MAX = 65535
_SLUG = regex(r"[a-z0-9][a-z0-9_-]{0,62}")
_TEXTS = ("name", "category", "description")
_LISTS = ("hosts", "prefixes", "ports")
_FLAGS = ("shared", "replace")
_SECTIONS = ("about", "categories", "apps", "protocols", *_LISTS)


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of app.  `within` is the category that it is also part of ("streaming" is within "video")."""

    id: int
    slug: str
    name: str
    within: str | None


@dataclass(frozen=True, slots=True)
class Label:
    """What a flow can be named.  Numbers below protocols.RESERVED are those of dissect/protocols.pxd.

    `shared`: clouds and networks that serve others' apps, so an address or a host name of theirs says only who
    carries the traffic; any other app's name is better evidence.
    """

    id: int
    slug: str
    name: str
    kind: Kind
    category: Category
    shared: bool
    description: str
    where: str  # FILE:LINE


@dataclass(frozen=True, slots=True)
class Entry:
    """One word of a list: what names a label, and where it stands."""

    text: str
    label: Label
    where: str  # FILE:LINE
    about: str  # what its file says of its source


@dataclass(slots=True)
class _Words:
    """The words of one scalar, and where each stands."""

    file: _File
    words: list[str]
    lines: list[int]  # of each, from 1

    def spot(self, place: int) -> tuple[int, int]:
        """Line and column of a word, from 1."""
        word, line = self.words[place], self.lines[place]
        nth = sum(self.words[i] == word for i in range(place) if self.lines[i] == line)
        text = self.file.text.split("\n")[line - 1]
        found = [match.start() for match in finditer(rf"(?<![^\s\[,\"']){escape(word)}", text)]
        return line, (found[nth] if nth < len(found) else 0) + 1


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
    lists: dict[str, list[_Words]] = field(default_factory=lambda: {key: [] for key in _LISTS})


class Signatures:
    """Labels by number and slug, categories, and the three tables.  Immutable once loaded.

    labels[n] is None where a number is not used.  Category 0 is "unknown".
    """

    def __init__(
        self, labels: Sequence[Label | None], categories: Sequence[Category], lists: dict[str, _Listing]
    ) -> None:
        self.labels = tuple(labels)
        self.by_slug = {label.slug: label for label in labels if label}
        self.categories = tuple(categories)
        self.category_by_slug = {category.slug: category for category in categories}
        self._lists = lists
        self.hosts = hosts.Hosts(lists["hosts"].pairs)
        self.prefixes = prefixes.Prefixes(lists["prefixes"].pairs)
        self.ports = ports.Ports(lists["ports"].pairs)

    def members(self, category: str) -> frozenset[int]:
        """Numbers of the labels of a category and of those within it.  Raises KeyError where there is none."""
        wanted = {self.category_by_slug[category].slug}
        for _ in self.categories:
            wanted |= {each.slug for each in self.categories if each.within in wanted}
        return frozenset(label.id for label in self.labels if label and label.category.slug in wanted)

    def host_entry(self, number: int) -> Entry:
        """The entry that hosts.Hit.entry names."""
        return self._entry("hosts", number)

    def prefix_entry(self, number: int) -> Entry:
        """The entry that prefixes.Hit.entry names."""
        return self._entry("prefixes", number)

    def entries(self, label: Label, kind: Literal["hosts", "prefixes", "ports"]) -> Iterator[Entry]:
        """All entries of a label, in the order of the files."""
        for number, (_, owner) in enumerate(self._lists[kind].pairs):
            if owner == label.id:
                yield self._entry(kind, number)

    def _entry(self, kind: str, number: int) -> Entry:
        text, owner = self._lists[kind].pairs[number]
        label = self.labels[owner]
        assert label is not None
        words, place = self._lists[kind].find(number)
        return Entry(text, label, f"{words.file.path}:{words.lines[place]}", words.file.about)


class _Listing:
    """All words of one kind as (word, label) pairs, and the way back to the file that each came from."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, int]] = []
        self._starts: list[int] = []
        self._sources: list[_Words] = []

    def add(self, words: _Words, label: int) -> None:
        self._starts.append(len(self.pairs))
        self._sources.append(words)
        self.pairs.extend([(word, label) for word in words.words])

    def find(self, number: int) -> tuple[_Words, int]:
        """The scalar that an entry is from, and its place in it."""
        source = bisect_right(self._starts, number) - 1
        return self._sources[source], number - self._starts[source]


def load(directories: Iterable[str | Path] = ()) -> Signatures:
    """Reads the built-in signatures, then every *.yaml of the user's directories in name order.

    Raises FindingsError with every finding as FILE:LINE:COL, UsageError where a directory cannot be read.
    """
    reader = _Reader()
    for layer, directory in enumerate([BUILT_IN, *map(Path, directories)]):
        for path in _files(directory):
            reader.read(path, layer)
    return reader.finish()


def _files(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError as error:
        raise UsageError(f"{directory}: {error.strerror}") from error


@dataclass(slots=True)
class _File:
    path: str
    text: str
    layer: int  # 0 for the built-in files, then one for each directory
    about: str = ""


class _Reader:
    """Collects drafts and findings over all files."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.drafts: dict[str, _Draft] = {}
        self.categories: dict[str, Category] = {"unknown": Category(0, "unknown", "Unknown", None)}
        self._spots: list[tuple[_File, yaml.Node, str, str]] = []  # uses of categories, checked at the end
        self._more: list[tuple[_File, str, str, yaml.Node]] = []  # lists for labels that are defined elsewhere

    # Reading

    def read(self, path: Path, layer: int) -> None:
        file = _File(str(path), "", layer)
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
        sections = self._mapping(file, root, "", _SECTIONS)
        if about := sections.get("about"):
            file.about = self._text(file, about, "about")
        for slug, node in self._mapping(file, sections.get("categories"), "categories").items():
            self._category(file, slug, node)
        for slug, node in self._mapping(file, sections.get("apps"), "apps").items():
            self._label(file, slug, node, f"apps.{slug}", "app")
        for slug, node in self._mapping(file, sections.get("protocols"), "protocols").items():
            self._label(file, slug, node, f"protocols.{slug}", "protocol")
        for key in _LISTS:
            for slug, node in self._mapping(file, sections.get(key), key).items():
                self._more.append((file, key, slug, node))

    def _finding(self, file: _File, node: yaml.Node, path: str, message: str) -> None:
        mark = node.start_mark
        self.findings.append(Finding(file.path, mark.line + 1, mark.column + 1, path, message))

    def _mapping(
        self, file: _File, node: yaml.Node | None, path: str, known: Sequence[str] = ()
    ) -> dict[str, yaml.Node]:
        """A mapping's values by key; unknown and repeated keys are findings.  No node: an empty mapping."""
        if node is None or (isinstance(node, yaml.ScalarNode) and node.value == ""):
            return {}
        if not isinstance(node, yaml.MappingNode):
            self._finding(file, node, path, "a mapping is needed here")
            return {}
        values: dict[str, yaml.Node] = {}
        for key, value in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            if not isinstance(key, yaml.ScalarNode):
                self._finding(file, key, path, "a plain key is needed here")
            elif known and key.value not in known:
                self._finding(file, key, path, f"unknown key {key.value!r} (known: {', '.join(known)})")
            elif key.value in values:
                self._finding(file, key, below, "stands here twice")
            elif not known and not _SLUG.fullmatch(key.value):
                self._finding(file, key, below, "a slug has lower-case letters, digits, - and _")
            else:
                values[key.value] = value
        return values

    def _text(self, file: _File, node: yaml.Node, path: str) -> str:
        if isinstance(node, yaml.ScalarNode):
            return " ".join(node.value.split())
        self._finding(file, node, path, "a text is needed here")
        return ""

    def _flag(self, file: _File, node: yaml.Node, path: str) -> bool:
        if isinstance(node, yaml.ScalarNode) and node.value in ("true", "false"):
            return bool(node.value == "true")
        self._finding(file, node, path, "true or false is needed here")
        return False

    def _words(self, file: _File, node: yaml.Node, path: str) -> _Words:
        """The words of a scalar, or of a list of scalars; # starts a comment."""
        result = _Words(file, [], [])
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                if isinstance(item, yaml.ScalarNode):
                    self._split(file, item, result)
                else:
                    self._finding(file, item, path, "a word is needed here")
        elif isinstance(node, yaml.ScalarNode):
            self._split(file, node, result)
        else:
            self._finding(file, node, path, "words are needed here")
        return result

    def _split(self, file: _File, node: yaml.ScalarNode, into: _Words) -> None:
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

    def _category(self, file: _File, slug: str, node: yaml.Node) -> None:
        path = f"categories.{slug}"
        values = self._mapping(file, node, path, ("name", "within"))
        name = self._text(file, values["name"], f"{path}.name") if "name" in values else slug
        within = None
        if "within" in values:
            within = self._text(file, values["within"], f"{path}.within")
            self._spots.append((file, values["within"], f"{path}.within", within))
        known = self.categories.get(slug)
        number = known.id if known else len(self.categories)
        self.categories[slug] = Category(number, slug, name, within)

    def _label(self, file: _File, slug: str, node: yaml.Node, path: str, kind: Kind) -> None:
        values = self._mapping(file, node, path, _TEXTS + _LISTS + _FLAGS)
        where = f"{file.path}:{node.start_mark.line + 1}"
        draft = self.drafts.get(slug)
        if draft and draft.layer == file.layer:
            self._finding(file, node, path, f"already defined at {draft.where}")
            return
        if draft is None:
            draft = self.drafts[slug] = _Draft(slug, kind, where, file.layer)
            if "category" not in values:
                self._finding(file, node, path, "needs a category")
        elif draft.kind != kind:
            self._finding(file, node, path, f"is {draft.kind} at {draft.where}")
        draft.where, draft.layer = where, file.layer
        if "replace" in values and self._flag(file, values["replace"], f"{path}.replace"):
            draft.lists = {key: [] for key in _LISTS}
        draft.name = self._text(file, values["name"], path) if "name" in values else draft.name or slug
        if "description" in values:
            draft.description = self._text(file, values["description"], f"{path}.description")
        if "shared" in values:
            draft.shared = self._flag(file, values["shared"], f"{path}.shared")
        if "category" in values:
            draft.category = self._text(file, values["category"], f"{path}.category")
            self._spots.append((file, values["category"], f"{path}.category", draft.category))
        for key in _LISTS:
            if key in values:
                draft.lists[key].append(self._words(file, values[key], f"{path}.{key}"))

    # Putting together

    def finish(self) -> Signatures:
        for file, node, path, slug in self._spots:
            if slug not in self.categories:
                self._finding(file, node, path, f"there is no category {slug!r}")
        for file, key, slug, node in self._more:
            if slug in self.drafts:
                self.drafts[slug].lists[key].append(self._words(file, node, f"{key}.{slug}"))
            else:
                self._finding(file, node, f"{key}.{slug}", "there is no such label")
        for slug in protocols.SLUGS:
            if slug not in self.drafts:
                self.findings.append(Finding(str(BUILT_IN), 1, 1, slug, "dissected, but not defined"))
        labels = self._number()
        lists = {key: self._listing(key, labels) for key in _LISTS}
        if self.findings:
            raise FindingsError(self.findings)
        try:
            return Signatures(labels, list(self.categories.values()), lists)
        except ValueError:
            self._check_spelling(lists)
            raise FindingsError(self.findings) from None

    def _number(self) -> list[Label | None]:
        """Gives dissected labels their number and the others those behind, in the order of the files."""
        labels: list[Label | None] = [None] * protocols.RESERVED
        unknown = self.categories["unknown"]
        for draft in self.drafts.values():
            number = protocols.IDS.get(draft.slug, len(labels))
            label = Label(
                number,
                draft.slug,
                draft.name,
                draft.kind,
                self.categories.get(draft.category, unknown),
                draft.shared,
                draft.description,
                draft.where,
            )
            if number == len(labels):
                labels.append(label)
            else:
                labels[number] = label
        if len(labels) > LABELS_MAX:
            self.findings.append(Finding(str(BUILT_IN), 1, 1, "", f"more than {LABELS_MAX} labels"))
        return labels

    def _listing(self, key: str, labels: list[Label | None]) -> _Listing:
        """All words of a kind, built-in files first.  The same word twice within one layer is a finding."""
        numbers = {label.slug: label.id for label in labels if label}
        listing = _Listing()
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

    def _repeated(self, words: _Words, slug: str, seen: dict[str, str]) -> None:
        here: set[str] = set()
        for place, word in enumerate(words.words):
            if word in here or word in seen:
                line, column = words.spot(place)
                other = "here" if word in here else f"under {seen[word]}"
                self.findings.append(Finding(words.file.path, line, column, slug, f"{word} is already listed {other}"))
            here.add(word)

    def _check_spelling(self, lists: dict[str, _Listing]) -> None:
        """Tells each word that a table refused, once one did."""
        problems = {"hosts": hosts.problem, "prefixes": prefixes.problem, "ports": _port_problem}
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
