"""The parent of the worker: nothing in the kernel covers a reader that is alive and slow, so this does.

While the queue has no reader the kernel lets packets pass (`bypass`); while the queue is full it lets them pass
(fail-open).  A reader that hangs with a queue that is not full would hold what is in it for ever: then the parent lets
the packets go, kills the worker, which frees the queue, and starts another.  A worker that keeps dying is given up:
our rules are taken back and traffic flows unshaped.  The parent does little, so that little can go wrong in it.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable

from dpi.capture.rescue import let_go
from dpi.daemon.heart import Heart

log = logging.getLogger("dpi.supervise")

LOOK_SECONDS = 0.2
TRIES = 5  # deaths within WINDOW after which the worker is given up
WINDOW = 60.0
STOP_SECONDS = 15.0  # to get out of the path in order
WRITE_SECONDS = 60.0  # to write out the records of flows that are still there, which no traffic waits for
PR_SET_PDEATHSIG = 1  # sys/prctl.h


def supervise(
    worker: Callable[[Heart], int],
    cleanup: Callable[[], None],
    stall_seconds: float,
    start_seconds: float = 90.0,
) -> int:
    """Runs `worker` in a child, again when it dies; returns the exit code.

    A worker that ends before it is inline is not tried again: its exit code is ours.  SIGTERM and SIGINT end
    it, SIGHUP is passed on.
    """
    heart = Heart()
    state = _State()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, state.signalled)
    deaths: list[float] = []
    while True:
        heart.reset()
        state.child = _fork(worker, heart)
        code = _watch(state, heart, stall_seconds, start_seconds)
        if state.stopping:
            if code < 0:
                _cleanup(cleanup)  # it was killed on its way out
            return max(code, 0) if code != -signal.SIGKILL else 1
        if heart.starting and code >= 0:
            return code
        now = time.monotonic()
        deaths = [t for t in deaths if now - t < WINDOW] + [now]
        log.error("the worker died (%s); traffic passes unclassified meanwhile", _describe(code))
        if len(deaths) >= TRIES:
            log.critical("it died %d times within %d s: given up, our rules are taken back", TRIES, WINDOW)
            _cleanup(cleanup)
            return 1
        time.sleep(min(0.2 * 2 ** len(deaths), 5.0))
        if state.stopping:
            _cleanup(cleanup)
            return 0


class _State:
    child = 0
    stopping = False

    def signalled(self, number: int, _: object) -> None:
        if number != signal.SIGHUP:
            self.stopping = True
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, number)


def _fork(worker: Callable[[Heart], int], heart: Heart) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # a dead parent means: leave in order
        if os.getppid() == parent:
            code = worker(heart)
    except BaseException:
        logging.getLogger("dpi").exception("the worker failed")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _watch(state: _State, heart: Heart, stall_seconds: float, start_seconds: float) -> int:
    """Until the child has ended: its exit code, or minus the signal that ended it."""
    started = time.monotonic()
    stop_by: float | None = None
    while True:
        pid, status = os.waitpid(state.child, os.WNOHANG)
        if pid:
            state.child = 0
            return os.waitstatus_to_exitcode(status)
        now = time.monotonic()
        if state.stopping and stop_by is None:
            stop_by = now + STOP_SECONDS
        late = heart.starting and now - started > start_seconds
        stuck = heart.stuck(stall_seconds) if heart.ready else []
        if stuck or late or (stop_by is not None and now > stop_by + WRITE_SECONDS * heart.out):
            freed = let_go(state.child)
            log.critical("the worker hangs (loops %s): %d packets let go, killed", stuck or "starting", freed)
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.child, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)


def _cleanup(cleanup: Callable[[], None]) -> None:
    try:
        cleanup()
    except Exception:
        log.exception("our rules could not be taken back")


def _describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
