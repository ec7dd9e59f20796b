"""`dpi doctor` as it is typed, without a daemon and beside one."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from doctors import ROOT
from world import Space, World, wait_for

from dpi.control import call
from dpi.errors import DpiError

pytestmark = pytest.mark.netns

POLICY = """\
version: 1
interfaces: {lan: lan0, wan: wan0}
link: {down: 100mbit, up: 50mbit}
classes:
  rest: {rate: 10mbit, ceil: 100%, default: true}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


def run(space: Space, *words: str | Path, socket: Path) -> subprocess.CompletedProcess[str]:
    with space:
        return subprocess.run(
            [sys.executable, "-m", "dpi", "doctor", *map(str, words)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "NO_COLOR": "1", "DPI_SOCKET": str(socket)},
        )


def test_the_command_prints_what_to_do_and_exits_by_the_worst(world: World, policy: Path, tmp_path: Path) -> None:
    arguments = ("--config", policy, "--state-dir", tmp_path)
    done = run(world.box, *arguments, "--json", socket=tmp_path / "none")
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["counts"]["error"] == 0
    assert {tuple(f) for f in answer["findings"]} == {("level", "check", "looked_at", "found", "why", "fix")}

    swapped = ("--set", "interfaces.lan=wan0", "--set", "interfaces.wan=lan0")
    done = run(world.box, *arguments, *swapped, socket=tmp_path / "none")
    assert done.returncode == 1
    assert "error: sides: packets to the internet leave by wan0 (IPv4), which the policy calls lan" in done.stdout
    assert "  fix: swap lan and wan under interfaces: in the policy" in done.stdout


def test_a_policy_that_is_wrong_is_a_finding_and_a_missing_one_is_wrong_usage(
    world: World, policy: Path, tmp_path: Path
) -> None:
    policy.write_text(POLICY + "rules: {a: {shape: nowhere}}\n")
    done = run(world.box, "--config", policy, "--json", "-q", socket=tmp_path / "none")
    assert done.returncode == 1
    faults = [f["found"] for f in json.loads(done.stdout)["findings"] if f["check"] == "policy"]
    assert "there is no class nowhere" in faults[0]
    assert run(world.box, "--config", tmp_path / "none.yaml", socket=tmp_path / "none").returncode == 2
    assert run(world.box, "--config", policy, "--set", "nonsense", socket=tmp_path / "none").returncode == 2


def test_it_works_without_a_policy_and_without_root(world: World, tmp_path: Path) -> None:
    with world.box:
        done = subprocess.run(
            [
                *["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"],
                sys.executable,
                "-m",
                "dpi",
                "doctor",
                "--json",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "DPI_SOCKET": str(tmp_path / "none"), "HOME": "/"},
        )
    if "ModuleNotFoundError" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("an ordinary user cannot read this checkout")
    answer = json.loads(done.stdout)
    assert done.returncode == (1 if answer["counts"]["error"] else 0)
    left_out = [f["found"] for f in answer["findings"] if f["level"] == "note"]
    assert any("root" in text for text in left_out)
    assert any("not looked at without a policy" in text for text in left_out)
    assert not any("failed" in f["found"] for f in answer["findings"])


@contextmanager
def restless(world: World) -> Iterator[None]:
    """News without end from an interface: what keeps its state waits with repairs until there are none for a second."""
    done = threading.Event()

    def change() -> None:
        for length in itertools.cycle((500, 1000)):
            world.box.run("ip", "link", "set", "lan0", "txqueuelen", str(length))
            if done.wait(0.2):
                return

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_the_running_daemon_is_asked(world: World, policy: Path, tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    with world.box:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dpi", "run", "--config", policy, "--state-dir", tmp_path / "state"],
            cwd=ROOT,
            env={**os.environ, "DPI_SOCKET": str(socket)},
            stderr=subprocess.PIPE,
            text=True,
        )
    try:

        def inline() -> bool:
            try:
                return bool(call("status", path=socket))
            except DpiError:
                return daemon.poll() is not None

        assert wait_for(inline, 60)
        assert daemon.poll() is None, daemon.stderr and daemon.stderr.read()
        done = run(world.box, "--state-dir", tmp_path / "state", "--json", socket=socket)
        found = json.loads(done.stdout)["findings"]
        assert done.returncode == 0, [f for f in found if f["level"] == "error"]
        by_check = {f["check"]: f for f in found if f["level"] == "ok"}
        assert by_check["daemon"]["found"].startswith("runs: ")
        assert "ours" in by_check["queues"]["found"]
        assert by_check["accounting"]["found"] == "on"
        assert by_check["marks"] and by_check["qdisc"]

        elsewhere = json.loads(run(world.client, "--json", socket=socket).stdout)["findings"]
        assert any("another network namespace" in f["found"] for f in elsewhere)

        with restless(world):
            world.box.run("tc", "qdisc", "del", "dev", "lan0", "root")
            changed = json.loads(run(world.box, "--state-dir", tmp_path / "state", "--json", socket=socket).stdout)
        assert any(f["check"] == "kernel-state" and f["level"] == "error" for f in changed["findings"])
        assert not call("apply", path=socket).get("error")

        policy.write_text(POLICY + "rules: {a: {shape: nowhere}}\n")
        with pytest.raises(DpiError):
            call("apply", path=socket)
        done = run(world.box, "--state-dir", tmp_path / "state", "--json", socket=socket)
        assert done.returncode == 1
        assert any("last reload" in f["found"] for f in json.loads(done.stdout)["findings"])
    finally:
        daemon.terminate()
        daemon.wait(30)
