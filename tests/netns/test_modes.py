"""Large packets pass in each way of being wired, with nothing put together, cut up or refused as too big on the way.

What a queue and a shaper handle here are GSO packets of up to 64 kB, of which only the wire's own MTU may be known
outside.  PPP is tried in test_ppp.py, NAT in test_nat.py.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from appliances import OVERSIZED
from pyroute2 import IPRoute
from world import CLASSES, MBIT, SERVER4, SERVER6, Space, World, final, plan

from dpi import enforce
from dpi.enforce.probe import probe
from dpi.policy.plan import Interface, KernelPlan, Tree

pytestmark = [pytest.mark.netns, pytest.mark.guest]

SIZE = 8_000_000


def router(world: World) -> tuple[KernelPlan, str, str]:
    return plan(routes=()), SERVER4, SERVER6


def bridge(world: World) -> tuple[KernelPlan, str, str]:
    if not probe().nft_bridge:
        pytest.skip("this kernel's nft cannot queue on bridges")
    world.box.run("sh", "-ec", "ip link add br0 type bridge; ip link set br0 up; ip addr flush dev lan0")
    world.box.run("sh", "-ec", "ip addr flush dev wan0; ip link set lan0 master br0; ip link set wan0 master br0")
    world.inet.run("sh", "-ec", "ip addr add 10.7.0.9/24 dev eth0; ip addr add fd07::9/64 dev eth0 nodad")
    return plan(mode="bridge", routes=()), "10.7.0.9", "fd07::9"


def one_wire(world: World, lan: str, wan: str) -> tuple[KernelPlan, str, str]:
    """Client, box and internet at one switch; lan and wan: how the box calls its ends of that one wire."""
    switch = Space()
    world.closing.callback(os.close, switch.fd)
    switch.run("sh", "-ec", "ip link add br0 type bridge; ip link set br0 up")
    for port, space in (("p0", world.client), ("p1", world.box), ("p2", world.inet)):
        with switch, IPRoute() as ip:
            ip.link("add", ifname=port, kind="veth", peer={"ifname": "eth1", "net_ns_fd": space.fd})
        switch.run("sh", "-ec", f"ip link set {port} master br0; ip link set {port} up")
        space.run("ip", "link", "set", "eth1", "up")
    own4, own6, far4, far6 = "10.7.5", "fd07:5:", "198.18.5", "2001:db8:5:"
    for space, device, number, net4, net6 in (
        (world.client, lan, 2, own4, own6),
        (world.box, lan, 1, own4, own6),
        (world.box, wan, 1, far4, far6),
        (world.inet, wan, 2, far4, far6),
    ):
        if device != "eth1" and device not in space.run("ip", "-o", "link"):
            space.run("ip", "link", "add", "link", "eth1", "name", device, "type", "vlan", "id", device.split(".")[1])
        addresses = f"ip addr add {net4}.{number}/24 dev {device}; ip addr add {net6}:{number}/64 dev {device} nodad"
        space.run("sh", "-ec", f"{addresses}; ip link set {device} up")
    for space, here4, here6, there4, there6 in (
        (world.client, own4, own6, far4, far6),
        (world.inet, far4, far6, own4, own6),
    ):
        space.run("ip", "route", "add", f"{there4}.0/24", "via", f"{here4}.1")
        space.run("ip", "route", "add", f"{there6}:/64", "via", f"{here6}:1")
    interfaces = Interface(lan, "lan"), Interface(wan, "wan")
    local = (f"{own4}.0/24", f"{own6}:/64") if lan == wan else ()
    down = Tree(lan, "down", 200 * MBIT, CLASSES, "rest", ifb="dpi-down" if lan == wan else None)
    up = Tree(wan, "up", 200 * MBIT, CLASSES, "rest")
    return plan(interfaces=interfaces, trees=(down, up), routes=(), local=local), f"{far4}.2", f"{far6}:2"


def one_armed(world: World) -> tuple[KernelPlan, str, str]:
    return one_wire(world, "eth1", "eth1")


def vlan_trunk(world: World) -> tuple[KernelPlan, str, str]:
    """A router on a stick."""
    try:
        world.client.run("sh", "-ec", "ip link add link eth0 name eth0.9 type vlan id 9; ip link del eth0.9")
    except AssertionError:
        pytest.skip("this kernel has no VLAN devices")
    return one_wire(world, "eth1.10", "eth1.20")


def oversized(world: World) -> list[dict[str, int]]:
    spaces = world.client, world.box, world.inet
    return [json.loads(space.run("nstat", "-ajsz", *OVERSIZED))["kernel"] for space in spaces]


@pytest.mark.parametrize("mode", [router, bridge, one_armed, vlan_trunk], ids=lambda mode: mode.__name__)
def test_nothing_becomes_too_big_on_the_way(
    world: World, tmp_path: Path, mode: Callable[[World], tuple[KernelPlan, str, str]]
) -> None:
    kernel, *servers = mode(world)
    enforce.apply(kernel, state_dir=tmp_path)
    try:
        decider = world.decide(lambda _: final(1))
        world.serve(world.inet, 80, source=SIZE)
        before = oversized(world)
        for server in servers:
            with world.connect(server, 80, 30) as sock:
                got = 0
                while got < SIZE:
                    got += len(sock.recv(1 << 20))
                sock.sendall(bytes(SIZE // 4))
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(1 << 20):
                    pass
        assert oversized(world) == before
        assert 0 < len(decider.seen) < 60  # decided flows do not come back
        counted = enforce.counters(kernel).classes
        assert counted["down", "rest"].bytes > 2 * SIZE and counted["up", "rest"].bytes > SIZE // 2
    finally:
        enforce.clean(state_dir=tmp_path)
