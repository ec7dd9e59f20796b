"""A network namespace that lasts as long as a function runs.

A namespace is a thread's: the function runs in a thread that has left ours, and what it starts inherits the
new one.  When the thread ends nothing holds the namespace any more, and all that was made in it is gone.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from dpi.errors import KernelError

CLONE_NEWNET = 0x40000000  # linux/sched.h; os.unshare is of Python 3.12

T = TypeVar("T")


def in_new_namespace(function: Callable[[], T]) -> T:
    """What the function returns, or raises.  KernelError where we may not make namespaces."""

    def run() -> T:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            why = os.strerror(ctypes.get_errno())
            raise KernelError(f"cannot try the kernel in a network namespace of its own: {why} (root?)")
        return function()

    with ThreadPoolExecutor(1, "scratch-namespace") as thread:
        return thread.submit(run).result()
