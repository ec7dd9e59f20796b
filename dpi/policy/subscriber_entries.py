"""A subscriber as a list says it, and the subscribers that the tree of a file holds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from collections.abc import Mapping as MappingType
from pathlib import Path
from typing import Any, NamedTuple

from dpi.errors import Finding, FindingsError
from dpi.policy import link_layer, table, units
from dpi.policy.load import LISTED, TABLE
from dpi.policy.tree import Mapping, Node, read


class Entry(NamedTuple):
    """A subscriber as a list says it."""

    tariff: str
    address: tuple[str, ...] = ()
    parent: str | None = None
    mac: tuple[str, ...] = ()
    vlan: tuple[str, ...] = ()

    def keys(self) -> dict[str, tuple[str, ...]]:
        """What it is known by, by kind."""
        return {"address": self.address, "mac": self.mac, "vlan": self.vlan}

    def same(self) -> tuple[Any, ...]:
        """What it means: keys in one spelling and order."""
        return self.tariff, self.parent, {kind: canonical_all(each) for kind, each in self.keys().items()}

    def to_json(self) -> dict[str, Any]:
        return {"tariff": self.tariff} | {k: list(v) for k, v in self.keys().items()} | {"parent": self.parent}

    def __str__(self) -> str:
        return f"{self.tariff}, {self.known_by()}" + (f", behind {self.parent}" if self.parent else "")

    def known_by(self) -> str:
        """`10.0.0.1 02:11:22:33:44:55 VLAN 7`"""
        return " ".join([*self.address, *self.mac, *(f"VLAN {vlan}" for vlan in self.vlan)])


Changes = MappingType[str, Entry | None]  # by id; None: away with it


def canonical(key: str) -> str:
    """An address, a MAC address or a VLAN in its one spelling; what is none of them as it is."""
    for parse in (units.prefix, link_layer.mac):
        with contextlib.suppress(ValueError):
            return parse(key)
    return str(int(key)) if key.isascii() and key.isdecimal() else key


def canonical_all(keys: Iterable[str]) -> list[str]:
    return sorted(map(canonical, keys))


def entries_node(root: Mapping) -> Mapping | None:
    node: Node | None = root
    for key in LISTED:
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else None


def entries(root: Mapping) -> dict[str, Entry]:
    """The subscribers of a file or a policy; what is no subscriber at all is left out."""
    found: dict[str, Entry] = {}
    node = entries_node(root)
    for name, (_, value) in node.entries.items() if node else ():
        if isinstance(value, Mapping):
            found[name] = _entry(value)
    return found


def _entry(node: Mapping) -> Entry:
    said = node.data()
    parent = said.get("parent")
    keys = {kind: said.get(kind) for kind in table.KEYS}
    listed = {
        kind: given if isinstance(given, list) else [] if given is None else [given] for kind, given in keys.items()
    }
    told = {kind: tuple(map(str, given)) for kind, given in listed.items()}
    return Entry(str(said.get("tariff", "")), parent=None if parent is None else str(parent), **told)


def parsed(raw: bytes, file: Path) -> Mapping:
    """The tree of one file; FindingsError where it cannot be read."""
    findings: list[Finding] = []
    root = table.read(raw, str(file), findings) if file.suffix == TABLE else read(raw, str(file), findings)[0]
    if findings or root is None:
        raise FindingsError(findings)
    return root
