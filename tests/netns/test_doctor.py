"""The doctor finds what is wrong in a namespace where something is, and nothing in one where all is well."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from netfilterqueue import NetfilterQueue
from pyroute2 import IPRoute
from world import CACHE, MBIT, Space, World, plan, wait_for

from dpi import enforce
from dpi.control import call
from dpi.enforce.doctor import Box, Diagnosis, examine
from dpi.enforce.probe import Features, probe
from dpi.errors import DpiError
from dpi.policy.plan import EnginePlan, Ids, Interface, KernelPlan, Plan, RecordsPlan

pytestmark = pytest.mark.netns
ROOT = Path(__file__).resolve().parents[2]


def whole(kernel: KernelPlan, **changes: Any) -> Plan:
    engine = EnginePlan((), tuple(i.name for i in kernel.interfaces if i.role == "lan"), kernel.marks, 262144)
    return Plan(kernel, engine, Ids(), "clean", ("policy.yaml",), "0123456789abcdef", **changes)


@cache
def features() -> Features:
    """Tried once: it takes seconds and no test changes it."""
    return probe(fresh=True)


def look(state: Path, kernel: KernelPlan | None = None, **told: Any) -> list[Diagnosis]:
    box = Box(plan=whole(kernel or plan(routes=())), state_dir=state, **told)
    box.features = features()
    return examine(box)


def told(found: list[Diagnosis], check: str, level: str) -> list[str]:
    return [d.found for d in found if (d.check, d.level) == (check, level)]


def one(found: list[Diagnosis], check: str, level: str, text: str) -> Diagnosis:
    matching = [d for d in found if (d.check, d.level) == (check, level) and text in d.found]
    assert len(matching) == 1, [(d.level, d.check, d.found) for d in found if d.level != "ok"]
    assert matching[0].looked_at and matching[0].why
    assert matching[0].fix or level == "note"
    return matching[0]


def errors(found: list[Diagnosis]) -> list[str]:
    return [f"{d.check}: {d.found}" for d in found if d.level == "error"]


def nft(world: World, *chains: str) -> None:
    """A table of somebody else's."""
    text = "table inet theirs {\n" + "\n".join(chains) + "\n}\n"
    with world.box:
        subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def chain(hook: str, *rules: str, policy: str = "accept") -> str:
    lines = [f"type {'route' if hook == 'output' else 'filter'} hook {hook} priority 0; policy {policy};", *rules]
    return f"chain {hook} {{\n" + "\n".join(lines) + "\n}"


@pytest.mark.guest
def test_a_box_in_order_has_no_errors_before_and_after_apply(world: World, state: Path) -> None:
    kernel = plan()
    assert errors(look(state, kernel)) == []
    enforce.apply(kernel, state_dir=state)
    try:
        after = look(state, kernel)
        assert errors(after) == []
        for check in ("marks", "priority", "flowtable", "untracked", "queue-rules", "qdisc"):
            assert [d.level for d in after if d.check == check] == ["ok"], check
        assert told(after, "accounting", "ok") == ["on"]
    finally:
        enforce.clean(state_dir=state)


def test_nothing_is_changed_by_looking(world: World, state: Path) -> None:
    look(state, plan())
    before = world.dump()
    look(state, plan())
    assert world.dump() == before


@pytest.mark.guest
def test_what_works_here_says_how_packets_are_queued_and_shaped(world: World, state: Path) -> None:
    box = Box(plan=whole(plan()), state_dir=state)
    found = examine(box)
    (step,) = [d for d in found if d.check == "queue-step"]
    (leaf,) = [d for d in found if d.check == "leaf"]
    assert ("nft's queue" if box.features.nft_queue else "iptables") in step.found
    assert leaf.found.startswith(box.features.leaves()[0])
    assert "htb" in told(found, "features", "ok")[0]


# ── marks ─────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── the firewall ──────────────────────────────────────────────────────────────────────────────────────────────


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


# ── interfaces ────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── sysctls ───────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── the daemon, the queues, the disk ──────────────────────────────────────────────────────────────────────────


def status(**changes: Any) -> dict[str, Any]:
    """What a daemon in order says of itself, as far as the doctor asks."""
    return {
        "version": "0",
        "pid": os.getpid(),
        "policy_hash": "0123456789abcdef",
        "config": ["policy.yaml"],
        "reload": None,
        "queues": [],
        "flows": 10,
        "max_flows": 1000,
        "records": None,
        "routes": [],
        **changes,
    }


def test_a_queue_of_ours_that_somebody_else_reads_is_an_error(world: World, state: Path) -> None:
    queue = NetfilterQueue()
    queue.bind(0, lambda packet: packet.accept())
    try:
        one(look(state), "queues", "error", "queue 0 is bound by")
        running = look(state, status=status(queues=[{"queue": 0}]))
        assert told(running, "queues", "ok") == ["queue 0: ours, 0 waiting, nothing dropped"]
        lost = look(state, status=status(queues=[{"queue": 0}, {"queue": 1}]))
        one(lost, "queues", "error", "has lost its queues 1")
    finally:
        queue.unbind()


def test_a_daemon_in_trouble_says_so(state: Path) -> None:
    faults = status(
        reload={"time": 0, "ok": False, "message": "no class x"},
        flows=999,
        records={"lost": 7, "error": "No space left on device", "file": "/var/log/dpi/flows.jsonl"},
        routes=[{"name": "oca", "state": "down"}],
        queues=[{"queue": 3, "enobufs": 2, "truncated": 0}],
    )
    found = look(state, status=faults)
    one(found, "daemon", "error", "no class x")
    one(found, "daemon", "warning", "999 of 1000")
    one(found, "daemon", "warning", "7 records were lost")
    one(found, "daemon", "warning", "cache oca is down")
    one(found, "queue-faults", "warning", "queue 3: 2 the socket's buffer overflowed")
    one(look(state, status=status(policy_hash="x")), "daemon", "warning", "another policy")


def test_records_need_a_place(world: World, state: Path, tmp_path: Path) -> None:
    def records(file: str, rotate: int) -> list[Diagnosis]:
        box = Box(plan=whole(plan(), records=RecordsPlan(file, rotate, 5)), state_dir=state)
        box.features = features()
        return examine(box)

    assert told(records(f"{tmp_path}/log/flows.jsonl", 1 << 20), "records", "ok")
    one(records(f"{tmp_path}/flows.jsonl", 1 << 60), "records", "warning", "more than there is room for")
    one(records("/proc/flows.jsonl", 1 << 20), "records", "error", "")


# ── the command ───────────────────────────────────────────────────────────────────────────────────────────────

POLICY = """\
version: 1
interfaces: {lan: lan0, wan: wan0}
link: {down: 100mbit, up: 50mbit}
classes:
  rest: {rate: 10mbit, ceil: 100%, default: true}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


def run(space: Space, *words: str | Path, socket: Path) -> subprocess.CompletedProcess[str]:
    with space:
        return subprocess.run(
            [sys.executable, "-m", "dpi", "doctor", *map(str, words)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "NO_COLOR": "1", "DPI_SOCKET": str(socket)},
        )


def test_the_command_prints_what_to_do_and_exits_by_the_worst(world: World, policy: Path, tmp_path: Path) -> None:
    arguments = ("--config", policy, "--state-dir", tmp_path)
    done = run(world.box, *arguments, "--json", socket=tmp_path / "none")
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["counts"]["error"] == 0
    assert {tuple(f) for f in answer["findings"]} == {("level", "check", "looked_at", "found", "why", "fix")}

    swapped = ("--set", "interfaces.lan=wan0", "--set", "interfaces.wan=lan0")
    done = run(world.box, *arguments, *swapped, socket=tmp_path / "none")
    assert done.returncode == 1
    assert "error: sides: packets to the internet leave by wan0 (IPv4), which the policy calls lan" in done.stdout
    assert "  fix: swap lan and wan under interfaces: in the policy" in done.stdout


def test_a_policy_that_is_wrong_is_a_finding_and_a_missing_one_is_wrong_usage(
    world: World, policy: Path, tmp_path: Path
) -> None:
    policy.write_text(POLICY + "rules: {a: {shape: nowhere}}\n")
    done = run(world.box, "--config", policy, "--json", "-q", socket=tmp_path / "none")
    assert done.returncode == 1
    faults = [f["found"] for f in json.loads(done.stdout)["findings"] if f["check"] == "policy"]
    assert "there is no class nowhere" in faults[0]
    assert run(world.box, "--config", tmp_path / "none.yaml", socket=tmp_path / "none").returncode == 2
    assert run(world.box, "--config", policy, "--set", "nonsense", socket=tmp_path / "none").returncode == 2


def test_it_works_without_a_policy_and_without_root(world: World, tmp_path: Path) -> None:
    with world.box:
        done = subprocess.run(
            [
                *["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"],
                sys.executable,
                "-m",
                "dpi",
                "doctor",
                "--json",
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "DPI_SOCKET": str(tmp_path / "none"), "HOME": "/"},
        )
    if "ModuleNotFoundError" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("an ordinary user cannot read this checkout")
    answer = json.loads(done.stdout)
    assert done.returncode == (1 if answer["counts"]["error"] else 0)
    left_out = [f["found"] for f in answer["findings"] if f["level"] == "note"]
    assert any("root" in text for text in left_out)
    assert any("not looked at without a policy" in text for text in left_out)
    assert not any("failed" in f["found"] for f in answer["findings"])


@contextmanager
def restless(world: World) -> Iterator[None]:
    """News without end from an interface: what keeps its state waits with repairs until there are none for a second."""
    done = threading.Event()

    def change() -> None:
        for length in itertools.cycle((500, 1000)):
            world.box.run("ip", "link", "set", "lan0", "txqueuelen", str(length))
            if done.wait(0.2):
                return

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_the_running_daemon_is_asked(world: World, policy: Path, tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    with world.box:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dpi", "run", "--config", policy, "--state-dir", tmp_path / "state"],
            cwd=ROOT,
            env={**os.environ, "DPI_SOCKET": str(socket)},
            stderr=subprocess.PIPE,
            text=True,
        )
    try:

        def inline() -> bool:
            try:
                return bool(call("status", path=socket))
            except DpiError:
                return daemon.poll() is not None

        assert wait_for(inline, 60)
        assert daemon.poll() is None, daemon.stderr and daemon.stderr.read()
        done = run(world.box, "--state-dir", tmp_path / "state", "--json", socket=socket)
        found = json.loads(done.stdout)["findings"]
        assert done.returncode == 0, [f for f in found if f["level"] == "error"]
        by_check = {f["check"]: f for f in found if f["level"] == "ok"}
        assert by_check["daemon"]["found"].startswith("runs: ")
        assert "ours" in by_check["queues"]["found"]
        assert by_check["accounting"]["found"] == "on"
        assert by_check["marks"] and by_check["qdisc"]

        elsewhere = json.loads(run(world.client, "--json", socket=socket).stdout)["findings"]
        assert any("another network namespace" in f["found"] for f in elsewhere)

        with restless(world):
            world.box.run("tc", "qdisc", "del", "dev", "lan0", "root")
            changed = json.loads(run(world.box, "--state-dir", tmp_path / "state", "--json", socket=socket).stdout)
        assert any(f["check"] == "kernel-state" and f["level"] == "error" for f in changed["findings"])
        assert not call("apply", path=socket).get("error")

        policy.write_text(POLICY + "rules: {a: {shape: nowhere}}\n")
        with pytest.raises(DpiError):
            call("apply", path=socket)
        done = run(world.box, "--state-dir", tmp_path / "state", "--json", socket=socket)
        assert done.returncode == 1
        assert any("last reload" in f["found"] for f in json.loads(done.stdout)["findings"])
    finally:
        daemon.terminate()
        daemon.wait(30)
