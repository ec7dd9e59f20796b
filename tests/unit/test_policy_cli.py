"""`dpi policy` and `dpi rules` as they are typed."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from policy_texts import CLASSES, HEAD, write

from dpi.cli import dpi
from dpi.control import Server
from dpi.errors import DpiError

RULES = """\
rules:
  # Films, in the evening mostly.
  films:
    match: {app: netflix}   # and its trailers
    shape: video

  web: {match: {port: [80, 443]}, shape: rest}
"""


def run(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(dpi, [str(word) for word in words])
    if isinstance(result.exception, DpiError):
        result.exit_code, result.exception.exit_code = result.exception.exit_code, result.exception.exit_code
    elif result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def said(result: Result) -> str:
    """What it printed, or what it failed with."""
    return result.output + (str(result.exception) if isinstance(result.exception, DpiError) else "")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return write(tmp_path, CLASSES + RULES)


def test_a_right_policy_passes(policy: Path) -> None:
    assert "right: 2 rules, 2 classes" in run("policy", "check", policy).output


def test_warnings_count_only_where_that_is_asked_for(policy: Path) -> None:
    policy.write_text(policy.read_text() + "  again: {match: {port: 443}, allow: true}\n")
    for words, code in ((), 0), (("--strict",), 2), (("--strict", "--format", "json"), 2):
        found = run("policy", "check", policy, *words, code=code)
        assert "can never match: shadowed by web at" in found.output
    assert "right:" not in run("policy", "check", "--strict", policy, code=2).output


def test_a_wrong_policy_is_told_with_places_and_exit_code_2(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "rules:\n  a: {match: {port: 1}, shape: x}\n  b: {}\n")
    lines = run("policy", "check", path, code=2).output.splitlines()
    assert lines == [
        f"{path}:4:32: rules.a.shape: there is no class x",
        f"{path}:5:3: rules.b: does nothing; add shape, dscp, route, block, police, per_host, per_flow, "
        "redirect, mirror, allow, exempt or log",
    ]
    found = json.loads(run("policy", "check", path, "--format", "json", code=2).output)
    assert found[0] == {
        "file": str(path),
        "line": 4,
        "column": 32,
        "path": "rules.a.shape",
        "message": "there is no class x",
        "severity": "error",
    }


def test_a_right_policy_is_an_empty_list_to_machines(policy: Path) -> None:
    assert json.loads(run("policy", "check", policy, "--format", "json").output) == []


def test_check_here_looks_for_the_interfaces(policy: Path) -> None:
    assert "this machine has no interface eth1" in run("policy", "check", policy, "--here", code=2).output
    run("policy", "check", policy, "--here", "--set", "interfaces={lan: lo, wan: lo, local: 10.0.0.0/8}")


def test_show_diff_plan_and_schema_print(policy: Path, tmp_path: Path) -> None:
    assert "class video" in run("policy", "show", policy).output
    assert json.loads(run("policy", "show", policy, "--json").output)["kernel"]["trees"]
    other = write(tmp_path, (CLASSES + RULES).replace("app: netflix", "app: youtube"), "other.yaml")
    assert run("policy", "diff", policy, other).output == "~ rule films: app netflix → app youtube\n"
    assert run("policy", "diff", policy, policy).output == "nothing changes\n"
    (change,) = json.loads(run("policy", "diff", policy, other, "--json").output)
    assert (change["verb"], change["kind"], change["name"]) == ("change", "rule", "films")
    assert "+ class video" in run("policy", "plan", policy, "--no-kernel").output
    planned = json.loads(run("policy", "plan", other, "--from", policy, "--no-kernel", "--json").output)
    assert [change["name"] for change in planned["changes"]] == ["films"]
    assert json.loads(run("policy", "schema").output)["properties"]["rules"]


def test_rules_are_listed_in_order_with_their_places(policy: Path) -> None:
    listed = json.loads(run("rules", "list", "--config", policy, "--json").output)
    assert [(rule["name"], rule["where"], rule["does"]) for rule in listed] == [
        ("films", f"{policy}:9", "class video"),
        ("web", f"{policy}:13", "class rest"),
    ]
    shown = run("rules", "show", "films", "--config", policy).output
    assert "app netflix" in shown
    assert "mark  0x00020000" in shown
    assert "did you mean films?" in said(run("rules", "show", "film", "--config", policy, code=2))


def test_a_rule_is_added_removed_and_the_file_is_as_before(policy: Path) -> None:
    before = policy.read_bytes()
    added = run(
        "rules", "add", "calls", "--config", policy, "--app", "zoom", "--port", "8801", "--port", "8000-8010",
        "--transport", "udp", "--shape", "rest", "--dscp", "ef", "--before", "web",
    )  # fmt: skip
    assert "+  calls:" in added.output
    rule = json.loads(run("rules", "show", "calls", "--config", policy, "--json").output)["rule"]
    assert rule == {
        "match": {"app": "zoom", "port": [8801, "8000-8010"], "transport": "udp"},
        "shape": "rest",
        "dscp": "ef",
    }
    run("rules", "remove", "calls", "--config", policy)
    assert policy.read_bytes() == before


def test_an_edit_says_when_the_rule_can_never_match(policy: Path) -> None:
    done = run("rules", "add", "again", "--config", policy, "--app", "netflix", "--shape", "rest")
    assert "rules.again: warning: can never match: shadowed by films at" in done.stderr


def test_a_dry_run_prints_the_difference_and_writes_nothing(policy: Path) -> None:
    before = policy.stat()
    assert "-  web:" in run("rules", "remove", "web", "--config", policy, "--dry-run").output
    after = policy.stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["add", "new", "--app", "netflx", "--shape", "video"], "did you mean netflix?"),
        (["add", "new", "--shape", "nowhere"], "there is no class nowhere"),
        (["add", "new"], "would do nothing"),
        (["add", "films", "--shape", "video"], "there is a rule films already"),
        (["add", "new", "--shape", "video", "--before", "nothing"], "there is no rule nothing"),
        (["remove", "film"], "did you mean films?"),
        (["move", "films", "--after", "nothing"], "there is no rule nothing"),
    ],
)
def test_an_edit_that_would_be_wrong_leaves_the_file_as_it_was(policy: Path, words: list[str], message: str) -> None:
    before = policy.read_bytes()
    assert message in said(run("rules", *words, "--config", policy, code=2))
    assert policy.read_bytes() == before
    assert [path.name for path in policy.parent.iterdir()] == ["policy.yaml"]


def test_disable_and_enable_give_back_the_file(policy: Path) -> None:
    before = policy.read_bytes()
    for name in ("films", "web"):
        run("rules", "disable", name, "--config", policy)
        assert "disabled" in run("rules", "list", "--config", policy).output
        run("rules", "enable", name, "--config", policy)
    assert policy.read_bytes() == before
    assert "nothing to change" in run("rules", "enable", "films", "--config", policy).output


@pytest.mark.parametrize("where", [["--before", "films"], ["--first"]])
def test_a_rule_moves_with_its_comments(policy: Path, where: list[str]) -> None:
    run("rules", "move", "web", *where, "--config", policy)
    assert [r["name"] for r in json.loads(run("rules", "list", "--config", policy, "--json").output)] == [
        "web",
        "films",
    ]
    run("rules", "move", "films", "--before", "web", "--config", policy)
    text = policy.read_text()
    assert "# Films, in the evening mostly.\n  films:\n    match: {app: netflix}   # and its trailers\n" in text


def test_rules_of_drop_ins_are_edited_where_they_stand(policy: Path) -> None:
    folder = policy.with_suffix(".d")
    new = folder / "50-local.yaml"
    run(
        "rules", "add", "late", "--config", policy, "--file", new, "--host", "*.x.example", "--allow", "--before", "web"
    )
    assert new.read_text() == (
        'rules:\n  late:\n    before: web\n    match:\n      host: "*.x.example"\n    allow: true\n'
    )
    names = [rule["name"] for rule in json.loads(run("rules", "list", "--config", policy, "--json").output)]
    assert names == ["films", "late", "web"]
    run("rules", "disable", "late", "--config", policy)
    assert "enabled: false" in new.read_text()
    assert "stands in" in said(run("rules", "move", "late", "--before", "films", "--config", policy, code=2))
    message = said(run("rules", "add", "x", "--allow", "--file", folder.parent / "y.yaml", "--config", policy, code=2))
    assert "is no part of this policy" in message


def test_a_drop_in_is_checked_however_its_path_is_spelt(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(policy.parent)
    new = policy.with_suffix(".d") / "x.yaml"
    words = ["rules", "add", "late", "--config", "policy.yaml", "--file", new, "--shape", "nowhere"]
    assert "there is no class nowhere" in said(run(*words, code=2))
    assert not new.exists()


def test_without_a_daemon_apply_says_so(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPI_SOCKET", str(policy.parent / "nobody"))
    assert "no daemon answers" in said(run("policy", "apply", policy, code=1))
    assert "--set needs" in said(run("policy", "apply", "--set", "a=b", code=2))


def test_a_plan_is_compared_with_what_the_daemon_has_in_force(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = policy.parent / "socket"
    monkeypatch.setenv("DPI_SOCKET", str(address))
    plan = json.loads(run("policy", "show", policy, "--json").output)

    async def answer(request: dict[str, Any]) -> dict[str, Any]:
        return {"data": plan}

    async def serve(ready: threading.Event, done: threading.Event) -> None:
        server = Server(address, {"policy": answer})
        await server.start()
        ready.set()
        await asyncio.to_thread(done.wait)
        await server.stop()

    ready, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve(ready, done)))
    thread.start()
    assert ready.wait(10)
    try:
        words = ["policy", "plan", policy, "--no-kernel"]
        assert run(*words).output == "nothing changes\n"
        assert run(*words, "--set", "link.down=200mbit").output == (
            "~ link down: 100mbit → 200mbit\n~ class rest down: 50mbit to 100mbit → 50mbit to 200mbit\n"
        )
    finally:
        done.set()
        thread.join()
