"""Files and folders that one process at a time may change (flock(2))."""

from __future__ import annotations

import fcntl
import time

AGAIN = 0.05  # seconds until it is tried once more


def flock(descriptor: int, seconds: float) -> bool:
    """Holds an open file or folder against others until it is closed; False where somebody else does for so long."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(AGAIN)
        else:
            return True
