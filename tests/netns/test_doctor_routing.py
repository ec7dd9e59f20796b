"""The doctor sees what keeps packets from their way: forwarding, reverse paths, next hops, bridged packets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from doctors import look, one, status, told
from world import CACHE, World, plan

pytestmark = pytest.mark.netns


def test_forwarding_that_is_off_is_an_error_in_each_version(world: World, state: Path) -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    Path("/proc/sys/net/ipv6/conf/wan0/forwarding").write_text("0")
    found = look(state)
    assert "sysctl -w net.ipv4.ip_forward=1" in one(found, "forwarding", "error", "IPv4 forwarding is off").fix
    assert "net.ipv6.conf.wan0.forwarding=1" in one(found, "forwarding", "error", "IPv6 forwarding is off on wan0").fix


def test_a_router_that_should_hear_routers_but_does_not_is_told(world: World, state: Path) -> None:
    world.box.run("ip", "-6", "route", "del", "default")
    Path("/proc/sys/net/ipv6/conf/wan0/accept_ra").write_text("1")
    assert "accept_ra=2" in one(look(state), "forwarding", "note", "ignores router advertisements").fix
    Path("/proc/sys/net/ipv6/conf/wan0/accept_ra").write_text("2")
    assert not told(look(state), "forwarding", "note")


def test_strict_reverse_path_filtering_matters_where_there_are_caches(world: World, state: Path) -> None:
    Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("1")
    found = look(state, plan(routes=(replace(CACHE, device="cdn0"),)))
    fix = one(found, "rp-filter", "warning", "strict on wan0, cdn0").fix
    assert "net.ipv4.conf.wan0.rp_filter=2 net.ipv4.conf.cdn0.rp_filter=2" in fix
    assert not told(look(state), "rp-filter", "warning")
    running = look(state, plan(), status=status())
    one(running, "rp-filter", "error", "somebody has set it since")


def test_strict_filtering_looks_at_the_lan_where_marks_count_in_reverse(world: World, state: Path) -> None:
    for name, value in (("rp_filter", "1"), ("src_valid_mark", "1")):
        Path(f"/proc/sys/net/ipv4/conf/lan0/{name}").write_text(value)
    one(look(state, plan()), "rp-filter", "warning", "strict on lan0")
    one(look(state, plan()), "rp-filter", "note", "src_valid_mark is set on lan0")


def test_a_next_hop_that_is_on_no_network_is_told(world: World, state: Path) -> None:
    found = look(state, plan(routes=(replace(CACHE, next_hop4="203.0.113.9"),)))
    one(found, "next-hops", "warning", "203.0.113.9 is not on a network")
    world.box.run("ip", "link", "set", "cdn0", "down")
    found = look(state, plan(routes=(replace(CACHE, device="cdn0"),)))
    one(found, "next-hops", "warning", "cache cache: cdn0 is down")


def test_a_cache_whose_answers_take_another_way_is_told(world: World, state: Path) -> None:
    found = look(state, plan())
    assert [text.split(", ")[1] for text in told(found, "return-path", "ok")] == [
        "pinged from 10.7.0.1 (lan0)",
        "pinged from fd07::1 (lan0)",
    ]
    world.cache.run("ip", "route", "del", "default")
    one(look(state, plan()), "return-path", "warning", "has no way to the LAN by this box")
    one(
        look(state, plan(routes=(replace(CACHE, next_hop4="10.7.0.2"),))), "return-path", "warning", "on the LAN itself"
    )


def test_bridged_packets_in_ip_hooks_are_an_error_in_bridge_mode(world: World, state: Path) -> None:
    path = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not path.exists():
        pytest.skip("br_netfilter is not loaded")
    path.write_text("1")
    one(look(state, plan(mode="bridge", routes=())), "bridge-nf", "error", "bridge-nf-call-iptables")
    assert not told(look(state), "bridge-nf", "error")
