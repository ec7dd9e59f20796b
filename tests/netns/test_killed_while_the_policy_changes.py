"""kill -9 at random moments of `dpi policy apply`: what the next life has in force is the old policy or the new one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from appliances import until

from dpi.errors import DpiError
from dpi.lab.appliance import Appliance
from dpi.lab.demo import leftovers
from dpi.lab.lab import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

WHOM = ["worker", "watchdog", "both"] * 3  # few enough workers that no watchdog gives up, see supervise.TRIES

OTHER = """\
version: 1
interfaces: {lan: lan0, wan: [wan0, cdn0]}
link: {down: 60mbit, up: 40mbit}
classes:
  work: {rate: 10mbit, default: true}
  video: {rate: {down: 5mbit, up: 4mbit}}
queue: {count: 2}
records: {file: RECORDS}
rules:
  games: {match: {app: steam}, shape: work, per_host: 1mbit}
  video: {match: {app: [netflix, youtube]}, shape: video}
tariffs: {home: {rate: 10mbit, classes: {video: {rate: 20%}}}}
subscribers: {entries: {one: {tariff: home, address: 10.77.0.11}}}
"""


@pytest.fixture
def other(policy: Path, tmp_path: Path) -> Path:
    path = tmp_path / "other.yaml"
    path.write_text(OTHER.replace("RECORDS", str(tmp_path / "flows.jsonl")))
    return path


def test_after_any_kill_the_policy_in_force_is_whole_and_the_one_that_the_history_says(
    lab: Lab, box: Appliance, other: Path
) -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)  # so that a failure can be had again
    dice = random.Random(seed)
    old = in_force(box)
    begun = time.monotonic()
    assert box.cli("policy", "apply", str(other)).returncode == 0
    took = time.monotonic() - begun
    new = in_force(box)
    for number, whom in enumerate(dice.sample(WHOM, len(WHOM))):
        assert box.cli("policy", "apply").returncode == 0
        assert in_force(box) == old
        on_trial = dice.random() < 0.5
        words = ["--confirm", "1h"] if on_trial else []
        command = subprocess.Popen(
            box.command("policy", "apply", str(other), *words),
            env=box.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        moment = dice.uniform(0, 1.2 * took)
        time.sleep(moment)
        when = f"round {number}: {whom} killed after {moment:.3f} s of policy apply {' '.join(words)}"
        kill(box, whom)
        command.wait(60)
        found = in_force(box)
        assert found == old or (found == new and not on_trial), when
        assert box.call("plan")["operations"] == [], when
        assert [v["hash"] for v in box.call("history") if v["in_force"]] == [found], when
        assert {rule["name"] for rule in box.call("status")["rules"]} >= {"gambling" if found == old else "games"}, when
        assert box.call("status")["trial"] is None, when
        print(when, "->", "new" if found == new else "old")
    assert box.stop() == 0, box.tail()
    assert leftovers(lab) == []


def in_force(box: Appliance) -> str:
    return str(box.call("status")["policy_hash"])


def kill(box: Appliance, whom: str) -> None:
    """And waits until another is there."""
    worker = box.worker_pid()
    if whom != "worker":
        assert box.process
        box.process.kill()
    if whom != "watchdog":
        os.kill(worker, signal.SIGKILL)
    if whom != "worker":
        assert box.process
        box.process.wait()
        box.process = None
        until(lambda: not Path(f"/proc/{worker}").exists(), 60)
        box.start()
    until(lambda: another(box, worker), 60)


def another(box: Appliance, worker: int) -> bool:
    try:
        return box.worker_pid() != worker
    except DpiError:
        return False
