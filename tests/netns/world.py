"""A client, the box, an internet and a cache: four network namespaces that end with the test.

They have no names, only descriptors, so nothing is left behind whatever happens.  The test's own thread steps
into one (`with world.box:`); sockets stay in the namespace in which they were opened.

    client 10.7.0.2 ── lan0 box wan0 ── internet 198.18.0.2, and 198.18.64.0/24 on its lo
                             box cdn0 ── cache 198.18.1.2, which answers for 198.18.64.0/24 too
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from netfilterqueue import NetfilterQueue
from pyroute2 import IPRoute

from dpi.policy.plan import (
    Disposition,
    Interface,
    KernelPlan,
    Leaf,
    MarkLayout,
    Route,
    ShapedClass,
    Tree,
)

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
MBIT = 10**6
MARKS = MarkLayout()

CLIENT4, CLIENT6 = "10.7.0.2", "fd07::2"
SERVER4, SERVER6 = "198.18.0.2", "2001:db8::2"
SITE4, SITE6 = "198.18.64.7", "2001:db8:64::7"  # answered by the internet and by the cache
CACHE4, CACHE6 = "198.18.1.2", "2001:db8:1::2"


def keep_busy(sock: socket.socket) -> None:
    """Sends as fast as the path takes it.  BBR, some machines' default, paces by its own estimate of the path's rate,
    which a path without delay makes as much as a tenth too low."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")


class Space:
    """A network namespace; `with` it to be in it."""

    def __init__(self) -> None:
        done = threading.Event()
        self.fd = -1

        def make() -> None:
            if libc.unshare(CLONE_NEWNET) == 0:
                self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            done.set()

        threading.Thread(target=make).start()
        done.wait()
        assert self.fd >= 0, "unshare failed"
        self._back: list[int] = []

    def __enter__(self) -> Space:
        self._back.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        self.join()
        return self

    def __exit__(self, *_: object) -> None:
        fd = self._back.pop()
        assert libc.setns(fd, CLONE_NEWNET) == 0
        os.close(fd)

    def join(self) -> None:
        """The calling thread is in it from now on."""
        assert libc.setns(self.fd, CLONE_NEWNET) == 0

    def run(self, *argv: str) -> str:
        with self:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout


class World:
    def __init__(self) -> None:
        self.client, self.box, self.inet, self.cache = (Space() for _ in range(4))
        self.closing = contextlib.ExitStack()
        for name, peer, net4, net6 in (
            ("lan0", self.client, "10.7.0", "fd07:"),
            ("wan0", self.inet, "198.18.0", "2001:db8:"),
            ("cdn0", self.cache, "198.18.1", "2001:db8:1:"),
        ):
            with self.box, IPRoute() as ip:
                ip.link("add", ifname=name, kind="veth", peer={"ifname": "eth0", "net_ns_fd": peer.fd})
                _up(ip, name, f"{net4}.1", f"{net6}:1")
            with peer, IPRoute() as ip:
                _up(ip, "eth0", f"{net4}.2", f"{net6}:2")
                ip.route("add", dst="default", gateway=f"{net4}.1")
                ip.route("add", dst="default", gateway=f"{net6}:1", family=socket.AF_INET6)
        with self.box, IPRoute() as ip:
            ip.link("set", index=1, state="up")
            ip.route("add", dst="default", gateway=SERVER4)
            ip.route("add", dst="default", gateway=SERVER6, family=socket.AF_INET6)
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")
        for space in (self.inet, self.cache):
            with space, IPRoute() as ip:
                ip.link("set", index=1, state="up")
                ip.addr("add", index=1, address=SITE4, prefixlen=24)
                ip.addr("add", index=1, address=SITE6, prefixlen=64, flags=2)

    def close(self) -> None:
        self.closing.close()
        for space in (self.client, self.box, self.inet, self.cache):
            os.close(space.fd)

    # ── traffic ───────────────────────────────────────────────────────────────────────────────────────────

    def serve(self, space: Space, port: int, banner: bytes = b"hello", source: int = 0) -> None:
        """A TCP server: its banner, then `source` bytes, then an echo until the peer closes (no banner: a sink)."""

        def handle(connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                connection.sendall(banner)
                block = bytes(1 << 16)
                left = source
                while left > 0:
                    left -= connection.send(block[: min(left, len(block))])
                while data := connection.recv(1 << 16):
                    if banner:
                        connection.sendall(data)

        def loop(listener: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    keep_busy(connection)
                    threading.Thread(target=handle, args=(connection,), daemon=True).start()

        with space:
            listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
        server = threading.Thread(target=loop, args=(listener,), daemon=True)
        server.start()

        def close() -> None:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which must not see this descriptor's next owner
            server.join()
            listener.close()

        self.closing.callback(close)

    def connect(self, address: str, port: int, timeout: float = 15) -> socket.socket:
        """A TCP connection from the client."""
        with self.client:
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.settimeout(timeout)
        keep_busy(sock)
        self.closing.callback(sock.close)
        sock.connect((address, port))
        return sock

    def banner(self, address: str, port: int) -> bytes:
        """Connects, reads what the server says first, closes."""
        with self.connect(address, port) as sock:
            return sock.recv(100)

    def decide(self, say: Callable[[bytes], int | None], queues: int = 1) -> Decider:
        decider = Decider(self.box, say, queues)
        self.closing.callback(decider.close)
        return decider

    # ── what the kernel says ──────────────────────────────────────────────────────────────────────────────

    def dump(self) -> dict[str, str]:
        """Everything that we may touch, without counters and time: equal means untouched."""
        each = "ip -br link | sed -E 's/[@ ].*//"  # device
        commands = {
            "nft": "nft -s list ruleset",
            "iptables": "iptables-save | grep -v '^#' | sed 's/\\[[0-9:]*\\]//'",
            "ip6tables": "ip6tables-save | grep -v '^#' | sed 's/\\[[0-9:]*\\]//'",
            "qdisc": "tc qdisc show | sed -E 's/ ([89a-f][0-9a-f]{3}):/ auto:/; s/direct_packets_stat [0-9]+//'",
            "class": f"{each}; s/.*/class show dev &/' | tc -b - | sed -E 's/leaf [89a-f]...:/leaf/'",
            "filter": f"{each}; s/.*/filter show dev &\\nfilter show dev & egress/' | tc -b -",
            "rule": "ip rule; ip -6 rule",
            "route": "ip route show table all; ip -6 route show table all | grep -v 'fe80\\|multicast'",
            "link": "ip -o link | sed -E 's/(qdisc|qlen) [^ ]*//g'",
            "sysctl": "cat /proc/sys/net/ipv4/conf/*/rp_filter /proc/sys/net/netfilter/nf_conntrack_acct",
        }
        return {name: self.box.run("sh", "-c", command) for name, command in commands.items()}


class Decider(threading.Thread):
    """User space: says a mark for each queued packet, or None to let it pass undecided."""

    def __init__(self, space: Space, say: Callable[[bytes], int | None], queues: int) -> None:
        super().__init__(daemon=True)
        self.space, self.say, self.queues = space, say, queues
        self.seen: list[tuple[int, bytes]] = []  # (queue, layer 3 payload)
        self._ready, self._ending = threading.Event(), threading.Event()
        self.start()
        assert self._ready.wait(30)

    def run(self) -> None:
        self.space.join()
        bound = {}
        for number in range(self.queues):
            queue = NetfilterQueue()
            queue.bind(number, self._answer(number))
            bound[queue.get_fd()] = queue
        self._ready.set()
        while not self._ending.is_set():
            for fd in select.select(list(bound), [], [], 0.1)[0]:
                bound[fd].run(block=False)
        for queue in bound.values():
            queue.unbind()

    def _answer(self, number: int) -> Callable[[Any], None]:
        def answer(packet: Any) -> None:
            payload = packet.get_payload()
            self.seen.append((number, payload))
            mark = self.say(payload)
            if mark is not None:
                packet.set_mark((packet.get_mark() & ~MARKS.mask) | mark)
            packet.accept()

        return answer

    def close(self) -> None:
        self._ending.set()
        self.join()


def _up(ip: IPRoute, name: str, address4: str, address6: str) -> None:
    index = ip.link_lookup(ifname=name)[0]
    Path(f"/proc/sys/net/ipv6/conf/{name}/accept_dad").write_text("0")
    ip.addr("add", index=index, address=address4, prefixlen=24)
    ip.addr("add", index=index, address=address6, prefixlen=64, flags=2)  # IFA_F_NODAD
    ip.link("set", index=index, state="up")


def wait_for(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Its value once it is true; the last one when the time is over."""
    end = time.monotonic() + seconds
    while not (value := what()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


# ── plans ─────────────────────────────────────────────────────────────────────────────────────────────────────


def shaped(
    name: str, minor: int, rate: int, *, ceil: int | None = None, parent: str | None = None, leaf: Leaf | None = "auto"
) -> ShapedClass:
    return ShapedClass(name, minor, parent, rate, ceil or rate, 3, None, leaf)


CLASSES = (
    shaped("video", 10, 20 * MBIT),
    shaped("work", 11, 30 * MBIT, ceil=100 * MBIT, leaf=None),
    shaped("mail", 12, 10 * MBIT, ceil=40 * MBIT, parent="work"),
    shaped("rest", 13, 10 * MBIT, ceil=90 * MBIT),
)
DISPOSITIONS = (
    Disposition(1, "default", None, None, None),
    Disposition(2, "video", "video", None, None),
    Disposition(3, "refused", None, None, "reject"),
    Disposition(4, "dropped", None, None, "drop"),
    Disposition(5, "mail", "mail", 10, None),
)
CACHE = Route(
    number=1,
    name="cache",
    next_hop4=CACHE4,
    next_hop6=CACHE6,
    device=None,
    table=26001,
    health=None,
    prefixes=(),
    learn_ttl=3600,
)


def plan(**changes: Any) -> KernelPlan:
    values: dict[str, Any] = {
        "mode": "router",
        "interfaces": (Interface("lan0", "lan"), Interface("wan0", "wan")),
        "marks": MARKS,
        "queues": 1,
        "queue_base": 0,
        "trees": (
            Tree("lan0", "down", 200 * MBIT, CLASSES, "rest"),
            Tree("wan0", "up", 200 * MBIT, CLASSES, "rest"),
        ),
        "dispositions": DISPOSITIONS,
        "routes": (CACHE,),
    }
    return KernelPlan(**{**values, **changes})


def final(disposition: int, route: int = 0) -> int:
    """The mark of a verdict that decides for good."""
    return MARKS.disposition(disposition) | MARKS.final | MARKS.route(route)


@contextlib.contextmanager
def made() -> Iterator[World]:
    world = World()
    try:
        yield world
    finally:
        world.close()
