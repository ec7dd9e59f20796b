"""The reference tells of every key, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from dpi.policy import schema
from dpi.policy.check import check
from dpi.vocabulary import vocabulary

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "policy.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)


def test_every_key_is_described() -> None:
    whole = schema.schema()
    for name, section in [("", whole), *whole["$defs"].items()]:
        for key in section.get("properties", {}):
            assert f"`{key}`" in TEXT or f"## {key}\n" in TEXT, f"{name} {key}"


def test_the_smallest_policy_is_right(tmp_path: Path) -> None:
    (smallest,) = (block for block in BLOCKS if block.startswith("version: 1"))
    path = tmp_path / "policy.yaml"
    path.write_text(smallest)
    assert not check(path, names=vocabulary).warnings


@pytest.mark.parametrize("block", [b for b in BLOCKS if "…" not in b and "~" not in b and b.count("interfaces:") < 2])
def test_every_example_keeps_to_the_schema(block: str) -> None:
    import jsonschema

    assert jsonschema.Draft202012Validator(schema.schema()).is_valid(yaml.safe_load(block)), block


def test_every_default_is_told_as_the_schema_has_it() -> None:
    for section in schema.schema()["$defs"].values():
        for key, value in section.get("properties", {}).items():
            default = value.get("default")
            if key != "override" and isinstance(default, int) and not isinstance(default, bool) and default > 1:
                assert re.search(rf"`{key}`.*\b{default:,}\b|`{key}`.*{default:#x}", TEXT), (key, default)
