"""The JSON Schema of a policy's files, for editors: docs/reference/policy.schema.json is its text.

It says what the models say, of one file: what another file may supply is not required.  What takes two keys to
see is for `dpi policy check`.
"""

from __future__ import annotations

import json
from typing import Any

from dpi.policy.model.policy import Policy

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema as plain data."""
    found: dict[str, Any] = _tidy(Policy.model_json_schema())
    del found["required"]  # a drop-in leaves `version` and `interfaces` to the main file
    for section in found["$defs"].values():
        _partial(section)
    return {"$schema": DRAFT, **found}


def text() -> str:
    """As it stands in the file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(node: Any, names: bool = False) -> Any:
    """Without made-up titles, without null for "not given", and without defaults in another spelling than a file's.

    `names`: the keys here are the policy's, not the schema's.
    """
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _tidy(value, key in ("properties", "$defs", "patternProperties")) for key, value in node.items()}
    if names:
        return found
    found.pop("title", None)
    if "patternProperties" in found:
        found["additionalProperties"] = False
    if "anyOf" in found:
        found["anyOf"] = [branch for branch in found["anyOf"] if branch != {"type": "null"}]
        if len(found["anyOf"]) == 1:
            found = {**found.pop("anyOf")[0], **found}
    plain = found.get("type") in ("boolean", "integer") or "enum" in found
    if not plain or found.get("default") is None:
        found.pop("default", None)
    return found


def _partial(section: dict[str, Any]) -> None:
    """With `override: true` a section may leave out what an earlier file says."""
    if required := section.pop("required", None):
        overrides = {"properties": {"override": {"const": True}}, "required": ["override"]}
        section["if"], section["then"] = {"not": overrides}, {"required": required}
