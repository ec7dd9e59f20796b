"""Actions of the kernel alone, on real traffic: rates for each host and flow, copies of headers, exemption."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from world import CLIENT4, MBIT, SERVER4, SERVER6, Space, World, made, plan, wait_for

from dpi import enforce
from dpi.enforce.netlink import ACK, REQUEST, attribute, attributes, message, messages, nfgen
from dpi.errors import KernelError
from dpi.policy.plan import Disposition, KernelPlan, MarkLayout, Police

pytestmark = pytest.mark.netns
OTHER4 = "10.7.0.9"
RATE = 8 * MBIT
SIZE = 4_000_000
MARKED = MarkLayout().disposition(2) | MarkLayout().final


@pytest.fixture
def world() -> Iterator[World]:
    with made() as w, w.box:
        w.serve(w.inet, 80, source=SIZE)
        w.client.run("ip", "addr", "add", f"{OTHER4}/24", "dev", "eth0")
        yield w


def applied(state: Path, disposition: Disposition) -> KernelPlan:
    default = Disposition(1, "default", None, None, None)
    wanted = plan(dispositions=(default, disposition), routes=())
    enforce.apply(wanted, state_dir=state)
    assert enforce.apply(wanted, state_dir=state).operations == ()
    return wanted


def held(*police: Police) -> Disposition:
    return Disposition(2, "held", None, None, None, police)


def download(world: World, server: str, source: str | None = None) -> float:
    """Seconds that it took."""
    with world.client:
        sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET)
    with sock:
        if source:
            sock.bind((source, 0))
        sock.settimeout(60)
        start = time.monotonic()
        sock.connect((server, 80))
        got = 0
        while got < SIZE:
            data = sock.recv(1 << 16)
            assert data
            got += len(data)
        return time.monotonic() - start


AT_LEAST = (SIZE - RATE / 8 - 65536 * 2) / (RATE / 8)  # seconds: what is more than the burst goes at the rate


@pytest.mark.guest
@pytest.mark.parametrize("server", [SERVER4, SERVER6])
def test_each_host_is_held_to_a_rate_of_its_own(world: World, state: Path, server: str) -> None:
    wanted = applied(state, held(Police("host", RATE, None)))
    world.decide(lambda _: MARKED)
    sources: list[str | None] = [CLIENT4, OTHER4] if server == SERVER4 else [None]
    with ThreadPoolExecutor(2) as pool:
        took = list(pool.map(lambda source: download(world, server, source), sources))
    assert min(took) > AT_LEAST
    assert enforce.counters(wanted).policed["down", "held"].packets > 0
    listed = world.box.run("nft", "list", "set", "inet", "dpi", f"host2_down_1000000_{4 if server == SERVER4 else 6}")
    assert listed.count("limit rate") == len(sources), listed


def test_each_flow_is_held_to_a_rate_of_its_own_and_all_together_to_another(world: World, state: Path) -> None:
    wanted = applied(state, held(Police("flow", RATE, None)))
    world.decide(lambda _: MARKED)
    with ThreadPoolExecutor(2) as pool:
        took = list(pool.map(lambda _: download(world, SERVER4), range(2)))
    assert min(took) > AT_LEAST
    listed = world.box.run("nft", "list", "set", "inet", "dpi", "flow2_down_1000000")
    assert listed.count("limit rate") >= 2, listed
    policed = enforce.counters(wanted).policed["down", "held"].packets

    wanted = applied(state, held(Police("rule", 2 * RATE, RATE)))
    assert "flow2" not in world.box.run("nft", "list", "table", "inet", "dpi")
    assert enforce.counters(wanted).policed["down", "held"].packets == policed, "the counter survives"
    with ThreadPoolExecutor(2) as pool:
        start = time.monotonic()
        list(pool.map(lambda _: download(world, SERVER4), range(2)))
    assert time.monotonic() - start > AT_LEAST - 1  # twice as much at twice the rate, after twice the burst


@pytest.mark.guest
def test_an_exempt_flow_is_neither_shaped_nor_looked_at_again(world: World, state: Path) -> None:
    wanted = applied(state, Disposition(2, "backup", None, None, None, exempt=True))
    decider = world.decide(lambda _: MarkLayout().disposition(2))  # a verdict that is not final
    download(world, SERVER4)
    assert len(decider.seen) < 10
    counted = enforce.counters(wanted)
    assert counted.rules["down", "backup"].bytes > SIZE
    assert all(count.packets == 0 for count in counted.classes.values())
    with world.connect(SERVER4, 80):  # all else is shaped as before
        pass
    decider.say = lambda _: MarkLayout().disposition(1)
    world.connect(SERVER4, 80).close()
    assert wait_for(lambda: enforce.counters(wanted).classes["down", "rest"].packets)


class Log:
    """Who listens to an NFLOG group (linux/netfilter/nfnetlink_log.h)."""

    def __init__(self, space: Space, group: int) -> None:
        with space:
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
        self.socket.bind((0, 0))
        self.socket.settimeout(10)
        self.socket.setsockopt(270, 5, 1)  # SOL_NETLINK, NETLINK_NO_ENOBUFS: the first packets are enough for us
        bind = attribute(1, bytes([1]))  # NFULA_CFG_CMD: NFULNL_CFG_CMD_BIND
        copy = attribute(2, bytes([0, 0, 0, 128, 2, 0]))  # NFULA_CFG_MODE: 128 bytes, NFULNL_COPY_PACKET
        at_once = attribute(5, bytes([0, 0, 0, 1]))  # NFULA_CFG_QTHRESH
        for number, each in enumerate((bind, copy, at_once), 1):
            self.socket.send(message(4 << 8 | 1, REQUEST | ACK, number, nfgen(0, group) + each))
            self.socket.recv(1 << 16)

    def packet(self) -> bytes:
        data = self.socket.recv(1 << 16)
        for _, _, start, end in messages(data):
            for kind, a, b in attributes(data, start + 4, end):
                if kind == 9:  # NFULA_PAYLOAD
                    return data[a:b]
        return b""


@pytest.mark.guest
def test_headers_are_copied_to_who_listens_and_traffic_goes_on(world: World, state: Path) -> None:
    applied(state, Disposition(2, "seen", None, None, None, mirror=5))
    world.decide(lambda _: MARKED)
    log = Log(world.box, 5)
    download(world, SERVER4)
    seen = [log.packet() for _ in range(20)]
    addresses = {(socket.inet_ntoa(p[12:16]), socket.inet_ntoa(p[16:20])) for p in seen}
    assert addresses == {(CLIENT4, SERVER4), (SERVER4, CLIENT4)}
    assert 40 <= max(map(len, seen)) <= 128
    log.socket.close()


@pytest.mark.guest
def test_whole_packets_are_copied_out_of_another_device_and_traffic_goes_on(world: World, state: Path) -> None:
    world.box.run("ip", "link", "add", "mon0", "type", "veth", "peer", "name", "mon1")
    for device in ("mon0", "mon1"):
        world.box.run("ip", "link", "set", device, "up")
    before = world.dump()
    applied(state, Disposition(2, "seen", None, None, None, copy="mon0"))
    world.decide(lambda packet: MARKED if packet[0] >> 4 == 4 else None)
    with world.box, socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003)) as tap:
        tap.setsockopt(socket.SOL_SOCKET, 33, 4 * SIZE)  # SO_RCVBUFFORCE
        tap.bind(("mon1", 0))
        tap.settimeout(10)
        download(world, SERVER6)
        download(world, SERVER4)
        frames = [tap.recv(1 << 17) for _ in range(40)]
    four = [frame for frame in frames if frame[12:14] == b"\x08\x00"]
    addresses = {(socket.inet_ntoa(f[26:30]), socket.inet_ntoa(f[30:34])) for f in four}
    assert addresses == {(CLIENT4, SERVER4), (SERVER4, CLIENT4)}
    assert max(map(len, four)) > 1000
    assert not [frame for frame in frames if frame[12:14] == b"\x86\xdd" and frame[20] == socket.IPPROTO_TCP]
    with pytest.raises(KernelError, match="copies cannot go to lan0: it is a part of lan0"):
        applied(state, Disposition(2, "seen", None, None, None, copy="lan0"))
    enforce.clean(state_dir=state)
    after = world.dump()
    assert [after[what] for what in ("filter", "qdisc", "nft")] == [before[what] for what in ("filter", "qdisc", "nft")]
