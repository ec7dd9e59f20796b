"""Which device and which VLAN a flow is of, and rules that ask for them."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Literal

import pytest
from policy_texts import HEAD
from test_cli_classify import classify
from test_policy_cli import run, said

from dpi.enforce.neighbours import HEAD as NDMSG
from dpi.enforce.neighbours import Neighbour, decode
from dpi.enforce.netlink import attribute
from dpi.enforce.nft.host_chains import text
from dpi.enforce.nft.view import Facts
from dpi.inline import InlineHandler
from dpi.policy.plan import Branch, Interface, KernelPlan, MarkLayout, Shape, SubscriberPlan
from tests.captures import pcap
from tests.cores import CLIENT, SECOND, SERVER, SHIFT, SYN, UDP, Connection, as_flow, core, datagram, find, ip
from tests.handshakes import openssl_hello

GOLDEN = Path(__file__).parent.parent / "golden" / "subscribers"
NAME = "02:11:22:33:44:55"
TELEVISION, ROUTER = bytes.fromhex("021122334455"), bytes.fromhex("02aaaaaaaa01")
LAN, WAN = 1, 2
HELD = {"macs": [(TELEVISION + bytes(10), 48)], "disposition": 5}
MADE = {"macs": [(TELEVISION[:3] + bytes(13), 24)], "disposition": 6}
TAGGED = {"vlans": [7], "disposition": 7}


def test_a_flow_is_of_the_device_that_sent_its_first_packet() -> None:
    connection = Connection(core(rules=[HELD, MADE]))
    assert connection.segment(0, 0, flags=SYN, sender=TELEVISION, receiver=ROUTER, origin=LAN) == 5 << SHIFT
    assert connection.segment(0, 0, openssl_hello("www.video.example"), sender=TELEVISION, origin=LAN) == 5 << SHIFT
    assert connection.flow()["mac"] == NAME
    other = Connection(core(rules=[HELD, MADE]))
    other.shake()
    other.segment(0, 0, openssl_hello("www.video.example"))
    assert (other.flow()["mac"], other.flow()["disposition"]) == (None, 1)


def test_the_beginning_of_an_address_is_a_makers() -> None:
    one = core(rules=[HELD, MADE])
    datagram(one, b"x", sender=TELEVISION[:5] + b"\x77", origin=LAN)
    assert find(one, 40000, 443, UDP)["disposition"] == 6


def test_a_bridge_sees_whom_a_frame_from_outside_is_for() -> None:
    one = core(rules=[HELD])
    datagram(one, b"x", sender=ROUTER, receiver=TELEVISION, origin=WAN)
    flow = find(one, 40000, 443, UDP)
    assert (flow["mac"], flow["disposition"]) == (NAME, 5)


def test_a_router_sees_it_with_the_answer_and_then_asks_the_rules_again() -> None:
    one = core(rules=[HELD])
    datagram(one, b"x", sender=ROUTER, origin=WAN)
    assert find(one, 40000, 443, UDP)["mac"] is None
    _, mark, _ = datagram(one, b"y", 443, 40000, SERVER, CLIENT, SECOND + 1, sender=TELEVISION, origin=LAN)
    flow = find(one, 40000, 443, UDP)
    assert (flow["mac"], flow["disposition"]) == (NAME, 5)
    assert mark is not None and mark >> SHIFT & 0xFF == 5


def test_a_group_is_no_device() -> None:
    one = core(rules=[HELD])
    datagram(one, b"x", sender=ROUTER, receiver=b"\xff" * 6, origin=WAN)
    assert find(one, 40000, 443, UDP)["mac"] is None


def test_a_vlan_tells_a_rule() -> None:
    one = core(rules=[TAGGED])
    datagram(one, b"x", origin=LAN, vlan=7)
    assert as_flow(one.find((ip(CLIENT), 40000, ip(SERVER), 443, 7, UDP)))["disposition"] == 7


def test_one_flow_in_two_vlans_is_one_where_they_are_a_routers_devices() -> None:
    one = core(rules=[TAGGED])
    handler = InlineHandler(one, lans=[3], vlans={3: 7})
    datagram(one, b"x", origin=LAN, vlan=7)
    datagram(one, b"x", origin=LAN)
    flow = find(one, 40000, 443, UDP)
    assert (flow["vlan"], flow["disposition"], flow["packets_up"]) == (7, 7, 2)
    assert sum(handler.faults()) == 0


# Captures


def frame(packet: bytes, source: bytes, destination: bytes) -> bytes:
    return destination + source + b"\x08\x00" + packet


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    udp = struct.pack(">HHHH", 40000, 9999, 9, 0) + b"x"
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    packet = head + socket.inet_aton("10.0.0.5") + socket.inet_aton("192.0.2.7") + udp
    path = tmp_path / "frames.pcap"
    path.write_bytes(pcap([frame(packet, TELEVISION, ROUTER)], link_type=1))
    return path


def test_a_capture_of_frames_tells_the_device(capture: Path) -> None:
    told = json.loads(classify(capture, "--format", "jsonl").stdout)
    assert told["mac"] == "02:11:22:33:44:55"
    assert "02:11:22:33:44:55" in classify(capture, "--format", "csv").stdout


def test_what_a_policy_would_do_to_a_devices_flows_is_told(capture: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(HEAD + "rules: {tv: {match: {mac: '02:11:22'}, block: drop}}\n")
    told = json.loads(said(run("policy", "simulate", policy, "--capture", capture, "--json")))
    assert [change["after"]["verdict"] for change in told["changes"]] == ["drop"]


# The kernel's half


def subscribers(mode: Literal["router", "bridge"], *interfaces: Interface) -> KernelPlan:
    shape = Shape(1, 1, 1)
    branches = (
        Branch("device", 0x40F, 0, shape, shape, (), "t", ("02:11:22:33:44:55",)),
        Branch("flat", 0x410, 0, shape, shape, (), "t", (), (7,)),
        Branch("home", 0x411, 0, shape, shape, ("10.0.0.1/32", "2001:db8:7::/56"), "t"),
    )
    plan = SubscriberPlan(0, (), branches)
    return KernelPlan(mode, interfaces, MarkLayout(), 1, 0, (), (), (), subscribers=plan)


PLANS = {
    "router": subscribers("router", Interface("lan0", "lan"), Interface("lan0.7", "lan", 7), Interface("wan0", "wan")),
    "bridge": subscribers("bridge", Interface("lan0", "lan"), Interface("wan0", "wan")),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_table_of_subscribers_is_as_it_was_read_over(name: str) -> None:
    assert text(PLANS[name], Facts()) == (GOLDEN / f"{name}.nft").read_text()


def neighbour(family: int, address: bytes, mac: bytes, state: int) -> bytes:
    return NDMSG.pack(family, 3, state, 0, 1) + attribute(1, address) + attribute(2, mac)


@pytest.mark.parametrize(
    ("data", "gone", "expected"),
    [
        (neighbour(2, bytes([10, 0, 0, 1]), TELEVISION, 0x02), False, Neighbour(3, "10.0.0.1", "02:11:22:33:44:55")),
        (neighbour(2, bytes([10, 0, 0, 1]), TELEVISION, 0x20), False, Neighbour(3, "10.0.0.1", None)),
        (neighbour(2, bytes([10, 0, 0, 1]), TELEVISION, 0x04), True, Neighbour(3, "10.0.0.1", None)),
        (neighbour(10, bytes(15) + b"\1", TELEVISION, 0x04), False, Neighbour(3, "::1", "02:11:22:33:44:55")),
        (neighbour(2, bytes([10, 0, 0, 1]), bytes(8), 0x04), False, Neighbour(3, "10.0.0.1", None)),
        (neighbour(7, TELEVISION, TELEVISION, 0x04), False, None),
        (neighbour(2, bytes(3), TELEVISION, 0x04), False, None),
        (b"\2" + bytes(8), False, None),
    ],
)
def test_a_neighbour_is_read_out_of_the_kernels_message(data: bytes, gone: bool, expected: Neighbour | None) -> None:
    assert decode(data, 0, len(data), gone) == expected


if __name__ == "__main__":
    for each, plan in PLANS.items():
        (GOLDEN / f"{each}.nft").write_text(text(plan, Facts()))
