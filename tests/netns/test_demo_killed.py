"""A demo that is killed leaves its lab and what runs in it; the next one removes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from appliances import until

from dpi.lab.demo import NAME, sweep

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]


def running(name: str) -> list[str]:
    """The command lines in which a lab is named."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if f"/{name}.lab".encode() in words:
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_what_a_killed_demo_left_is_removed_and_a_living_ones_lab_is_not(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("wb") as out:
        demo = subprocess.Popen([sys.executable, "-m", "dpi", "demo"], stdout=out, stderr=out, start_new_session=True)
    name = f"{NAME}{demo.pid}"
    try:
        until(lambda: any("dpi run" in line for line in running(name)) and "inline" in said.read_text(), 90)
        sweep()
        assert any("dpi run" in line for line in running(name)), "it lives"
    finally:
        os.kill(demo.pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{demo.pid}/cmdline").read_bytes())  # dead, and not waited for: a zombie
    assert Path(f"/run/{name}.lab").is_dir()
    assert running(name)
    sweep()
    demo.wait()
    assert running(name) == []
    assert not Path(f"/run/{name}.lab").exists()
    assert not list(Path("/run/netns").glob(f"{name}-*"))
