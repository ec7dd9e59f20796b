"""The doctor sees what others' rules do to our marks, queues and flows."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest
from doctors import chain, look, nft, one, told
from world import World, plan

pytestmark = pytest.mark.netns


@pytest.mark.guest
def test_a_foreign_rule_on_our_bits_is_found_and_a_free_mask_proposed(world: World, state: Path) -> None:
    nft(
        world,
        "chain classify {\nct mark set ct mark & 0xff00ffff | 0x00040000\n}",
        chain("forward", "jump classify", "meta mark & 0x00ff0000 == 0x00020000 drop"),
    )
    found = look(state)
    clash = one(found, "marks", "error", "chain classify")
    assert "0x00ff0000 of the connection's mark" in clash.found
    assert "nft -a list chain inet theirs classify" in clash.fix
    one(found, "marks", "warning", "asks for 0x00ff0000 of the packet's mark")
    proposal = one(found, "marks", "note", "free mask")
    mask = int(proposal.found.split()[-1], 16)
    assert not mask & 0x00FF0000
    moved = plan(routes=(), marks=dataclasses.replace(plan().marks, mask=mask))
    assert not told(look(state, moved), "marks", "error")


def test_rules_that_keep_off_our_bits_are_left_in_peace(world: World, state: Path) -> None:
    nft(
        world,
        chain(
            "forward",
            "meta mark set meta mark & 0xffff0000 | 0x00000005",
            "ct mark & 0x0000ff00 == 0x00000100 accept",
        ),
    )
    world.box.run("iptables", "-t", "mangle", "-A", "PREROUTING", "-j", "MARK", "--set-xmark", "0x1/0xff")
    world.box.run("ip", "rule", "add", "fwmark", "0x5/0xff", "lookup", "100")
    assert [d.level for d in look(state) if d.check == "marks"] == ["ok"]


@pytest.mark.parametrize("tool", ["iptables", "ip6tables"])
def test_marks_of_iptables_are_seen(world: World, state: Path, tool: str) -> None:
    world.box.run(tool, "-t", "mangle", "-A", "FORWARD", "-j", "CONNMARK", "--set-xmark", "0x40000/0xff0000")
    clash = one(look(state), "marks", "error", "-j CONNMARK")
    assert clash.found.startswith(f"{tool} table mangle, chain FORWARD")
    assert f"{tool} -t mangle -S FORWARD" in clash.fix


def test_a_restored_mark_matters_where_there_are_caches(world: World, state: Path) -> None:
    world.box.run("iptables", "-t", "mangle", "-A", "PREROUTING", "-j", "CONNMARK", "--restore-mark")
    one(look(state), "marks", "note", "harmless")
    assert "cache" in one(look(state, plan()), "marks", "error", "--restore-mark").why


def test_marks_of_routing_rules_are_seen(world: World, state: Path) -> None:
    world.box.run("ip", "rule", "add", "fwmark", "0x80000/0xff0000", "lookup", "52")
    world.box.run("ip", "-6", "rule", "add", "not", "fwmark", "0xca6c", "lookup", "51820")
    found = look(state)
    one(found, "marks", "error", "fwmark 0x80000/0xff0000 lookup 52")
    one(found, "marks", "note", "fwmark 0xca6c/0xffffffff lookup 51820")


def test_what_only_concerns_the_box_itself_is_no_error(world: World, state: Path) -> None:
    nft(world, chain("output", "meta mark set 0x00040000"))
    one(look(state), "marks", "note", "the box's own traffic only")


def test_others_who_use_our_queues_or_priorities_or_keep_packets_from_conntrack_are_found(
    world: World, state: Path
) -> None:
    nft(
        world,
        chain("prerouting", "udp dport 9 notrack"),
        chain("forward", "meta priority set 1:20", "accept", policy="drop"),
    )
    world.box.run("iptables", "-t", "mangle", "-A", "FORWARD", "-p", "udp", "-j", "NFQUEUE", "--queue-num", "0")
    found = look(state)
    assert "queue.base=1" in one(found, "queue-rules", "error", "queues 0 to 0").fix
    one(found, "priority", "warning", "table inet theirs, chain forward")
    one(found, "untracked", "note", "table inet theirs, chain prerouting")
    one(found, "firewall", "note", "chain forward drops")
    assert not told(look(state, plan(routes=(), queue_base=1)), "queue-rules", "error")


@pytest.mark.guest
def test_a_flowtable_that_takes_our_flows_past_us_is_an_error(world: World, state: Path) -> None:
    try:
        nft(
            world,
            "flowtable fast {\nhook ingress priority 0\ndevices = { lan0, wan0 }\n}",
            chain("forward", "meta l4proto tcp flow add @fast"),
        )
    except subprocess.CalledProcessError:
        pytest.skip("this kernel has no flowtables")
    one(look(state), "flowtable", "error", "table inet theirs, chain forward")
