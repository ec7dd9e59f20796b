"""Our table as a resource: read from `nft list`, changed by one transaction that leaves alone what is equal.

Both sides are in nft's own spelling: the desired table is loaded into a scratch namespace and listed from
there.  So equality is equality of text, and a listing is valid input, which makes undo the same transaction
with the sides swapped.  Named counters and learnt elements are state, not configuration: they are not
compared, they survive every change that does not remove them, and an undo puts removed ones back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

from dpi.enforce.names import TABLE, Family
from dpi.enforce.resource import Handles, Key, Resource
from dpi.enforce.run import attempt, first_line, in_scratch
from dpi.errors import KernelError

CONTAINERS = ("set", "map")
AT_RUN_TIME = ("_dead", "_drained")  # sets of these endings hold what the daemon says, as do those with timeouts
ORDER = {"counter": 0, "set": 1, "map": 2, "chain": 3}


@dataclass(frozen=True)
class Block:
    """One object of the table.  `state`: what it holds at run time, not compared."""

    kind: str  # counter, set, map, chain
    name: str
    head: tuple[str, ...] = ()  # what cannot change in place: a set's type and flags, a base chain's hook
    items: tuple[str, ...] = ()  # rules in order, or a static set's elements, sorted
    state: tuple[str, ...] = field(default=(), compare=False)

    def text(self) -> list[str]:
        body = [*self.head]
        if self.kind in CONTAINERS and (self.items or self.state):
            body.append(f"elements = {{ {', '.join(self.items or self.state)} }}")
        else:
            body += self.items or self.state
        return [f"\t{self.kind} {self.name} {{", *(f"\t\t{line}" for line in body), "\t}"]


Blocks = Mapping[tuple[str, str], Block]


def parse(listing: str) -> dict[tuple[str, str], Block]:
    """The blocks of `nft list table`."""
    blocks = {}
    body: list[str] | None = None
    kind = name = ""
    for line in listing.splitlines():
        opened = re.fullmatch(r"\t(counter|set|map|chain) (\S+) \{", line)
        if opened:
            (kind, name), body = opened.groups(), []
        elif line == "\t}" and body is not None:
            blocks[kind, name] = _block(kind, name, body)
            body = None
        elif body is not None and line.strip():
            body.append(line.strip())
    return blocks


def _block(kind: str, name: str, body: list[str]) -> Block:
    if kind == "counter":
        return Block(kind, name, state=() if body == ["packets 0 bytes 0"] else tuple(body))
    if kind == "chain":
        heads = 1 if body and body[0].startswith("type ") else 0
        return Block(kind, name, tuple(body[:heads]), tuple(body[heads:]))
    text = " ".join(body)
    head, _, elements = text.partition("elements = {")
    lines = tuple(line for line in body if not line.startswith("elements"))
    if elements:
        lines = tuple(body[: next(i for i, line in enumerate(body) if line.startswith("elements"))])
    found = tuple(sorted(_split(elements.rsplit("}", 1)[0])))
    at_run_time = "timeout" in head or name.endswith(AT_RUN_TIME)
    return Block(kind, name, lines, () if at_run_time else found, found if at_run_time else ())


def _split(elements: str) -> Iterator[str]:
    """Elements, split at the commas outside quotes."""
    for match in re.finditer(r'(?:"[^"]*"|[^",])+', elements):
        if match[0].strip():
            yield match[0].strip()


def transaction(family: Family, before: Blocks, after: Blocks) -> str:
    """The input of `nft -f` that makes `after` of `before`, atomically; empty when they are equal."""
    ours = f"{family} {TABLE}"
    if not after:
        return f"delete table {ours}\n" if before else ""
    replaced = {k for k in before.keys() & after.keys() if before[k].head != after[k].head}
    gone = (before.keys() - after.keys()) | replaced
    new = (after.keys() - before.keys()) | replaced
    lost = {name for kind, name in gone if kind in CONTAINERS}
    refill = {
        k
        for k in (before.keys() & after.keys()) - replaced
        if k[0] == "chain" and (before[k].items != after[k].items or any(_uses(rule, lost) for rule in before[k].items))
    }
    lines = [f"add table {ours}"]
    lines += [f"flush chain {ours} {name}" for kind, name in _ordered(gone | refill) if kind == "chain"]
    # A deleted map would hold on to its counters and chains until the transaction is over; a flushed one does not.
    lines += [f"flush map {ours} {name}" for kind, name in _ordered(gone) if kind == "map"]
    grown: list[str] = []
    for key in _ordered((before.keys() & after.keys()) - replaced):
        if key[0] in CONTAINERS:
            lines += _elements("delete", ours, key[1], set(before[key].items) - set(after[key].items))
            grown += _elements("add", ours, key[1], set(after[key].items) - set(before[key].items))
    for wanted in ("map", "set", "chain", "counter"):
        lines += [f"delete {kind} {ours} {name}" for kind, name in _ordered(gone) if kind == wanted]
    fresh = [line for key in _ordered(new | refill) for line in after[key].text()]
    if fresh:
        lines += [f"table {ours} {{", *fresh, "}"]
    lines += grown
    return "\n".join(lines) + "\n" if len(lines) > 1 or not before else ""


def _ordered(keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(keys, key=lambda key: (ORDER[key[0]], key[1]))


def _uses(rule: str, names: set[str]) -> bool:
    return any(name in names for name in re.findall(r"@(\w+)", rule))


def _elements(verb: str, ours: str, name: str, elements: set[str]) -> list[str]:
    if verb == "delete":  # the key alone: nft does not take what it maps to
        elements = {element.split(" : ")[0] for element in elements}
    return [f"{verb} element {ours} {name} {{ {', '.join(sorted(elements))} }}"] if elements else []


@dataclass(frozen=True)
class NftTable(Resource):
    """The whole table; one transaction changes all of it that differs."""

    kind: ClassVar[str] = "nft"
    rank: ClassVar[int] = 8

    family: Family
    blocks: tuple[Block, ...]

    @property
    def key(self) -> Key:
        return (self.kind, self.family)

    def by_key(self) -> dict[tuple[str, str], Block]:
        return {(b.kind, b.name): b for b in self.blocks}

    def title(self) -> str:
        return f"nft table {self.family} {TABLE}"

    def words(self) -> str:
        count = {kind: sum(b.kind == kind for b in self.blocks) for kind in ORDER}
        return ", ".join(f"{n} {kind}{'s' * (n != 1)}" for kind, n in count.items() if n)

    def difference(self, before: Resource) -> str:
        assert isinstance(before, NftTable)
        old, new = before.by_key(), self.by_key()
        words = [f"+{kind} {name}" for kind, name in _ordered(new.keys() - old.keys())]
        words += [f"~{kind} {name}" for kind, name in _ordered(k for k in old.keys() & new.keys() if old[k] != new[k])]
        words += [f"-{kind} {name}" for kind, name in _ordered(old.keys() - new.keys())]
        return ", ".join(words)

    def transition(self, handles: Handles, before: Resource | None, after: Resource | None) -> None:
        assert before is None or isinstance(before, NftTable)
        assert after is None or isinstance(after, NftTable)
        text = transaction(self.family, before.by_key() if before else {}, after.by_key() if after else {})
        code, _, error = attempt(["nft", "-f", "-"], text)
        if code:
            raise KernelError(f"nft: {first_line(error)}")


@lru_cache(maxsize=4)
def desired_table(family: Family, text: str) -> NftTable:
    """The table as nft itself spells it; KernelError when it or the kernel refuses it."""
    listing = in_scratch(f"nft -f -; nft list table {family} {TABLE}", text)
    return NftTable(family, _sorted(parse(listing)))


def actual_table(family: Family) -> NftTable | None:
    """The table as it is now, or None."""
    code, listing, error = attempt(["nft", "list", "table", family, TABLE])
    if code:
        if "No such file" in error:
            return None
        raise KernelError(f"nft: {first_line(error)}")
    return NftTable(family, _sorted(parse(listing)))


def _sorted(blocks: Blocks) -> tuple[Block, ...]:
    return tuple(blocks[key] for key in _ordered(blocks))
