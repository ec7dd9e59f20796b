"""The worked policies pass their check with the real vocabulary, and come to the plans that are on record.

To record a plan that was changed on purpose: DPI_GOLDEN=write pytest tests/unit/test_policy_examples.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest
import yaml

from dpi.policy import schema, show
from dpi.policy.check import check
from dpi.policy.compile import compile_policy
from dpi.policy.names import Machine
from dpi.vocabulary import vocabulary

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
SCHEMA = ROOT / "docs" / "reference" / "policy.schema.json"
WORKED = ["campus", "home-office", "isp-edge"]
EXAMPLES = sorted(path.stem for path in (ROOT / "policies").glob("*.yaml"))

# As on a box of a lab, where nothing has the example's names.
SETS = ("interfaces.lan=lan0", "interfaces.wan=[wan0, wan1]", "link={down: 100mbit, up: 100mbit}")


@pytest.mark.parametrize("name", WORKED)
def test_an_example_comes_to_its_plan(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    checked = check(Path("policies") / f"{name}.yaml", names=vocabulary)
    plan = json.loads(json.dumps(show.data(compile_policy(checked, Machine(cores=4)))))
    golden = GOLDEN / f"plan-{name}.json"
    if os.environ.get("DPI_GOLDEN") == "write":
        golden.write_text(json.dumps(plan, indent=1) + "\n")

    assert plan == json.loads(golden.read_text())


@pytest.mark.parametrize("name", EXAMPLES)
def test_nothing_about_an_example_is_odd(name: str) -> None:
    assert not check(ROOT / "policies" / f"{name}.yaml", names=vocabulary).warnings


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_tells_editors_its_schema_and_keeps_to_it(name: str) -> None:
    path = ROOT / "policies" / f"{name}.yaml"
    text = path.read_text()
    first = text.partition("\n")[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve() == SCHEMA
    assert not list(jsonschema.Draft202012Validator(schema.schema()).iter_errors(yaml.safe_load(text)))


def test_the_published_schema_is_that_of_the_models() -> None:
    assert SCHEMA.read_text() == schema.text()


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("rules: {a: {match: {app: x, port: 1-2, dscp: ef}, shape: y}}", True),
        ("classes: {a: {rate: 8mbit}, b: {rate: {down: 20%}, ceil: 1.5gbit}}", True),
        ("classes: {a: {override: true, ceil: 8mbit}}", True),
        ("classes: {a: {ceil: 8mbit}}", False),
        ("classes: {a: {rate: 8mbps}}", False),
        ("rules: {a b: {}}", False),
        ("rules: {a: {shap: x}}", False),
        ("caches: {a: {health: none}, b: {health: {check: http}}}", True),
        ("caches: {a: {health: tcp}}", False),
        ("version: 2", False),
    ],
)
def test_the_schema_tells_right_from_wrong_in_one_file(text: str, right: bool) -> None:
    validator = jsonschema.Draft202012Validator(schema.schema())
    assert validator.is_valid(yaml.safe_load(text)) == right


@pytest.mark.parametrize("name", ["home-office", "isp-edge"])
def test_an_example_runs_with_another_boxs_interfaces(name: str) -> None:
    sets = SETS if name == "home-office" else (*SETS[:2], "link={down: 40gbit, up: 40gbit}")
    plan = compile_policy(check(ROOT / "policies" / f"{name}.yaml", sets, names=vocabulary), Machine(cores=1))
    assert {tree.device for tree in plan.kernel.trees} == {"lan0", "wan0", "wan1"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_plan_in_words_names_all_of_it(name: str) -> None:
    checked = check(ROOT / "policies" / f"{name}.yaml", names=vocabulary)
    words = show.words(compile_policy(checked, Machine(cores=4)))
    policy = checked.policy
    for thing in (*policy.classes, *policy.rules, *policy.caches):
        assert f" {thing}" in words
    for rule in policy.rules:
        assert checked.document.where(("rules", rule)) in words
