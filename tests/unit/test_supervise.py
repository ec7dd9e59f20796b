"""The watchdog: a worker that dies is started again, one that hangs is killed, one that cannot start is not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dpi.daemon.heart import CONTROL, Heart
from dpi.daemon.supervise import supervise


def run(worker: Callable[[Heart], int], tmp_path: Path, meanwhile: Callable[[int], None] | None = None) -> int:
    """Supervises in a process of its own, as signal handlers are set; returns its exit code."""
    parent = os.fork()
    if parent == 0:
        code = 99
        try:
            code = supervise(worker, lambda: (tmp_path / "cleaned").touch(), stall_seconds=0.5)
        finally:
            os._exit(code)
    if meanwhile:
        meanwhile(parent)
    return os.waitstatus_to_exitcode(os.waitpid(parent, 0)[1])


def lives(tmp_path: Path) -> int:
    return len(list(tmp_path.glob("life-*")))


def born(tmp_path: Path) -> int:
    (tmp_path / f"life-{os.getpid()}").touch()
    return lives(tmp_path)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def beat_until_term(heart: Heart) -> int:
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
    heart.set_ready()
    while not stopped:
        heart.beat(CONTROL)
        time.sleep(0.02)
    return 0


def stop_the_second(parent: int, tmp_path: Path) -> None:
    """Once a second worker lives."""
    wait_for(lambda: lives(tmp_path) == 2)
    time.sleep(0.3)
    os.kill(parent, signal.SIGTERM)


def test_a_worker_that_cannot_start_is_not_tried_again(tmp_path: Path) -> None:
    def worker(heart: Heart) -> int:
        born(tmp_path)
        return 2

    assert run(worker, tmp_path) == 2
    assert lives(tmp_path) == 1


def test_a_worker_that_is_killed_is_started_again(tmp_path: Path) -> None:
    def worker(heart: Heart) -> int:
        if born(tmp_path) == 1:
            heart.set_ready()
            os.kill(os.getpid(), signal.SIGKILL)
        return beat_until_term(heart)

    assert run(worker, tmp_path, lambda parent: stop_the_second(parent, tmp_path)) == 0


@pytest.mark.parametrize("how", ["stopped", "looping"])
def test_a_worker_that_hangs_is_killed_and_started_again(tmp_path: Path, how: str) -> None:
    def worker(heart: Heart) -> int:
        if born(tmp_path) == 1:
            heart.set_ready()
            heart.beat(CONTROL)
            if how == "stopped":
                os.kill(os.getpid(), signal.SIGSTOP)
            while True:
                time.sleep(1)
        return beat_until_term(heart)

    assert run(worker, tmp_path, lambda parent: stop_the_second(parent, tmp_path)) == 0


def test_a_worker_that_keeps_dying_is_given_up_and_cleaned_up_after(tmp_path: Path) -> None:
    def worker(heart: Heart) -> int:
        born(tmp_path)
        heart.set_ready()
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert run(worker, tmp_path) == 1
    assert lives(tmp_path) == 5
    assert (tmp_path / "cleaned").exists()


def test_when_the_parent_is_killed_the_worker_leaves_in_order(tmp_path: Path) -> None:
    def worker(heart: Heart) -> int:
        born(tmp_path)
        code = beat_until_term(heart)
        (tmp_path / "left").touch()
        return code

    def kill(parent: int) -> None:
        wait_for(lambda: lives(tmp_path) == 1)
        time.sleep(0.3)
        os.kill(parent, signal.SIGKILL)

    assert run(worker, tmp_path, kill) == -signal.SIGKILL
    wait_for((tmp_path / "left").exists)


def test_a_worker_that_is_out_of_the_path_may_take_its_time(tmp_path: Path) -> None:
    def worker(heart: Heart) -> int:
        beat_until_term(heart)
        heart.set_out()
        time.sleep(1.5)  # three times as long as a loop may hang
        (tmp_path / "written").touch()
        return 0

    def stop(parent: int) -> None:
        time.sleep(0.5)
        os.kill(parent, signal.SIGTERM)

    assert run(worker, tmp_path, stop) == 0
    assert (tmp_path / "written").exists() and not (tmp_path / "cleaned").exists()
