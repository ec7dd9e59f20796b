"""dpi apps test: a signature file's own captures, what passes, what does not, and what cannot be run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dpi.cli.apps import command
from dpi.errors import FindingsError, UsageError
from tests.captures import packet, visit, write
from tests.cores import CLIENT, UDP

SIGNATURES = """
apps:
  ours: {category: web, hosts: ours.example}
protocols:
  campus-wire:
    category: network
    signatures: [{transport: udp, bytes: [{at: 0, text: "CAMPUS"}]}]
tests:
"""
PASSES = """
  - capture: captures/one.pcap
    flows:
      - {app: ours, protocol: tls, hostname: www.ours.example, count: 1}
      - {protocol: campus-wire, app: none, dport: 9000}
      - {app: netflix, count: 0}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "captures").mkdir()
    wire = packet(CLIENT, 40001, "198.51.100.9", 9000, UDP, b"CAMPUS 1")
    write(tmp_path / "captures" / "one.pcap", [*visit("www.ours.example"), wire])
    return tmp_path


def run(folder: Path, tests: str, *options: str, signatures: str = SIGNATURES) -> Result:
    file = folder / "mine.yaml"
    file.write_text(signatures + tests)
    return CliRunner().invoke(command, ["test", str(file), *options])


def test_a_capture_that_is_named_as_it_says_passes(folder: Path) -> None:
    result = run(folder, PASSES)
    assert (result.exit_code, result.output) == (0, f"pass  {folder}/captures/one.pcap  (3 flows)\n")


def test_one_that_is_not_fails_with_what_was_wanted_and_what_is_there(folder: Path) -> None:
    result = run(folder, "  - capture: captures/one.pcap\n    flows: [{app: ours, count: 3-4}, {app: youtube}]\n")
    assert result.exit_code == 1
    assert f"FAIL  {folder}/captures/one.pcap" in result.output
    assert f"{folder}/mine.yaml:10:13: {{app: ours}}: 3 to 4 flows wanted, 2 there" in result.output
    assert "{app: youtube}: 1 or more wanted, 0 there" in result.output


def test_programs_are_told_the_same(folder: Path) -> None:
    (answer,) = json.loads(run(folder, PASSES, "--json").output)
    assert answer["passed"] and answer["flows"] == 3 and answer["missed"] == []


def test_a_folder_that_the_file_builds_on_is_read_first(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    more = tmp_path_factory.mktemp("more")
    (more / "more.yaml").write_text("categories:\n  lectures: {within: video}\n")
    text = SIGNATURES.replace("category: web", "category: lectures")
    assert run(folder, PASSES, "--signatures", str(more), signatures=text).exit_code == 0
    assert run(folder, PASSES, "--signatures", str(folder)).exit_code == 0
    assert isinstance(run(folder, PASSES, signatures=text).exception, FindingsError)


@pytest.mark.parametrize("capture", ["captures/none.pcap", "captures", "mine.yaml"])
def test_a_capture_that_cannot_be_read_ends_with_2_and_its_place(folder: Path, capture: str) -> None:
    result = run(folder, f"  - capture: {capture}\n    flows: [{{app: ours}}]\n")
    assert result.exit_code == 2 and result.output.startswith(f"{folder}/mine.yaml:9:14: ")


def test_a_capture_that_is_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "captures" / "pipe")
    result = run(folder, "  - capture: captures/pipe\n    flows: [{app: ours}]\n")
    assert (result.exit_code, result.output) == (
        2,
        f"{folder}/mine.yaml:9:14: {folder}/captures/pipe: a pipe, not a file\n",
    )


def test_a_file_without_tests_or_none_at_all_is_wrong_usage(folder: Path) -> None:
    assert "has no `tests`" in str(run(folder, "").exception)
    result = CliRunner().invoke(command, ["test", str(folder / "nothing.yaml")])
    assert isinstance(result.exception, UsageError) and "no such file" in str(result.exception)


@pytest.mark.parametrize(("path", "what"), [("/dev/null", "a device"), ("/dev/zero", "a device"), (".", "a directory")])
def test_what_is_no_file_is_told_for_what_it_is(path: str, what: str) -> None:
    result = CliRunner().invoke(command, ["test", path])
    assert isinstance(result.exception, UsageError) and str(result.exception) == f"{path}: {what}, not a file"


def test_the_template_to_copy_passes_its_own_test() -> None:
    template = Path(__file__).parents[2] / "docs" / "reference" / "signatures-template.yaml"
    result = CliRunner().invoke(command, ["test", str(template)])
    assert result.exit_code == 0 and result.output.startswith("pass")


def test_every_mistake_in_tests_is_told(folder: Path) -> None:
    result = run(
        folder,
        "  - capture: a\n"
        "  - {capture: [], flows: []}\n"
        "  - {capture: a, flows: [{}, {app: nobody, count: x}, {colour: red}, 7]}\n"
        "  - 7\n",
    )
    assert isinstance(result.exception, FindingsError)
    lines = [finding.line for finding in result.exception.findings]
    assert set(lines) == {9, 10, 11, 12} and len(lines) >= 9
