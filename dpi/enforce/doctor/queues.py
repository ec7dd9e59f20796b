"""Checks of the packet queues: who has bound our numbers, and what was dropped there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dpi.enforce.doctor.box import PROC_NET, Box
from dpi.enforce.doctor.check import Found, check, error, note, ok, warning

LONG = 1000  # packets that wait


@dataclass(frozen=True)
class Queue:
    """A line of /proc/net/netfilter/nfnetlink_queue (nfnetlink_queue.c, seq_show())."""

    number: int
    port: int  # netlink port of who has bound it: mostly a process id
    waiting: int
    dropped: int  # the queue was full
    user_dropped: int  # the reader's socket was full


def parse(text: str) -> list[Queue]:
    found = []
    for line in text.splitlines():
        n = [int(word) for word in line.split()]
        if len(n) >= 8:
            found.append(Queue(n[0], n[1], n[2], n[5], n[6]))
    return found


@check(
    "queues",
    "/proc/net/netfilter/nfnetlink_queue: who reads our queues, what waits and what was dropped",
    "A queue has one reader: where another program has bound its number, `dpi run` cannot start",
)
def queues(box: Box) -> Iterator[Found]:
    path = PROC_NET / "netfilter" / "nfnetlink_queue"
    try:
        text = path.read_text()
    except FileNotFoundError:
        yield note("the kernel has no packet queues yet (module nfnetlink_queue); `dpi run` brings them in")
        return
    except PermissionError:
        yield note("not looked at: root is needed")
        return
    bound = parse(text)
    ours = {q["queue"] for q in box.status["queues"]} if box.status else set()
    numbers = box.queues if box.plan else range(0)
    for queue in bound:
        if queue.number in ours:
            yield from _fate(queue)
        elif queue.number in numbers:
            yield error(
                f"queue {queue.number} is bound by {owner(queue.port)}, and the daemon does not say that it is its own",
                f"dpi run --set queue.base={max(q.number for q in bound) + 1}, or stop that program",
            )
    missing = sorted(ours - {queue.number for queue in bound})
    if missing:
        yield error(
            f"the daemon has lost its queues {', '.join(map(str, missing))}: their traffic passes unseen",
            "restart dpi (systemctl restart dpi)",
        )
    others = [queue for queue in bound if queue.number not in ours and queue.number not in numbers]
    if others:
        yield ok("others' queues: " + ", ".join(f"{q.number} ({owner(q.port)})" for q in others))
    if not bound:
        yield ok("no queue is bound")


def _fate(queue: Queue) -> Iterator[Found]:
    if queue.dropped or queue.user_dropped:
        yield warning(
            f"queue {queue.number}: {queue.dropped} packets dropped because it was full, {queue.user_dropped} because "
            "the reader's socket was",
            "queue: count: one for each core; see dpi status for what is slow",
            "These were lost: user space did not keep up, and failing open did not hold",
        )
    elif queue.waiting > LONG:
        yield warning(
            f"queue {queue.number}: {queue.waiting} packets wait",
            "queue: count: one for each core; see dpi status",
            "What waits is delayed; beyond the queue's length packets pass unseen",
        )
    else:
        yield ok(f"queue {queue.number}: ours, {queue.waiting} waiting, nothing dropped")


def owner(port: int) -> str:
    """The process that a netlink port most likely belongs to."""
    try:
        return f"{Path(f'/proc/{port}/comm').read_text().strip()} (process {port})"
    except OSError:
        return f"netlink port {port}"
