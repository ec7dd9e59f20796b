"""Heartbeats in shared memory: written by the worker's loops, read by its parent.

Each loop owns one 64-bit slot and counts its turns there, idle or not.  A slot that does not move for longer
than the limit belongs to a loop that hangs.
"""

from __future__ import annotations

import ctypes
import mmap
import time

SLOTS = 64
READY = 0  # slot 0: how far the worker is
STARTING, INLINE, OUT = 0, 1, 2
CONTROL = 1  # slot 1: the control plane's loop; queue n has slot 2 + n
FIRST_QUEUE = 2


class Heart:
    """Shared with the child by fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SLOTS * 8)
        self._slots = (ctypes.c_int64 * SLOTS).from_buffer(self._memory)
        self._seen: dict[int, tuple[int, float]] = {}

    def address(self, slot: int) -> int:
        """Where a loop in C counts its turns: the address of an int64."""
        return ctypes.addressof(self._slots) + slot * 8

    def beat(self, slot: int) -> None:
        self._slots[slot] += 1

    def set_ready(self) -> None:
        self._slots[READY] = INLINE

    def set_out(self) -> None:
        """Out of the path again: no packet waits for any loop, so none can hang."""
        self._slots[READY] = OUT

    @property
    def ready(self) -> bool:
        return self._slots[READY] == INLINE

    @property
    def starting(self) -> bool:
        return self._slots[READY] == STARTING

    @property
    def out(self) -> bool:
        return self._slots[READY] == OUT

    def reset(self) -> None:
        """Before a new worker starts."""
        for slot in range(SLOTS):
            self._slots[slot] = 0
        self._seen.clear()

    def stuck(self, limit: float) -> list[int]:
        """Slots that have beaten before and not in the last `limit` seconds."""
        now = time.monotonic()
        found = []
        for slot in range(CONTROL, SLOTS):
            value = self._slots[slot]
            if value == 0:
                continue
            last, when = self._seen.get(slot, (-1, now))
            if value != last:
                self._seen[slot] = (value, now)
            elif now - when > limit:
                found.append(slot)
        return found
