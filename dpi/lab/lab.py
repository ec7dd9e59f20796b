"""The lab as a whole: up, down, and a command inside one of its namespaces."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from dpi.errors import DpiError, UsageError
from dpi.lab import net
from dpi.lab.certs import Authority
from dpi.lab.topology import DNS4, ROLES

DEFAULT = "dpi-lab"
READY_SECONDS = 180.0  # an emulated machine takes its time

# The namespace sees its own resolver in place of the machine's; the mount is gone with the command.
INSIDE = 'mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"'


def to_its_end(
    command: list[str], environment: dict[str, str], timeout: float | None
) -> subprocess.CompletedProcess[str]:
    """Runs a command whose output is captured; its exit status is the caller's to look at."""
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class Lab:
    """A lab by name.  State (CA, process ids) is kept in `directory`, so that another process can end it."""

    def __init__(self, name: str = DEFAULT, run: Path = Path("/run")) -> None:
        if not name.replace("-", "").isalnum() or len(name) > 40:
            raise UsageError(f"lab name {name!r}: letters, digits and dashes, at most 40")
        self.name = name
        self.directory = run / f"{name}.lab"

    def up(self) -> None:
        """Makes the namespaces and starts the servers; returns when they answer."""
        net.make(self.name)
        try:
            self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            (self.directory / "resolv.conf").write_text(f"nameserver {DNS4}\noptions timeout:2 attempts:2\n")
            Authority(self.directory)
            pids = {role: self._start(role) for role in ("inet", "cache")}
            (self.directory / "pids.json").write_text(json.dumps(pids))
            self._wait_ready(pids)
        except BaseException:
            self.down()
            raise

    def _start(self, role: str) -> int:
        with (self.directory / f"{role}.log").open("wb") as log:
            process = subprocess.Popen(
                self.inside(role, [sys.executable, "-m", "dpi.lab.serve", role, str(self.directory)]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return process.pid

    def _wait_ready(self, pids: dict[str, int]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        for role, pid in pids.items():
            while not (self.directory / f"{role}.ready").exists():
                gone = os.waitpid(pid, os.WNOHANG)[0] != 0
                if gone or time.monotonic() > deadline:
                    log = (self.directory / f"{role}.log").read_text(errors="replace").strip()
                    raise DpiError(f"the lab's {role} servers did not start: {log[-800:]}")
                time.sleep(0.02)

    def down(self) -> None:
        """Ends the servers and removes the namespaces.  A lab that is not there is fine."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            for pid in json.loads((self.directory / "pids.json").read_text()).values():
                self._end(pid)
        net.remove(self.name)
        if self.directory.is_dir():
            shutil.rmtree(self.directory)

    def _end(self, pid: int) -> None:
        """Ends a server of ours, unless its number has become somebody else's meanwhile."""
        try:
            if b"dpi.lab.serve" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                return
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (FileNotFoundError, ProcessLookupError, ChildProcessError):
            pass

    def is_up(self) -> bool:
        return net.exists(self.name)

    def inside(self, role: str, command: list[str]) -> list[str]:
        """The command line that runs `command` in a namespace, with the lab's resolver."""
        if role not in ROLES:
            raise UsageError(f"no namespace {role!r} in the lab: {', '.join(ROLES)}")
        ns = net.path(net.namespace(self.name, role))
        resolver = str(self.directory / "resolv.conf")
        return ["nsenter", f"--net={ns}", "unshare", "--mount", "sh", "-c", INSIDE, resolver, *command]

    def environment(self) -> dict[str, str]:
        """The process environment in which curl, openssl and Python trust the lab's CA."""
        ca = str(self.directory / "ca.pem")
        quiet = {"http_proxy", "https_proxy", "all_proxy"}
        kept = {k: v for k, v in os.environ.items() if k.lower() not in quiet}
        return kept | {"SSL_CERT_FILE": ca, "CURL_CA_BUNDLE": ca}

    def run(self, role: str, command: list[str], timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command in a namespace to its end; its output is captured."""
        return to_its_end(self.inside(role, command), self.environment(), timeout)

    def start(self, role: str, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        """Starts a command in a namespace; the caller ends it."""
        return subprocess.Popen(self.inside(role, command), env=self.environment(), **options)

    def __enter__(self) -> Lab:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()
