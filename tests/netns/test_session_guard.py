"""A policy that would cut the session of who changes it is refused: real connections through the box, and to it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from appliances import until

from dpi.lab.appliance import Appliance
from dpi.lab.lab import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

BEYOND, BOX, CLIENT = "198.18.0.2", "198.18.0.1", "10.77.0.11"
SERVER = """
import socket, threading
def echo(c):
    c.sendall(b"SSH-2.0-OpenSSH_9.2\\r\\n")
    while d := c.recv(4096): c.sendall(d)
s = socket.create_server(("0.0.0.0", 22)); print("up", flush=True)
while True: threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()
"""
# Says its port; then sends a line for each that it is given, and says what came back, or how it ended.
CLIENT_PROGRAM = """
import socket, sys
c = socket.create_connection((sys.argv[1], 22), 10)
stream = c.makefile("rb"); stream.readline(); c.sendall(b"SSH-2.0-OpenSSH_9.2\\r\\n"); stream.readline()
print(c.getsockname()[1], flush=True)
for line in sys.stdin:
    try:
        c.settimeout(4); c.sendall(line.encode()); print(stream.readline().decode().strip() or "closed", flush=True)
    except OSError as error: print(f"cut: {error}", flush=True)
"""


@pytest.fixture
def strict(policy: Path) -> Path:
    """A policy that blocks SSH."""
    path = policy.with_name("strict.yaml")
    path.write_text(policy.read_text().replace("rules:\n", "rules:\n  no-ssh: {match: {app: ssh}, block: reject}\n"))
    return path


class Login:
    """A session: its client, in one namespace, and a server on port 22 of another."""

    def __init__(self, lab: Lab, client: str, server: str, address: str) -> None:
        piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.server = lab.start(server, [sys.executable, "-c", SERVER], **piped)
        assert self.server.stdout and self.server.stdout.readline()
        self.client = lab.start(client, [sys.executable, "-c", CLIENT_PROGRAM, address], **piped)
        assert self.client.stdout
        self.port = int(self.client.stdout.readline())

    def says(self, word: str) -> str:
        assert self.client.stdin and self.client.stdout
        self.client.stdin.write(word + "\n")
        self.client.stdin.flush()
        return str(self.client.stdout.readline()).strip()

    def close(self) -> None:
        for process in (self.client, self.server):
            process.kill()
            process.wait()


@contextlib.contextmanager
def login(lab: Lab, client: str, server: str, address: str) -> Iterator[Login]:
    made = Login(lab, client, server, address)
    try:
        yield made
    finally:
        made.close()


def apply(box: Appliance, session: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        box.command("policy", "apply", *words),
        env=box.environment() | {"SSH_CONNECTION": session},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_session_through_the_box_is_not_cut_unless_forced(lab: Lab, box: Appliance, strict: Path) -> None:
    with login(lab, "client", "inet", BEYOND) as mine:
        session = f"{CLIENT} {mine.port} {BEYOND} 22"
        before = box.call("status")["policy_hash"]
        done = apply(box, session, str(strict))
        assert done.returncode == 1, done.stdout
        for word in ("refused", f"{CLIENT}:{mine.port}", "rejected by rule no-ssh", "strict.yaml:", "--force"):
            assert word in done.stderr
        assert box.call("status")["policy_hash"] == before
        assert mine.says("still here") == "still here"

        assert apply(box, f"{CLIENT} {mine.port + 1} {BEYOND} 22", str(strict)).returncode == 0, "somebody else's"
        assert mine.says("gone") != "gone"
        assert box.cli("policy", "rollback").returncode == 0

    with login(lab, "client", "inet", BEYOND) as mine:
        assert apply(box, f"{CLIENT} {mine.port} {BEYOND} 22", str(strict), "--force").returncode == 0
        assert mine.says("gone") != "gone"


def test_the_way_to_a_jump_host_is_not_cut_by_a_changed_file(
    lab: Lab, box: Appliance, policy: Path, strict: Path
) -> None:
    """The operator's first session is forwarded, the second leads from beyond back to the box itself."""
    with login(lab, "client", "inet", BEYOND) as first, login(lab, "inet", "box", BOX):
        before = box.call("status")["policy_hash"]
        right = policy.read_text()
        policy.write_text(strict.read_text())
        failed = until(lambda: (last := box.call("status")["reload"]) and not last["ok"] and last)
        assert "refused" in failed["message"] and f"{BEYOND}:22 (ssh) would be rejected" in failed["message"]
        assert box.call("status")["policy_hash"] == before
        assert first.says("still here") == "still here"
        routed = right.replace("rules:\n", "rules:\n  all-ssh: {match: {app: ssh}, route: oca}\n")
        other = policy.with_name("routed.yaml")
        other.write_text(routed)
        done = box.cli("policy", "apply", str(other))
        assert (done.returncode, "begun anew, would go to cache oca" in done.stderr) == (1, True), done.stderr
        assert box.cli("policy", "apply", str(strict), "--force").returncode == 0
        assert first.says("gone") != "gone"


def test_a_session_to_the_box_itself_is_safe_and_hinders_no_change(lab: Lab, box: Appliance, strict: Path) -> None:
    with login(lab, "client", "box", "10.77.0.1") as mine:
        done = apply(box, f"{CLIENT} {mine.port} 10.77.0.1 22", str(strict))
        assert done.returncode == 0, done.stderr
        assert mine.says("still here") == "still here"
