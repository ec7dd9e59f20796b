"""Reads `rules` of an app: conditions on all that is known of a flow, of which an entry's must hold together.

The format is described in docs/reference/signatures.md; dpi/match/rule_table.pyx asks them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import yaml

from dpi.match import addresses, hosts, ports
from dpi.match.nodes import Nodes
from dpi.match.words import SourceFile, Words

RULES_MAX = 256  # of an app
CONDITIONS = ("hosts", "prefixes", "ports", "ja4", "alpn", "protocols")
_JA4 = re.compile(r"[a-z0-9]{10}_[0-9a-f]{12}_[0-9a-f]{12}|[a-z0-9]{10}_[0-9a-f_]{0,25}\*", re.A)
_TRANSPORTS = {"tcp": 6, "udp": 17, "sctp": 132}

ReadWords = Callable[[SourceFile, yaml.Node, str], Words]


@dataclass(frozen=True, slots=True)
class AppRule:
    """Words by condition, each a way in which it holds; and where they stand."""

    words: dict[str, tuple[str, ...]]
    protocols: tuple[tuple[str, int, int], ...]  # slug, line and column: that they exist is asked when all is read
    file: SourceFile
    where: str  # FILE:LINE

    def __str__(self) -> str:
        """`hosts one.example; ports tcp/443`: what must hold, each with the words of which one must."""
        words = self.words | ({"protocols": tuple(slug for slug, _, _ in self.protocols)} if self.protocols else {})
        return "; ".join(f"{name} {' '.join(those)}" for name, those in words.items())

    def compiled(self, label: int, numbers: dict[str, int]) -> Iterator[dict[str, Any]]:
        """As match.rules.Rules takes them: one for each transport of its ports."""
        whole: dict[str, Any] = {
            "disposition": label,
            "hosts": self.words.get("hosts", ()),
            "ja4": self.words.get("ja4", ()),
            "alpn": self.words.get("alpn", ()),
            "protocols": [numbers[slug] for slug, _, _ in self.protocols],
            "remote": [_packed(word) for word in self.words.get("prefixes", ())],
        }
        spans = [ports.parse(word) for word in self.words.get("ports", ())]
        if not spans:
            yield whole
        for transport in dict.fromkeys(name for name, _, _ in spans):
            here = [(low, high) for name, low, high in spans if name == transport]
            yield whole | {"transports": [_TRANSPORTS[transport]], "ports": here}


def app_rules(nodes: Nodes, words: ReadWords, file: SourceFile, node: yaml.Node, path: str) -> list[AppRule]:
    """The rules of one app; what is wrong is a finding."""
    found = []
    for number, item in enumerate(nodes.items(file, node, path, RULES_MAX)):
        here = f"{path}[{number}]"
        pairs = nodes.mapping(file, item, here, CONDITIONS)
        if not pairs:
            nodes.finding(file, item, here, f"has no condition (known: {', '.join(CONDITIONS)})")
        read = {name: words(file, pair.value, f"{here}.{name}") for name, pair in pairs.items()}
        for name, those in read.items():
            if not those.words:
                nodes.finding(file, pairs[name].value, f"{here}.{name}", "has no words")
            for place, word in enumerate(those.words):
                if wrong := _PROBLEMS[name](word):
                    nodes.finding_at(file, *those.spot(place), f"{here}.{name}", f"{word}: {wrong}")
        slugs: tuple[tuple[str, int, int], ...] = ()
        if "protocols" in read:
            those = read.pop("protocols")
            slugs = tuple((word, *those.spot(place)) for place, word in enumerate(those.words))
        where = f"{file.path}:{item.start_mark.line + 1}"
        found.append(AppRule({name: tuple(those.words) for name, those in read.items()}, slugs, file, where))
    return found


def _host_problem(word: str) -> str:
    if word.startswith("o=") or "*" in word.removeprefix("*."):
        return "a name, =NAME or *.NAME is needed here"
    return hosts.problem(word)


def _ja4_problem(word: str) -> str:
    return (
        ""
        if _JA4.fullmatch(word)
        else "a JA4 fingerprint is needed here, or `*` behind its first part and `_` or more of it"
    )


def _alpn_problem(word: str) -> str:
    return "" if len(word) <= 31 and word.isascii() and word.isprintable() else "1 to 31 ASCII characters are needed"


_PROBLEMS: dict[str, Callable[[str], str]] = {
    "hosts": _host_problem,
    "prefixes": addresses.problem,
    "ports": ports.problem,
    "ja4": _ja4_problem,
    "alpn": _alpn_problem,
    "protocols": lambda _: "",
}


def _packed(text: str) -> tuple[bytes, int]:
    net = ip_network(text)
    if net.version == 4:
        return bytes(10) + b"\xff\xff" + net.network_address.packed, net.prefixlen + 96
    return net.network_address.packed, net.prefixlen
