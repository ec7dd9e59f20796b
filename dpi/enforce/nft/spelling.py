"""How nft spells the objects of a table: each a list of lines, the first with its kind and name."""

from __future__ import annotations

from collections.abc import Iterable

Block = list[str]


def set_(name: str, *body: str) -> Block:
    return [f"set {name} {{", *(f"\t{line}" for line in body), "}"]


def prefix_set(name: str, version: int, prefixes: list[str]) -> Block:
    return set_(name, f"type ipv{version}_addr", "flags interval", _elements(prefixes))


def map_(name: str, kind: str, elements: list[str]) -> Block:
    body = [f"\t{_elements(elements)}"] if elements else []
    return [f"map {name} {{", f"\ttype {kind}", *body, "}"]


def counter(name: str) -> Block:
    return [f"counter {name} {{", "}"]


def chain(name: str, rules: Iterable[str]) -> Block:
    return [f"chain {name} {{", *(f"\t{rule}" for rule in rules), "}"]


def base_chain(name: str, hook: str, priority: int, rules: Iterable[str]) -> Block:
    """A chain that the kernel calls; what no rule decides goes on."""
    return chain(name, [f"type filter hook {hook} priority {priority}; policy accept;", *rules])


def quoted(names: Iterable[str]) -> str:
    """Interfaces as the elements of an anonymous set."""
    return ", ".join(f'"{name}"' for name in names)


def _elements(elements: list[str]) -> str:
    return f"elements = {{ {', '.join(elements)} }}"
