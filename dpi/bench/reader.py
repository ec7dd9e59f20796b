"""What stands on the router beside the daemon, for comparison: `python -m dpi.bench.reader engine|accept|python`.

engine      this program's engine and reader, one thread a queue, as in the daemon, but no decision ever taken to
            the kernel: every packet of every flow goes through user space
accept      the reader alone: what the engine costs is the difference
python      a callback of `netfilterqueue` that accepts, which is how such programs are usually begun

Prints `ready` when its queues are bound; SIGTERM ends it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from typing import Any

from dpi.capture.by_mark import ByMark
from dpi.capture.nfqueue import QueueReader
from dpi.policy.plan import EnginePlan, MarkLayout


def main(kind: str, queues: int) -> None:
    {"engine": engine, "accept": accept, "python": python}[kind](queues)


def python(_: int) -> None:
    from netfilterqueue import NetfilterQueue

    def accept_it(packet: Any) -> None:
        packet.accept()

    queue = NetfilterQueue()
    queue.bind(0, accept_it)
    print("ready", flush=True)
    queue.run()


def accept(queues: int) -> None:
    read([ByMark() for _ in range(queues)])


def engine(queues: int) -> None:
    from dpi.engine import Engine
    from dpi.inline import InlineHandler

    marks = MarkLayout()
    ours = Engine(shards=queues, offload=False)
    ours.load_rules(EnginePlan(rules=(), lan_devices=("lan0",), marks=marks, max_flows=1 << 20))
    lans = [socket.if_nametoindex("lan0")]

    def drain() -> None:
        while True:
            ours.drain_events()
            time.sleep(0.05)

    threading.Thread(target=drain, daemon=True).start()
    read([InlineHandler(core, lans) for core in ours.cores], marks.mask)


def read(handlers: list[Any], mask: int = 0xFFFFFFFF) -> None:
    readers = [QueueReader(number, each, mask=mask) for number, each in enumerate(handlers)]
    threads = [threading.Thread(target=each.run) for each in readers]
    signal.signal(signal.SIGTERM, lambda *_: stop(readers))
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    for thread in threads:
        thread.join()
    os._exit(0)


def stop(readers: list[QueueReader]) -> None:
    for each in readers:
        each.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
