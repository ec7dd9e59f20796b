"""The doctor sees what is wrong with interfaces: which side is which, bridges, networks, qdiscs, drivers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from doctors import chain, look, nft, one, told
from pyroute2 import IPRoute
from world import MBIT, World, plan

from dpi.policy.plan import Interface

pytestmark = pytest.mark.netns


def test_missing_and_downed_interfaces_and_those_without_address_are_named(world: World, state: Path) -> None:
    with IPRoute() as ip:
        ip.link("add", ifname="bare0", kind="veth", peer="bare1")
        ip.link("set", index=ip.link_lookup(ifname="bare0")[0], state="up")
    world.box.run("ip", "link", "set", "cdn0", "down")
    more = (Interface("eth7", "lan"), Interface("cdn0", "wan"), Interface("bare0", "wan"))
    found = look(state, plan(interfaces=(*plan().interfaces, *more), routes=()))
    assert "lan0" in one(found, "interfaces", "error", "eth7 is not there").found
    one(found, "interfaces", "error", "cdn0 is down")
    one(found, "interfaces", "warning", "bare0 has no carrier")
    one(found, "interfaces", "warning", "bare0 has no address")
    assert told(found, "interfaces", "ok") == ["lan0, wan0: there and up"]


def test_swapped_sides_are_told_by_where_the_internet_is(world: World, state: Path) -> None:
    swapped = plan(interfaces=(Interface("wan0", "lan"), Interface("lan0", "wan")), trees=(), routes=())
    found = look(state, swapped)
    assert len(told(found, "sides", "error")) == 2  # IPv4 and IPv6
    one(found, "sides", "error", "leave by wan0 (IPv4), which the policy calls lan")


def test_swapped_sides_are_told_by_addresses_where_there_is_no_default_route(world: World, state: Path) -> None:
    for version in ("-4", "-6"):
        world.box.run("ip", version, "route", "del", "default")
    world.box.run("ip", "address", "add", "1.2.3.4/24", "dev", "wan0")
    swapped = plan(interfaces=(Interface("wan0", "lan"), Interface("lan0", "wan")), trees=(), routes=())
    found = look(state, swapped)
    one(found, "sides", "warning", "the addresses on lan are public and those on wan private")
    one(look(state), "sides", "warning", "there is no route to the internet")


def test_a_wan_that_the_policy_does_not_name_is_told(world: World, state: Path) -> None:
    kernel = plan(interfaces=(Interface("lan0", "lan"), Interface("cdn0", "wan")), trees=(), routes=())
    assert "interfaces.wan=wan0" in one(look(state, kernel), "sides", "warning", "wan0 (IPv4)").fix


def test_one_interface_for_both_sides_needs_local_prefixes(world: World, state: Path) -> None:
    both = (Interface("lan0", "lan"), Interface("lan0", "wan"))
    one(look(state, plan(interfaces=both, trees=(), routes=())), "interfaces", "error", "lan0 is both lan and wan")
    found = look(state, plan(interfaces=both, trees=(), routes=(), local=("10.7.0.0/24",)))
    one(found, "interfaces", "note", "10.7.0.0/24")


def test_a_port_of_a_bridge_is_no_routers_interface(world: World, state: Path) -> None:
    world.box.run("ip", "link", "add", "br0", "type", "bridge")
    world.box.run("ip", "link", "set", "lan0", "master", "br0")
    assert "br0" in one(look(state), "interfaces", "error", "lan0 is part of br0").fix


def test_bridge_mode_wants_ports_of_one_bridge(world: World, state: Path) -> None:
    kernel = plan(mode="bridge", routes=())
    assert len(told(look(state, kernel), "interfaces", "error")) == 2  # neither is in a bridge
    for number, port in enumerate(("lan0", "wan0")):
        world.box.run("ip", "link", "add", f"br{number}", "type", "bridge")
        world.box.run("ip", "link", "set", port, "master", f"br{number}")
    one(look(state, kernel), "interfaces", "error", "different bridges: br0, br1")
    world.box.run("ip", "link", "set", "wan0", "master", "br0")
    assert not told(look(state, kernel), "interfaces", "error")


def test_overlapping_networks_and_unequal_mtus_are_told(world: World, state: Path) -> None:
    world.box.run("ip", "address", "add", "10.7.0.77/16", "dev", "wan0")
    world.box.run("ip", "link", "set", "wan0", "mtu", "1400")
    found = look(state)
    one(found, "subnets", "warning", "10.7.0.1/24 on lan0 and 10.7.0.77/16 on wan0 overlap")
    one(found, "mtu", "warning", "lan0 1500, wan0 1400")
    nft(world, chain("forward", "tcp flags syn tcp option maxseg size set rt mtu"))
    assert "clamped" in told(look(state), "mtu", "ok")[0]


def test_a_foreign_root_qdisc_is_an_error_and_an_ingress_one_a_warning(world: World, state: Path) -> None:
    world.box.run("tc", "qdisc", "add", "dev", "lan0", "root", "handle", "7:", "pfifo")
    world.box.run("tc", "qdisc", "add", "dev", "wan0", "ingress")
    world.box.run("tc", "qdisc", "add", "dev", "lan0", "clsact")
    found = look(state)
    one(found, "qdisc", "note", "lan0 has tc filters")
    assert "tc qdisc del dev lan0 root" in one(found, "qdisc", "error", "pfifo 7:").fix
    one(found, "qdisc", "warning", "wan0 has an ingress qdisc")


def test_rates_above_the_interfaces_speed_are_told(world: World, state: Path) -> None:
    trees = tuple(replace(tree, rate=40_000 * MBIT) for tree in plan().trees)  # veth says 10 Gbit/s
    found = look(state, plan(trees=trees, routes=()))
    one(found, "speed", "warning", "lan0 runs at 10000mbit")
    one(found, "speed", "warning", "wan0 runs at 10000mbit")
    assert "10000mbit" in told(look(state), "speed", "ok")[0]


def test_offloads_are_read_from_the_driver(world: World, state: Path) -> None:
    assert told(look(state), "offloads", "ok") == ["lan0, wan0: nothing that hides packets"] or told(
        look(state), "offloads", "note"
    )
    world.box.run("ethtool", "-K", "lan0", "gro", "off")
    assert "ethtool -K lan0 gro on" in one(look(state), "offloads", "note", "lan0 has GRO off").fix
    world.box.run("ethtool", "-K", "lan0", "gro", "on")
    assert not [text for text in told(look(state), "offloads", "note") if text.startswith("lan0")]
