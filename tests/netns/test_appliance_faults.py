"""Traffic passes when the daemon is killed or hangs, and a start that must not be changes nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from appliances import flow_of, until

from dpi.errors import DpiError
from dpi.lab.appliance import Appliance, curl
from dpi.lab.demo import leftovers
from dpi.lab.lab import Lab
from dpi.lab.topology import DNS4

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_traffic_passes_when_the_worker_dies_or_hangs_and_it_comes_back(
    lab: Lab, box: Appliance, fault: signal.Signals
) -> None:
    first = box.worker_pid()
    os.kill(first, fault)
    start = time.monotonic()
    got = curl(lab, "https://www.wikipedia.org/", "-4", seconds=60)

    assert got["exit"] == 0
    assert time.monotonic() - start < 30

    def again() -> int:
        with contextlib.suppress(DpiError):
            return int(box.call("status", timeout=2)["pid"])
        return 0

    until(lambda: again() not in (0, first), 60)
    curl(lab, "https://web.whatsapp.com/", "-4")
    assert flow_of(box, app="whatsapp")["method"] == "sni"


ASK_ONCE = f"""
import socket, struct
name = b"".join(bytes([len(l)]) + l.encode() for l in "www.wikipedia.org".split(".")) + b"\\0"
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(20)
sock.sendto(struct.pack(">6H", 7, 256, 1, 0, 0, 0) + name + struct.pack(">2H", 1, 1), ("{DNS4}", 53))
print(sock.recv(512)[:2].hex())
"""


def test_what_waits_in_the_queue_of_a_worker_that_hangs_arrives(lab: Lab, box: Appliance) -> None:
    os.kill(box.worker_pid(), signal.SIGSTOP)
    asked = lab.run("client", [sys.executable, "-c", ASK_ONCE], timeout=30)
    assert asked.stdout == "0007\n", asked.stderr


def test_when_all_of_it_is_killed_traffic_passes_and_the_next_start_takes_over(lab: Lab, policy: Path) -> None:
    box = Appliance(lab, policy)
    box.start()
    worker = box.worker_pid()
    assert box.process
    supervisor = int(Path(f"/proc/{worker}/stat").read_text().rsplit(")", 1)[1].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    box.process.wait(10)
    assert curl(lab, "https://www.wikipedia.org/", "-4")["exit"] == 0
    with Appliance(lab, policy):
        assert curl(lab, "https://www.netflix.com/", "-4")["server"] == "cache"
    assert leftovers(lab) == []


def run_once(lab: Lab, policy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    box = Appliance(lab, policy)
    folders = [f"--{name}-dir={lab.directory / name}" for name in ("state", "versions")]
    return box.cli("run", "--config", str(policy), *folders, *words, timeout=60)


def test_a_malformed_policy_is_refused_and_the_kernel_is_as_it_was(lab: Lab, policy: Path) -> None:
    policy.write_text(policy.read_text().replace("rate: {down: 8mbit", "rate: {down: 8mbits"))
    done = run_once(lab, policy)

    assert done.returncode == 2
    assert "policy.yaml:5:" in done.stderr
    assert leftovers(lab) == []


def test_an_unknown_interface_is_refused_and_the_kernel_is_as_it_was(lab: Lab, policy: Path) -> None:
    done = run_once(lab, policy, "--set", "interfaces.lan=lan7")

    assert done.returncode == 2
    assert "lan7" in done.stderr and "--set:1:" in done.stderr
    assert leftovers(lab) == []


def test_without_rights_it_says_so(lab: Lab, policy: Path) -> None:
    policy.chmod(0o644)
    box = Appliance(lab, policy)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "dpi"]
    done = lab.run("box", [*command, "run", "--config", str(policy)], timeout=60)

    assert done.returncode == 1, box
    assert "root is needed" in done.stderr or "ermission denied" in done.stderr


def test_a_second_daemon_is_refused(lab: Lab, box: Appliance, policy: Path) -> None:
    done = run_once(lab, policy)

    assert done.returncode == 2
    assert "another daemon" in done.stderr
    assert curl(lab, "https://www.netflix.com/", "-4")["server"] == "cache"
