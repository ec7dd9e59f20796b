"""Changes of policy that can be taken back: on trial, confirmed, undone by themselves, rolled back; whatever dies."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from appliances import until

from dpi.errors import DpiError
from dpi.lab.appliance import Appliance
from dpi.lab.lab import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]


@pytest.fixture
def other(policy: Path) -> Path:
    """Another policy, with one rule less."""
    path = policy.with_name("other.yaml")
    path.write_text(policy.read_text().replace("  silent: {match: {host: silent.example}, block: drop}\n", ""))
    return path


def in_force(box: Appliance) -> str:
    return str(box.call("status")["policy_hash"])


def rules(box: Appliance) -> set[str]:
    return {rule["name"] for rule in box.call("status")["rules"]}


def test_a_change_that_is_not_confirmed_is_undone(box: Appliance, other: Path) -> None:
    before = in_force(box)
    done = box.cli("policy", "apply", str(other), "--confirm", "3s", "--comment", "without silent")
    assert done.returncode == 0, done.stderr
    assert "unless `dpi policy confirm`" in done.stdout
    assert "silent" not in rules(box)
    assert "on trial" in box.cli("status").stdout
    until(lambda: in_force(box) == before, 15)
    assert "silent" in rules(box)
    assert box.cli("policy", "confirm").returncode == 1
    history = box.call("history")
    assert [v["comment"] for v in history] == ["", "without silent"]
    assert [v["in_force"] for v in history] == [True, False]
    assert history[1]["who"]


def test_a_confirmed_change_stays_also_when_the_worker_is_killed(box: Appliance, other: Path) -> None:
    assert box.cli("policy", "apply", str(other), "--confirm", "30s").returncode == 0
    changed = in_force(box)
    assert box.cli("policy", "apply").returncode == 1, "one change at a time"
    assert box.cli("policy", "confirm").returncode == 0
    kill_worker(box)
    assert in_force(box) == changed
    assert "stands in for" in box.cli("status").stdout


def test_a_change_on_trial_is_undone_when_the_worker_is_killed(box: Appliance, other: Path) -> None:
    before = in_force(box)
    assert box.cli("policy", "apply", str(other), "--confirm", "1h").returncode == 0
    assert in_force(box) != before
    kill_worker(box)
    assert in_force(box) == before
    assert box.call("status")["trial"] is None


def test_own_files_that_were_changed_on_trial_are_not_used_at_the_next_start(
    lab: Lab, policy: Path, other: Path
) -> None:
    box = Appliance(lab, policy, sets=["control.confirm=1h"])
    with box:
        before = in_force(box)
        policy.write_text(other.read_text())  # as somebody who pushes files would
        until(lambda: box.call("status")["trial"])
        assert "silent" not in rules(box)
        worker = box.worker_pid()
        assert box.process
        box.process.kill()  # all of it at once, as a power cut would
        os.kill(worker, signal.SIGKILL)
        box.process.wait()
        box.process = None
        until(lambda: not Path(f"/proc/{worker}").exists())
        box.start()
        assert in_force(box) == before
        assert "was not confirmed" in box.tail()
        # Changed once more, they count again.
        policy.write_text(other.read_text() + "# better\n")
        until(lambda: box.call("status")["trial"])
        assert box.cli("policy", "confirm").returncode == 0
        assert box.call("status")["own_files"]
        assert "silent" not in rules(box)


def test_a_rollback_lasts_until_the_files_change(box: Appliance, policy: Path, other: Path) -> None:
    first = in_force(box)
    assert box.cli("policy", "rollback").returncode == 2, "there is none before"
    policy.write_text(other.read_text())
    second = until(lambda: (now := in_force(box)) != first and now)
    done = box.cli("policy", "rollback")
    assert done.returncode == 0, done.stderr
    assert in_force(box) == first
    kill_worker(box)
    assert in_force(box) == first
    assert [v["number"] for v in box.call("history") if v["in_force"]] == [1]
    assert box.cli("policy", "rollback", "7").returncode == 2
    assert box.cli("policy", "rollback", "2").returncode == 0
    assert in_force(box) == second
    assert box.cli("policy", "rollback").returncode == 0
    assert box.cli("policy", "apply").returncode == 0  # the own files again
    assert in_force(box) == second
    assert box.call("status")["own_files"]


def test_a_version_is_a_policy_file_like_any_other(box: Appliance, policy: Path) -> None:
    drop_in = policy.with_suffix(".d") / "10-more.yaml"
    drop_in.parent.mkdir()
    drop_in.write_text("rules:\n  more: {match: {app: zoom}, shape: rest}\n")
    until(lambda: "more" in rules(box))
    newest = box.call("history")[-1]
    shown = json.loads(box.cli("policy", "show", newest["file"], "--json").stdout)
    assert "more" in {rule["name"] for rule in shown["engine"]["rules"]}
    assert box.cli("policy", "wait", newest["hash"]).returncode == 0


def test_waiting_for_a_policy_ends_with_a_reload_that_fails(box: Appliance, policy: Path) -> None:
    assert box.cli("policy", "wait", "no-hash").returncode == 2
    started = time.monotonic()
    done = box.cli("policy", "wait", "00000000", "--timeout", "1s")
    assert (done.returncode, "still in force after 1s" in done.stderr) == (1, True), done.stderr
    assert time.monotonic() - started < 20


def test_without_room_for_versions_changes_work_but_not_on_trial(lab: Lab, policy: Path, other: Path) -> None:
    (lab.directory / "versions").write_text("in the way")
    try:
        with Appliance(lab, policy) as box:
            before = in_force(box)
            done = box.cli("policy", "apply", str(other), "--confirm", "1m")
            assert (done.returncode, "there is no way back" in done.stderr) == (1, True), done.stderr
            assert in_force(box) == before
            assert box.cli("policy", "apply", str(other)).returncode == 0
            assert in_force(box) != before
    finally:
        (lab.directory / "versions").unlink()


def kill_worker(box: Appliance) -> None:
    """And waits until another is there."""
    old = box.worker_pid()
    os.kill(old, signal.SIGKILL)

    def alive() -> bool:
        try:
            return box.worker_pid() != old
        except DpiError:  # not back yet
            return False

    until(alive, 60)
