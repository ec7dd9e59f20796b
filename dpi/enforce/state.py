"""What the kernel cannot tell us back: the values that sysctls had before us, and what iptables lacked.

One small JSON file, written whole and renamed into place.  It is of this boot and this network namespace; one
of another is as good as none.  What a step brings in is noted before it is done, so that whoever is killed in between
leaves a note too many, never one too few; the next apply or clean looks which of them are true (`settle`).
Beside it lies the lock that keeps a daemon and a command from acting at once.  Programs that we run hold it too: one
that is still at work when we are killed has ended before the next of us looks.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dpi.errors import KernelError
from dpi.flock import flock

BUSY = "another dpi is changing the kernel's state right now"
PATIENCE = 30.0  # seconds that we wait for it


class _Held(threading.local):
    """Descriptors of the locks that this thread holds, for the programs that it runs."""

    def __init__(self) -> None:
        self.locks: set[int] = set()


held = _Held()


@dataclass
class StateFile:
    """`sysctls`: path below /proc/sys → old value.  `iptables`: families whose mangle table we brought in."""

    path: Path | None  # None: nothing is kept, as of a namespace that was made for a try
    sysctls: dict[str, str] = field(default_factory=dict)
    iptables: list[int] = field(default_factory=list)
    clsact: list[str] = field(default_factory=list)  # devices to which we brought clsact
    mask: int | None = None  # MarkLayout.mask that is applied
    stale: int = 0  # bits of connections' marks that mean nothing any more and are still to be cleared

    @classmethod
    def load(cls, folder: Path) -> StateFile:
        path = folder / "kernel.json"
        state = cls(path)
        try:
            stored = json.loads(path.read_text())
            if stored["of"] == identity():
                state.sysctls = {str(k): str(v) for k, v in stored["sysctls"].items()}
                state.iptables = [int(v) for v in stored["iptables"]]
                state.clsact = [str(v) for v in stored["clsact"]]
                state.mask = stored["mask"]
                state.stale = int(stored["stale"])
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # damaged: the values are lost, which `clean` survives
        return state

    def save(self) -> None:
        if self.path is None:
            return
        stored = asdict(self)
        del stored["path"]
        fresh = self.path.with_suffix(".new")
        if not (self.sysctls or self.iptables or self.clsact or self.mask is not None):
            self.path.unlink(missing_ok=True)
            fresh.unlink(missing_ok=True)  # of one that was killed while it wrote
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps({"of": identity(), **stored}, indent=1))
        fresh.rename(self.path)


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identity() -> list[str | int]:
    """Which boot and which network namespace (of this thread)."""
    return [boot_id(), Path("/proc/thread-self/ns/net").stat().st_ino]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a state folder; KernelError when someone else does for longer than PATIENCE."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "kernel.lock").open("w")
    except OSError as error:
        raise KernelError(f"{folder}: {error.strerror}") from None
    with handle:
        if not flock(handle.fileno(), PATIENCE):
            raise KernelError(BUSY)
        held.locks.add(handle.fileno())
        try:
            yield
        finally:
            held.locks.discard(handle.fileno())
