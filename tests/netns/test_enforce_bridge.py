"""Bridge mode: the box joins two sides of one network.  Needs nft's queue statement and conntrack on bridges."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from world import CACHE, MBIT, World, final, made, plan

from dpi import enforce
from dpi.enforce import probe
from dpi.errors import KernelError
from dpi.policy.plan import Interface, KernelPlan

pytestmark = pytest.mark.netns

BEYOND4, BEYOND6 = "10.7.0.9", "fd07::9"


@pytest.fixture
def world(state: Path) -> Iterator[World]:
    if not probe.probe(state).nft_bridge and "DPI_GUEST" not in os.environ:
        pytest.skip("this kernel's nft cannot queue on bridges")
    with made() as w, w.box:
        w.box.run("sh", "-ec", "ip link add br0 type bridge; ip link set br0 up; ip addr flush dev lan0")
        w.box.run("sh", "-ec", "ip addr flush dev wan0; ip link set lan0 master br0; ip link set wan0 master br0")
        w.inet.run("sh", "-ec", f"ip addr add {BEYOND4}/24 dev eth0; ip addr add {BEYOND6}/64 dev eth0 nodad")
        yield w


def bridged(*interfaces: Interface) -> KernelPlan:
    return plan(mode="bridge", routes=(), interfaces=interfaces or plan().interfaces)


@pytest.mark.guest
@pytest.mark.parametrize("server", [BEYOND4, BEYOND6])
def test_bridged_flows_are_queued_decided_and_put_into_their_class(world: World, state: Path, server: str) -> None:
    enforce.apply(bridged(), state_dir=state)
    assert enforce.apply(bridged(), state_dir=state).operations == ()
    decider = world.decide(lambda _: final(2))
    world.serve(world.inet, 80, source=1 * MBIT)
    with world.connect(server, 80, timeout=60) as sock:
        got = 0
        while got < 1 * MBIT:
            got += len(sock.recv(1 << 16))
    assert 1 <= len(decider.seen) <= 3
    counted = enforce.counters(bridged())
    assert counted.classes["down", "video"].bytes > 1 * MBIT
    assert counted.rules["up", "video"].packets > 2


@pytest.mark.guest
def test_bridged_flows_are_refused_from_the_packet_after_the_verdict_on(world: World, state: Path) -> None:
    enforce.apply(bridged(), state_dir=state)
    world.serve(world.inet, 80)
    world.decide(lambda _: final(3))
    with pytest.raises(ConnectionRefusedError):
        world.connect(BEYOND4, 80, timeout=60)


@pytest.mark.guest
def test_only_the_frames_of_the_named_vlan_are_seen(world: World, state: Path) -> None:
    for space in (world.client, world.inet):
        space.run("ip", "link", "add", "link", "eth0", "name", "v10", "type", "vlan", "id", "10")
        space.run("ip", "link", "set", "v10", "up")
    world.client.run("ip", "addr", "add", "10.10.0.2/24", "dev", "v10")
    world.inet.run("ip", "addr", "add", "10.10.0.9/24", "dev", "v10")
    wanted = bridged(Interface("lan0", "lan", 10), Interface("wan0", "wan", 10))
    enforce.apply(wanted, state_dir=state)
    assert enforce.apply(wanted, state_dir=state).operations == ()
    decider = world.decide(lambda _: final(2))
    world.serve(world.inet, 80)
    assert world.banner(BEYOND4, 80) == b"hello"
    assert decider.seen == []
    assert world.banner("10.10.0.9", 80) == b"hello"
    assert 1 <= len(decider.seen) <= 3
    assert enforce.counters(wanted).classes["down", "video"].packets > 1


@pytest.mark.guest
def test_a_cache_in_bridge_mode_is_refused(world: World, state: Path) -> None:
    with pytest.raises(KernelError, match="caches need router mode"):
        enforce.apply(replace(bridged(), routes=(CACHE,)), state_dir=state)
