"""A path to measure on: client – router – server, three network namespaces and two veth pairs.

Made with `ip` alone, so that it stands on any machine with iproute2, and named after the process, so that several
can stand at once.  Leaving the context removes it, with every process that was started in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

from dpi.errors import KernelError

T = TypeVar("T")

CLIENT, ROUTER, SERVER = "client", "router", "server"
ROLES = (CLIENT, ROUTER, SERVER)
LAN, WAN = "lan0", "wan0"  # the router's devices
CLIENT4, SERVER4 = "192.0.2.2", "198.51.100.2"  # RFC 5737
CLIENT6, SERVER6 = "2001:db8:1::2", "2001:db8:2::2"  # RFC 3849
CLONE_NEWNET = 0x40000000

#       peer's role, router's device, router's and peer's address
WIRES = (
    (CLIENT, LAN, ("192.0.2.1/24", "2001:db8:1::1/64"), (f"{CLIENT4}/24", f"{CLIENT6}/64")),
    (SERVER, WAN, ("198.51.100.1/24", "2001:db8:2::1/64"), (f"{SERVER4}/24", f"{SERVER6}/64")),
)


def inside(namespace: str, work: Callable[[], T]) -> T:
    """Runs `work` in a named network namespace, in a thread of its own; sockets that it opens stay there."""

    def enter() -> T:
        with pathlib.Path("/run/netns", namespace).open() as handle:
            if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET):
                raise KernelError(f"cannot enter {namespace}: {os.strerror(ctypes.get_errno())}")
        return work()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(enter).result()


class Path:
    """The three namespaces.  Raises KernelError, leaving nothing behind, where they cannot be made."""

    def __init__(self, prefix: str = "dpi-path") -> None:
        self._prefix = f"{prefix}-{os.getpid()}-{secrets.token_hex(2)}"
        self._processes: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Path:
        try:
            self._make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def name(self, role: str) -> str:
        return f"{self._prefix}-{role}"

    def inside(self, role: str, work: Callable[[], T]) -> T:
        return inside(self.name(role), work)

    def socket(self, role: str, family: int, kind: int) -> socket.socket:
        return self.inside(role, lambda: socket.socket(family, kind))

    def run(self, role: str, *command: str, check: bool = True) -> str:
        """Runs a command to its end in a namespace; its output.  Raises KernelError with its complaint."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.name(role), *command], capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            raise KernelError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
        return done.stdout

    def start(self, role: str, *command: str, **options: Any) -> subprocess.Popen[Any]:
        """Starts a process in a namespace; stop() or the end of the context ends it."""
        process = subprocess.Popen(["ip", "netns", "exec", self.name(role), *command], **options)
        self._processes.append(process)
        return process

    def stop(self, process: subprocess.Popen[Any], seconds: float = 10) -> int:
        """Asks a process to end, and makes it; its exit code."""
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process in self._processes:
            self._processes.remove(process)
        return process.returncode

    def close(self) -> None:
        for process in list(self._processes):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()
        self._processes.clear()
        for role in ROLES:
            subprocess.run(["ip", "netns", "del", self.name(role)], capture_output=True, check=False)

    def _make(self) -> None:
        if not shutil.which("ip"):
            raise KernelError("`ip` (package iproute2) is needed to make network namespaces")
        for role in ROLES:
            done = subprocess.run(["ip", "netns", "add", self.name(role)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise KernelError(f"cannot make a network namespace (root is needed): {done.stderr.strip()}")
            self.run(role, "ip", "link", "set", "lo", "up")
            # Addresses are usable at once: nobody else is on these wires.
            self._sysctl(role, "ipv6/conf/all/disable_ipv6", "0")
            self._sysctl(role, "ipv6/conf/default/accept_dad", "0")
        self._sysctl(ROUTER, "ipv4/ip_forward", "1")
        self._sysctl(ROUTER, "ipv6/conf/all/forwarding", "1")
        for role, device, router, peer in WIRES:
            self.run(
                ROUTER, "ip", "link", "add", device, "type", "veth",
                "peer", "name", "eth0", "netns", self.name(role),
            )  # fmt: skip
            for at, name, addresses in ((ROUTER, device, router), (role, "eth0", peer)):
                for address in addresses:
                    nodad = ["nodad"] if ":" in address else []
                    self.run(at, "ip", "address", "add", address, "dev", name, *nodad)
                self.run(at, "ip", "link", "set", name, "up")
            for address in router:
                version = "-6" if ":" in address else "-4"
                self.run(role, "ip", version, "route", "replace", "default", "via", address.split("/")[0])

    def _sysctl(self, role: str, key: str, value: str) -> None:
        self.run(role, "sh", "-c", f"echo {value} > /proc/sys/net/{key}")
