"""The few sysctls that we need, their old values remembered and put back.

* nf_conntrack_acct: conntrack counts nothing without it; it holds for connections that begin after it is set.
* rp_filter: with strict reverse-path filtering (1) the kernel drops what comes from a cache's next hop, for
  the main table knows another way to those sources; and where `src_valid_mark` is set, what comes from the
  LAN for a cache.  The value in force is the larger of `all` and the interface's, so 2 (loose) on the
  interfaces concerned is enough and leaves the others as they are.  IPv6 has no such sysctl.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dpi.enforce.resource import Handles, Key, Resource
from dpi.errors import KernelError

ACCOUNTING = "net/netfilter/nf_conntrack_acct"
PROC = Path("/proc/sys")


def read(path: str) -> str | None:
    """The value, or None where the kernel has no such sysctl."""
    try:
        return (PROC / path).read_text().strip()
    except OSError:
        return None


def number(path: str) -> int:
    """The value as a number, 0 where there is none."""
    text = read(path)
    return int(text) if text and text.lstrip("-").isdigit() else 0


def rp_filter(device: str) -> str:
    return f"net/ipv4/conf/{device}/rp_filter"


def strict(device: str) -> bool:
    """Whether strict reverse-path filtering is in force on a device."""
    return max(number(rp_filter("all")), number(rp_filter(device))) == 1


def marks_count_in_reverse(device: str) -> bool:
    """src_valid_mark is in force on a device: reverse-path lookups use the packet's mark."""
    return any(number(f"net/ipv4/conf/{d}/src_valid_mark") for d in ("all", device))


@dataclass(frozen=True)
class Sysctl(Resource):
    """A value of ours; without it, the value that was there before."""

    kind: ClassVar[str] = "sysctl"
    rank: ClassVar[int] = 0

    path: str
    value: str

    @property
    def key(self) -> Key:
        return (self.kind, self.path)

    def title(self) -> str:
        return f"sysctl {self.path.replace('/', '.')}"

    def words(self) -> str:
        return self.value

    def add(self, handles: Handles) -> None:
        old = read(self.path)
        if old is None:
            raise KernelError(f"/proc/sys/{self.path}: the kernel has no such setting")
        handles.state.sysctls.setdefault(self.path, old)
        handles.state.save()
        _write(self.path, self.value)

    def change(self, handles: Handles, before: Resource) -> None:
        _write(self.path, self.value)

    def remove(self, handles: Handles) -> None:
        old = handles.state.sysctls.get(self.path)
        if old is not None and read(self.path) == self.value:  # else someone else has set it since
            _write(self.path, old)
        handles.state.sysctls.pop(self.path, None)
        handles.state.save()


def _write(path: str, value: str) -> None:
    try:
        (PROC / path).write_text(value)
    except OSError as error:
        raise KernelError(f"/proc/sys/{path}: {error.strerror}") from None
