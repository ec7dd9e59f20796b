"""What the kernel cannot tell us back: the values that sysctls had before us, and what iptables lacked.

One small JSON file, written whole and renamed into place.  It is of this boot and this network namespace; one
of another is as good as none.  Beside it lies the lock that keeps a daemon and a command from acting at once.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dpi.errors import KernelError

BUSY = "another dpi is changing the kernel's state right now"
PATIENCE = 30.0  # seconds that we wait for it


@dataclass
class StateFile:
    """`sysctls`: path below /proc/sys → old value.  `iptables`: families whose mangle table we brought in."""

    path: Path
    sysctls: dict[str, str] = field(default_factory=dict)
    iptables: list[int] = field(default_factory=list)
    clsact: list[str] = field(default_factory=list)  # devices to which we brought clsact
    mask: int | None = None  # MarkLayout.mask that was last applied

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
        except FileNotFoundError:
            pass
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # damaged: the values are lost, which `clean` survives
        return state

    def save(self) -> None:
        stored = asdict(self)
        del stored["path"]
        if not (self.sysctls or self.iptables or self.clsact or self.mask is not None):
            self.path.unlink(missing_ok=True)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
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
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise KernelError(BUSY) from None
                time.sleep(0.05)
        yield
