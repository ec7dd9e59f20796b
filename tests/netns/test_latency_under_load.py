"""What a packet now and then waits behind bulk TCP in the same class: little behind CAKE and fq_codel, else a bfifo.

Held is the median of what load adds to the round trip of an ICMP echo: 20 ms at 20 Mbit/s.  The median, and against the
same echo without load in the same run, because a virtual or emulated machine is away now and then for longer than that.
The kernel answers echoes and says when the answer came, so no program's turn is in what is measured.
"""

from __future__ import annotations

import os
import socket
import statistics
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rates import drain
from world import CLASSES, MBIT, SERVER4, World, final, made, plan, wait_for

from dpi import enforce
from dpi.enforce.probe import probe
from dpi.policy.plan import Branch, KernelPlan, Leaf, PlannedShare, Shape, SubscriberPlan

pytestmark = [pytest.mark.netns, pytest.mark.guest, pytest.mark.timeout(300)]

RATE = 20 * MBIT
MOST = 0.020  # seconds that load may add
FLOWS = 4  # of bulk TCP
ECHOES, PAUSE = 100, 0.05  # seconds between two
SO_TIMESTAMPNS = 35
ECHO, ECHO_REPLY = 8, 0


@pytest.fixture
def world() -> Iterator[World]:
    with made() as w, w.box:
        # From the Internet packets come one by one.  Where the path has no delay TCP hands over 64 kB at once, which
        # takes 26 ms on this link, and only CAKE takes such a thing apart.
        for space in (w.inet, w.client):
            space.run("ip", "link", "set", "eth0", "gso_max_segs", "1")
        yield w


def of_a_rule(leaf: Leaf) -> KernelPlan:
    classes = (replace(CLASSES[0], rate=RATE, ceil=RATE, leaf=leaf), *CLASSES[1:])
    return plan(trees=tuple(replace(tree, classes=classes) for tree in plan().trees), routes=())


def of_a_subscriber(leaf: Leaf) -> KernelPlan:
    shape = Shape(RATE, RATE, RATE, None, (PlannedShare(1, RATE, RATE, 4, leaf),))
    subscribers = SubscriberPlan(0, (("rest", 1),), (Branch("one", 0x410, 0, shape, shape, ("10.7.0.2/32",)),))
    return replace(plan(routes=()), subscribers=subscribers)


@pytest.mark.parametrize("planned", [of_a_rule, of_a_subscriber])
def test_load_adds_little_to_a_round_trip_where_the_leaf_is_fair(world: World, tmp_path: Path, planned: object) -> None:
    assert callable(planned)
    world.decide(lambda _: final(2) if planned is of_a_rule else final(1))
    world.serve(world.inet, 80, source=1 << 30)
    added: dict[str, float] = {}
    for leaf in probe(tmp_path).leaves():
        enforce.apply(planned(leaf), state_dir=tmp_path)
        alone = round_trips(world)
        bulk = [world.connect(SERVER4, 80) for _ in range(FLOWS)]
        readers = [threading.Thread(target=drain, args=(sock,), daemon=True) for sock in bulk]
        for reader in readers:
            reader.start()
        time.sleep(3)  # slow start is over
        loaded = round_trips(world)
        for sock in bulk:
            sock.shutdown(socket.SHUT_RDWR)
        for reader in readers:
            reader.join()
        wait_for(lambda: "backlog 0b 0p" in world.box.run("tc", "-s", "qdisc", "show", "dev", "lan0", "root"))
        added[leaf] = statistics.median(loaded) - statistics.median(alone)
        print(leaf, *(f"{1000 * statistics.quantiles(t, n=10)[8]:.1f}" for t in (alone, loaded)), "ms, 9 of 10 echoes")
    print({leaf: f"{1000 * seconds:.1f} ms" for leaf, seconds in added.items()})
    assert added["bfifo"] > MOST, "there was load"
    for leaf in added.keys() - {"bfifo"}:
        assert added[leaf] <= MOST, leaf


def round_trips(world: World) -> list[float]:
    """Seconds, measured by a process of its own: the threads of this one wait for each other."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            found = echo(world)
            os.write(write, struct.pack(f"={len(found)}d", *found))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as told:
        data = told.read()
    os.waitpid(child, 0)
    found = list(struct.unpack(f"={len(data) // 8}d", data))
    assert len(found) > ECHOES / 2, "most echoes are answered"
    return found


def echo(world: World) -> list[float]:
    """The round trips of ICMP echoes (RFC 792) from the client to the server, one after the other."""
    with world.client:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.settimeout(1)
    found = []
    for number in range(ECHOES):
        head = struct.pack("!BBHHH", ECHO, 0, 0, os.getpid() & 0xFFFF, number)
        total = sum(struct.unpack("!4H", head))
        head = head[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[4:]
        sent = time.clock_gettime_ns(time.CLOCK_REALTIME)
        sock.sendto(head, (SERVER4, 0))
        try:
            while True:
                packet, ancillary, _, _ = sock.recvmsg(1500, 64)
                answer = packet[(packet[0] & 15) * 4 :]
                if answer[0] == ECHO_REPLY and answer[4:8] == head[4:8]:
                    break
        except TimeoutError:
            continue
        seconds, nanoseconds = struct.unpack("=qq", ancillary[0][2])
        found.append((seconds * 10**9 + nanoseconds - sent) / 1e9)
        time.sleep(PAUSE)
    return found
