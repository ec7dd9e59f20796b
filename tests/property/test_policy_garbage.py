"""No file, however wrong, gets more than findings out of the reader; and a finding points into the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_texts import WORDS

from dpi.errors import Finding
from dpi.policy.check import Checked, examine
from dpi.policy.compile import compile_policy
from dpi.policy.findings import keys_at
from dpi.policy.load import Document
from dpi.policy.names import Machine
from dpi.policy.tree import read

EXAMPLES = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "policies").glob("*.yaml"))]

WORDS_ALMOST_RIGHT = ["video", "rest", "a", "8mbit", "20%", "eth0", "10.0.0.0/8", "10.0.0.1", "::1", "netflix", "ef"]
WORDS_ALMOST_RIGHT += ["443", "1-2", "example.org", "*.x.org", "6h", "15k", "drop", "out", "tcp", "all", "*", "[", "&a"]
scalars = (
    st.sampled_from(WORDS_ALMOST_RIGHT) | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
)
KEYS = sorted(
    set().union(
        *map(
            keys_at,
            [
                (),
                ("interfaces",),
                ("classes", "x"),
                ("caches", "x"),
                ("caches", "x", "health"),
                ("rules", "x"),
                ("rules", "x", "match"),
                ("records",),
                ("marks",),
            ],
        )
    )
)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.sampled_from(KEYS), scalars, max_size=3)


@st.composite
def almost_right(draw: st.DrawFn) -> dict[str, Any]:
    """A right policy in which a few values were lost, or became something else, or have another key."""
    tree = yaml.safe_load(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 4))):
        node: Any = tree
        while node:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], dict | list) and node[key] and draw(st.integers(0, 4)):
                node = node[key]
                continue
            change = draw(st.integers(0, 2)) if isinstance(node, dict) else 0
            if change == 0:
                node[key] = draw(values)
            elif change == 1:
                node[draw(st.sampled_from(KEYS))] = node.pop(key)
            else:
                del node[key]
            break
    return tree


def judged(raw: bytes) -> list[Finding]:
    """All findings on one file; a policy that has none compiles."""
    findings: list[Finding] = []
    root, _ = read(raw, "f", findings)
    if root is not None:
        document = Document(root, ("f",))
        policy, more = examine(document, WORDS)
        findings += more
        if policy is not None:
            compile_policy(Checked(document, policy, ()), Machine(cores=1))
    lines = raw.decode("utf-8", "replace").splitlines() or [""]
    for finding in findings:
        assert finding.file == "f"
        assert 1 <= finding.line <= len(lines) + 1
        assert finding.column >= 1
        assert finding.message
    return findings


@given(st.binary(max_size=300))
def test_any_bytes_are_findings(raw: bytes) -> None:
    judged(raw)


@given(st.text(alphabet=" \n-:[]{}&*!|>'\"#%@`,?<=abc\t\u00e9", max_size=120))
def test_any_text_of_yamls_signs_is_findings(text: str) -> None:
    judged(text.encode())


@given(almost_right())
@settings(max_examples=150)
def test_a_policy_with_some_values_wrong_is_findings(tree: dict[str, Any]) -> None:
    judged(yaml.safe_dump(tree).encode())


@given(st.sampled_from(EXAMPLES), st.data())
@settings(max_examples=60)
def test_a_right_policy_with_a_byte_changed_or_a_line_lost_is_findings(raw: bytes, data: st.DataObject) -> None:
    lines = raw.split(b"\n")
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    judged(b"\n".join(lines))
    at = data.draw(st.integers(0, len(raw) - 1))
    judged(raw[:at] + data.draw(st.binary(min_size=0, max_size=2)) + raw[at + 1 :])


@given(st.sampled_from(EXAMPLES), st.data())
@settings(max_examples=40)
def test_an_unknown_key_is_found_at_its_line_and_column(raw: bytes, data: st.DataObject) -> None:
    """Wherever a key is misspelt, the finding is at that key."""
    lines = raw.decode().split("\n")
    spelt = [i for i, line in enumerate(lines) if line.strip().startswith(("rate:", "match:", "shape:", "priority:"))]
    number = data.draw(st.sampled_from(spelt))
    column = len(lines[number]) - len(lines[number].lstrip())
    lines[number] = lines[number][:column] + "x" + lines[number][column:]
    found = [(f.line, f.column) for f in judged("\n".join(lines).encode()) if "unknown key" in f.message]
    assert found == [(number + 1, column + 1)]
