"""A network namespace that lasts as long as a function runs.

A namespace is a thread's: the function runs in a thread that has left ours, and what it starts inherits the
new one.  When the thread ends nothing holds the namespace any more, and all that was made in it is gone.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

from dpi.errors import KernelError

CLONE_NEWNET = 0x40000000  # linux/sched.h; os.unshare is of Python 3.12

T = TypeVar("T")


def in_new_namespace(function: Callable[[], T]) -> T:
    """What the function returns, or raises.  KernelError where we may not make namespaces."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
                why = os.strerror(ctypes.get_errno())
                raise KernelError(f"cannot try the kernel in a network namespace of its own: {why} (root?)")
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="scratch-namespace")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
