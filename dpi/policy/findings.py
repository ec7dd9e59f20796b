"""From what pydantic found to findings: our words, at the place in the file, with the key that was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

from pydantic import ValidationError

from dpi.errors import Finding
from dpi.policy import fields
from dpi.policy.load import Document, Path_
from dpi.policy.model.policy import Policy

_PATTERNS = {
    fields.NAME_PATTERN: "is no name; letters, digits, - and _, 48 at most, a letter or digit first",
    fields.LABEL_PATTERN: "is no label; they are lower case, as in netflix",
    fields.DEVICE_PATTERN: "is no name of an interface",
    r"^/[!-~]*$": "is no path; it starts with /",
    fields.URL_PATTERN: "is neither `portal` nor a URL with http:// or https://",
}


def near(word: str, known: Iterable[str]) -> str:
    """`; did you mean netflix?` where a known word is near, else nothing."""
    return _near(word.lower()[:64], known if isinstance(known, frozenset) else frozenset(known))


@lru_cache(maxsize=256)
def _near(word: str, known: frozenset[str]) -> str:
    """Costly among thousands of labels: of so many, only those are compared that begin or end alike."""
    if len(known) > 200:
        known = frozenset(k for k in known if k[:1] == word[:1] or k[-1:] == word[-1:])
    found = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]}?" if found else ""


def of_validation(error: ValidationError, document: Document) -> list[Finding]:
    """One finding for each fault, but one where a word stands for several keys."""
    findings: dict[tuple[object, ...], Finding] = {}
    for item in error.errors(include_url=False):
        path: Path_ = tuple(step for step in item["loc"] if step != "[key]")
        kind = item["type"]
        message = _message(kind, path, item)
        on_key = kind in ("extra_forbidden", "missing") or "[key]" in item["loc"]
        if kind == "missing":
            path = path[:-1]
        finding = document.finding(path, message, key=on_key)
        findings.setdefault((finding.file, finding.line, finding.column, message), finding)
    return list(findings.values())


def _message(kind: str, path: Path_, item: Any) -> str:
    given, context = item["input"], item.get("ctx", {})
    if kind == "missing":
        return f"`{path[-1]}` is missing"
    if kind == "extra_forbidden":
        known = keys_at(path[:-1])
        return f"unknown key{near(str(path[-1]), known) or '; known are ' + ', '.join(sorted(known))}"
    if given is None:
        return "has no value"
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        return f"{given!r} {_PATTERNS.get(context['pattern'], 'has the wrong form')}"
    if kind == "literal_error":
        expected = str(context["expected"])
        words = re.findall(r"'([^']*)'", expected)
        return f"{_shown(given)} is not one of {expected.replace(chr(39), '')}{near(str(given), words)}"
    expectations = {
        "bool_type": "true or false",
        "int_type": "a whole number",
        "string_type": "text",
        "list_type": "a list",
        "dict_type": "keys and values",
        "model_type": "keys and values",
        "model_attributes_type": "keys and values",
    }
    if kind in expectations:
        return f"expected {expectations[kind]}, not {_shown(given)}"
    for name, side in (("ge", "least"), ("le", "most")):
        if name in context:
            return f"{_shown(given)}: must be at {side} {context[name]}"
    if kind == "too_short":
        return "the list is empty" if not given else f"at least {context['min_length']} are needed"
    if kind == "too_long":
        return f"more than {context['max_length']}"
    return f"{_shown(given)}: {item['msg'].lower()}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@cache
def _schema() -> dict[str, Any]:
    return Policy.model_json_schema()


def keys_at(path: Path_) -> set[str]:
    """The keys that a mapping at this path may have."""
    node = _object(_schema())
    for step in path:
        if isinstance(step, int):
            node = _object(node.get("items", {}))
        else:
            named = next(iter(node.get("patternProperties", {}).values()), None)
            node = _object(node.get("properties", {}).get(step) or named or {})
    return set(node.get("properties", {}))


def _object(node: Any) -> dict[str, Any]:
    """Follows references, and of alternatives the one with most to say."""
    if not isinstance(node, dict):
        return {}
    if "$ref" in node:
        return _object(_schema()["$defs"][node["$ref"].rsplit("/", 1)[1]])
    if "anyOf" in node:
        branches = [_object(branch) for branch in node["anyOf"]]
        for wanted in ("properties", "patternProperties", "items"):
            for branch in branches:
                if wanted in branch:
                    return branch
        return {}
    return node
