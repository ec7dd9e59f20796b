"""The appliance in the lab's box, as an operator would run it: `dpi run` as a process, asked over its socket."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dpi.errors import DpiError
from dpi.lab.lab import Lab, to_its_end

START_SECONDS = 180.0  # an emulated machine takes its time
STOP_SECONDS = 60.0


class Appliance:
    """One `dpi run` inside the box of a lab."""

    def __init__(self, lab: Lab, config: Path, sets: Sequence[str] = ()) -> None:
        self.lab = lab
        self.socket = lab.directory / "control.sock"
        self.log = lab.directory / "dpi.log"
        self._config = config
        self._sets = [word for s in sets for word in ("--set", s)]
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> list[str]:
        """`dpi WORDS` inside the box."""
        return self.lab.inside("box", [sys.executable, "-m", "dpi", *words])

    def start(self) -> None:
        """Returns when the daemon is inline; DpiError with its log where it does not come up."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(
                    "run",
                    *("--config", str(self._config)),
                    *("--state-dir", str(self.lab.directory / "state")),
                    *("--versions-dir", str(self.lab.directory / "versions")),
                    *self._sets,
                ),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.process.poll() is not None:
                raise DpiError(f"dpi run ended with {self.process.returncode}: {self.tail()}")
            try:
                self.call("status")
                return
            except DpiError as error:
                if time.monotonic() > deadline:
                    self.stop()
                    raise DpiError(f"dpi run did not come up: {error}: {self.tail()}") from error
            time.sleep(0.05)

    def stop(self) -> int:
        """Ends it in order; its exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process = None
        return code

    def environment(self) -> dict[str, str]:
        return self.lab.environment() | {"DPI_SOCKET": str(self.socket), "NO_COLOR": "1"}

    def call(self, do: str, **parameters: Any) -> Any:
        """Asks the daemon, as the CLI would."""
        from dpi.control import call

        return call(do, path=self.socket, **parameters)

    def cli(self, *words: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Runs `dpi WORDS` in the box to its end."""
        return to_its_end(self.command(*words), self.environment(), timeout)

    def tail(self) -> str:
        return self.log.read_text(errors="replace").strip()[-2000:]

    def worker_pid(self) -> int:
        """The process that holds the queues (its parent is the watchdog)."""
        return int(self.call("status")["pid"])

    def __enter__(self) -> Appliance:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def curl(lab: Lab, url: str, *options: str, seconds: float = 30.0) -> dict[str, Any]:
    """One download by curl in the client's namespace: exit, error, code, server, bytes, seconds of transfer, rate."""
    numbers = '"code":"%{http_code}","bytes":%{size_download},"first":%{time_starttransfer},"total":%{time_total}'
    form = f'{{{numbers},"ip":"%{{remote_ip}}","server":"%header{{server}}"}}'
    done = lab.run(
        "client",
        ["curl", "-sS", "-o", os.devnull, "-w", form, "-m", str(seconds), *options, url],
        timeout=seconds + 30,
    )
    answer: dict[str, Any] = {"code": "000", "bytes": 0, "first": 0.0, "total": 0.0, "ip": "", "server": ""}
    if done.stdout.strip():
        answer |= json.loads(done.stdout)
    answer["exit"] = done.returncode
    answer["error"] = done.stderr.strip()
    took = float(answer["total"]) - float(answer["first"])
    answer["bit_s"] = int(answer["bytes"]) * 8 / took if took > 0 else 0.0
    return answer
