"""The doctor finds what is wrong in a namespace where something is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from world import CACHE, World, made, plan

from dpi import enforce
from dpi.enforce.doctor import Finding, examine
from dpi.policy.plan import Interface, KernelPlan

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def world() -> Iterator[World]:
    with made() as w, w.box:
        yield w


def found(state: Path, wanted: KernelPlan | None = None) -> list[Finding]:
    return [f for f in examine(wanted or plan(), state_dir=state) if f.level not in ("ok", "note")]


def one(findings: list[Finding], text: str) -> Finding:
    matching = [f for f in findings if text in f.what]
    assert len(matching) == 1, f"{text!r} in {[f.what for f in findings]}"
    assert matching[0].why and matching[0].fix
    return matching[0]


def test_a_box_in_order_has_no_findings_before_and_after_apply(world: World, state: Path) -> None:
    assert found(state) == []
    enforce.apply(plan(), state_dir=state)
    assert found(state) == []


def test_swapped_sides_are_told_by_the_default_route(world: World, state: Path) -> None:
    swapped = plan(interfaces=(Interface("wan0", "lan"), Interface("lan0", "wan")), trees=())
    assert one(found(state, swapped), "which the policy calls lan").level == "warning"


def test_missing_and_downed_interfaces_are_named(world: World, state: Path) -> None:
    world.box.run("ip", "link", "set", "lan0", "down")
    findings = found(state, plan(interfaces=(*plan().interfaces, Interface("eth7", "lan"))))
    assert one(findings, "there is no such interface here").topic == "eth7"
    assert one(findings, "is down, or has no carrier").topic == "lan0"


def test_others_who_use_our_bits_and_queues_are_found(world: World, state: Path) -> None:
    rules = """table inet theirs {
        chain raw { type filter hook prerouting priority -300; udp dport 9 notrack; }
        chain mangle {
            type filter hook forward priority -150; policy accept;
            ct mark set ct mark | 0x00010000
            meta mark & 0x000000ff == 0x00000001 accept
        }
    }"""
    world.box.run("sh", "-c", f"printf '%s' '{rules}' | nft -f -")
    world.box.run("iptables", "-t", "mangle", "-A", "PREROUTING", "-j", "CONNMARK", "--restore-mark")
    world.box.run("iptables", "-t", "mangle", "-A", "FORWARD", "-p", "udp", "-j", "NFQUEUE", "--queue-num", "0")
    world.box.run("ip", "rule", "add", "fwmark", "0x10000000/0xf0000000", "lookup", "77")
    findings = found(state)
    assert one(findings, "ct mark set ct mark | 0x00010000").topic == "marks"
    assert one(findings, "restore-mark").topic == "marks"
    assert one(findings, "fwmark 0x10000000/0xf0000000").topic == "marks"
    assert one(findings, "uses a queue of ours").level == "error"
    assert one(findings, "keeps packets from conntrack").topic == "conntrack"
    assert len(findings) == 5


def test_forwarding_qdiscs_and_next_hops_are_looked_at(world: World, state: Path) -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("0")
    world.box.run("tc", "qdisc", "add", "dev", "lan0", "root", "handle", "7:", "htb")
    findings = found(state, plan(routes=(replace(CACHE, next_hop4="203.0.113.9"),)))
    assert one(findings, "IPv4 is not forwarded").level == "error"
    assert one(findings, "IPv6 is not forwarded").level == "warning"
    assert one(findings, "root qdisc that is not ours (htb 7:)").level == "error"
    assert one(findings, "203.0.113.9 is not on a network").topic == "cache cache"


def test_strict_reverse_path_filtering_is_explained(world: World, state: Path) -> None:
    Path("/proc/sys/net/ipv4/conf/all/rp_filter").write_text("1")
    notes = [f for f in examine(plan(), state_dir=state) if "rp_filter=1" in f.what]
    assert {f.topic for f in notes} == {"lan0", "wan0"}


def test_the_command_prints_findings_and_exits_by_the_worst(world: World) -> None:
    Path("/proc/sys/net/ipv4/ip_forward").write_text("0")
    command = [sys.executable, "-m", "dpi", "doctor"]
    environment = {**os.environ, "NO_COLOR": "1"}
    text = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert text.returncode == 1
    assert "error   forwarding: IPv4 is not forwarded" in text.stdout
    assert "fix: sysctl -w net.ipv4.ip_forward=1" in text.stdout
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    as_json = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, env=environment)
    assert as_json.returncode == 0
    assert {tuple(f) for f in json.loads(as_json.stdout)} == {("level", "topic", "what", "why", "fix")}
