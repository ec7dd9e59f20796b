"""Labels and categories, and where each thing that is known of them stands.

What the loader (signatures.py, assemble.py) puts together and everybody else reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from dpi.dissect.declared import Declarations
from dpi.match import addresses, hosts, ports, prefixes, rules

if TYPE_CHECKING:
    from dpi.match.app_rules import AppRule
    from dpi.match.devices import Devices
    from dpi.match.expect import CaptureTest
    from dpi.match.words import Listing

Kind = Literal["app", "protocol"]
Evidence = Literal["hosts", "prefixes", "ports"]


class Category(NamedTuple):
    """A kind of app.  `within` is the category that it is also part of ("streaming" is within "video")."""

    id: int
    slug: str
    name: str
    within: str | None


class Label(NamedTuple):
    """What a flow can be named.  Numbers below protocols.RESERVED are those of dissect/protocols.pxd.

    `shared`: clouds and networks that serve others' apps, so an address or a host name of theirs says only who
    carries the traffic; any other app's name is better evidence.
    `mixed`: services of its owner that have labels of their own are at its addresses, and nothing tells which.
    `video`, `calls`, `push`: slugs of the labels of some of its traffic, none where it has no such: of a nameless flow
    from its addresses that has the shape of video; of STUN, RTP and DTLS at its names or addresses; of nameless
    connections to its addresses at the ports of push services.
    """

    id: int
    slug: str
    name: str
    kind: Kind
    category: Category
    shared: bool
    description: str
    where: str  # FILE:LINE
    video: str | None = None
    calls: str | None = None
    push: str | None = None
    mixed: bool = False


class Entry(NamedTuple):
    """One word of a list: what names a label, and where it stands."""

    text: str
    label: Label
    where: str  # FILE:LINE
    about: str  # what its file says of its source


class Match(NamedTuple):
    """An entry that a name or an address is of, and how: suffix, below, exact, pattern or prefix."""

    entry: Entry
    how: str


class Tables:
    """What flows are named by: labels by number and slug, categories, and the tables of the loop.  Immutable.

    labels[n] is None where a number is not used.  Category 0 is "unknown".
    """

    def __init__(
        self,
        labels: Sequence[Label | None],
        categories: Sequence[Category],
        host_table: hosts.Hosts,
        prefix_table: prefixes.Prefixes,
        port_table: ports.Ports,
        declared: Declarations,
        app_rules: rules.Rules,
    ) -> None:
        self.labels = tuple(labels)
        self.by_slug = {label.slug: label for label in labels if label}
        self.categories = tuple(categories)
        self.category_by_slug = {category.slug: category for category in categories}
        self.hosts = host_table
        self.prefixes = prefix_table
        self.ports = port_table
        self.declared = declared
        self.rules = app_rules


class Signatures(Tables):
    """Tables, and the way back from what they say to the files."""

    def __init__(
        self,
        labels: Sequence[Label | None],
        categories: Sequence[Category],
        lists: dict[Evidence, Listing],
        declared: Declarations,
        devices: Devices,
        ruled: Sequence[tuple[str, AppRule]] = (),
        tests: Sequence[CaptureTest] = (),
    ) -> None:
        numbers = {label.slug: label.id for label in labels if label}
        rows = [(row, slug, rule) for slug, rule in ruled for row in rule.compiled(numbers[slug], numbers)]
        super().__init__(
            labels,
            categories,
            hosts.Hosts(lists["hosts"].pairs),
            prefixes.Prefixes(lists["prefixes"].pairs),
            ports.Ports(lists["ports"].pairs),
            declared,
            rules.Rules([row for row, _, _ in rows]),
        )
        self._lists = lists
        self.devices = devices
        self.tests = tuple(tests)
        self.ruled = [(slug, rule) for _, slug, rule in rows]

    @property
    def port_pairs(self) -> list[tuple[str, int]]:
        """What the table of ports was made of."""
        return self._lists["ports"].pairs

    def host_entry(self, number: int) -> Entry:
        """The entry that hosts.Hit.entry names."""
        return self._entry("hosts", number)

    def prefix_entry(self, number: int) -> Entry:
        """The entry that prefixes.Hit.entry names."""
        return self._entry("prefixes", number)

    def rule_at(self, number: int) -> tuple[str, str]:
        """The app, and FILE:LINE, of the rule that rules.ask() names."""
        slug, rule = self.ruled[number]
        return slug, rule.where

    def declared_at(self, label: int) -> list[str]:
        """FILE:LINE of each signature of bytes of a label."""
        return [each.where for each in self.declared.declared if each.label == label]

    def rules_of(self, label: Label) -> list[AppRule]:
        """The rules of an app, in the order in which they are asked."""
        return list({id(rule): rule for slug, rule in self.ruled if slug == label.slug}.values())

    def rules_for(self, text: str) -> list[tuple[str, AppRule]]:
        """The rules that ask for a host name or an address, each with its app, in the order in which they are asked."""
        try:
            address = addresses.pack(text)
        except ValueError:
            words = list({word for _, rule in self.ruled for word in rule.words.get("hosts", ())})
            kind, held = "hosts", {word for word in words if hosts.Hosts([(word, 1)]).matches(text)}
        else:
            words = list({word for _, rule in self.ruled for word in rule.words.get("prefixes", ())})
            kind, held = "prefixes", {word for word in words if addresses.fixes(word, address) >= 0}
        found = {id(rule): (slug, rule) for slug, rule in self.ruled if not held.isdisjoint(rule.words.get(kind, ()))}
        return list(found.values())

    def explain(self, text: str) -> list[Match]:
        """Every entry that a host name or an address is of, the winner first; empty where nothing is known."""
        try:
            address = addresses.pack(text)
        except ValueError:
            hits = self.hosts.matches(text)
            return [Match(self.host_entry(hit.entry), hit.kind) for hit in hits]
        holding: list[tuple[int, int]] = []
        for number, (prefix, _) in enumerate(self._lists["prefixes"].pairs):
            bits = addresses.fixes(prefix, address)
            if bits >= 0:
                holding.append((bits, number))
        hit = self.prefixes.match(address)
        holding.sort(key=lambda each: (hit is not None and each[1] == hit.entry, *each), reverse=True)
        return [Match(self.prefix_entry(number), "prefix") for _, number in holding]

    def owners(self, kind: Evidence) -> Iterator[Label]:
        """The label of every entry of a kind."""
        for _, number in self._lists[kind].pairs:
            label = self.labels[number]
            assert label is not None
            yield label

    def entries(self, label: Label, kind: Evidence) -> Iterator[Entry]:
        """All entries of a label, in the order of the files."""
        for number, (_, owner) in enumerate(self._lists[kind].pairs):
            if owner == label.id:
                yield self._entry(kind, number)

    def _entry(self, kind: Evidence, number: int) -> Entry:
        text, owner = self._lists[kind].pairs[number]
        label = self.labels[owner]
        assert label is not None
        words, place = self._lists[kind].find(number)
        return Entry(text, label, f"{words.file.path}:{words.lines[place]}", words.file.about)
