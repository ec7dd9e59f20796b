"""Lets go of the packets that wait in the queues of a process that hangs.

To kill it would drop them: the kernel drops what is in a queue when its socket is closed (nfnetlink_queue.c,
nfqnl_rcv_nl_event()).  So its sockets are borrowed, new packets are told to pass the queue by, and those in it are
accepted.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from dpi.capture.nfnetlink import max_length_message, verdict_message

NETLINK_NETFILTER = "12"  # linux/netlink.h
PIDFD_GETFD = 438  # pidfd_getfd(2), Linux 5.6; the number on every architecture
ACCEPT = 1
BEHIND = 1 << 29  # added to the last id: more than a queue can hold


def let_go(pid: int) -> int:
    """How many packets were accepted.  0 where the process has no queue, or cannot be borrowed from."""
    process = Path("/proc", str(pid))
    freed = 0
    with contextlib.suppress(OSError, ValueError):
        sockets = dict(_netfilter_sockets(process))  # inode → port
        queues = list(_queues(process))
        for descriptor, inode in _descriptors(process):
            mine = [q for q in queues if q[1] == sockets.get(inode)]
            if not mine:
                continue
            with _borrowed(pid, descriptor) as kernel:
                for number, _, length, last in mine:
                    kernel.send(max_length_message(number, 0))
                    kernel.send(verdict_message(number, (last + BEHIND) & 0xFFFFFFFF, ACCEPT, batch=True))
                    freed += length
    return freed


def _netfilter_sockets(process: Path) -> Iterator[tuple[str, int]]:
    """(inode, port) by /proc/PID/net/netlink: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode."""
    for line in (process / "net/netlink").read_text().splitlines()[1:]:
        columns = line.split()
        if columns[1] == NETLINK_NETFILTER:
            yield columns[9], int(columns[2])


def _queues(process: Path) -> Iterator[tuple[int, int, int, int]]:
    """(number, port of its reader, packets that wait, last id); see dpi.capture.nfqueue.kernel_counters()."""
    for line in (process / "net/netfilter/nfnetlink_queue").read_text().splitlines():
        columns = [int(word) for word in line.split()]
        yield columns[0], columns[1], columns[2], columns[7]


def _descriptors(process: Path) -> Iterator[tuple[int, str]]:
    """(descriptor, inode) of its sockets."""
    for link in (process / "fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            if found := re.fullmatch(r"socket:\[(\d+)\]", str(link.readlink())):
                yield int(link.name), found[1]


@contextlib.contextmanager
def _borrowed(pid: int, descriptor: int) -> Iterator[socket.socket]:
    pidfd = os.pidfd_open(pid)
    try:
        copy = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, descriptor, 0)
        if copy < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
    finally:
        os.close(pidfd)
    with socket.socket(fileno=copy) as borrowed:
        yield borrowed
