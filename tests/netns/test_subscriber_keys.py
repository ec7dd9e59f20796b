"""Subscribers who are known by the MAC address of their device or by their VLAN, with real neighbours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from appliances import POLICY, until
from rates import keeps

from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab
from dpi.lab.net import namespace

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

MBIT = 10**6
URL = "http://plain.example/bytes/{}"
TELEVISION = "02:d1:77:00:00:0b"
KEYS = """
tariffs:
  all: {rate: 30mbit, burst: 750k}
  small: {rate: 4mbit, burst: 100k}
  middle: {rate: 6mbit, burst: 150k}
  large: {rate: 12mbit, burst: 300k}
subscribers:
  default: all
  entries:
    television: {tariff: small, mac: 02-D1-77-00-00-0B}
    office: {tariff: large, address: [10.77.0.12, "fd77::12/127"]}
    flat: {tariff: middle, vlan: 100}
"""
RULES = """\
  made: {match: {mac: "02:d1:77", host: www.wikipedia.org}, block: reject}
  flats: {match: {vlan: 100, host: zoom.us}, block: reject}
"""
VLAN = """
ip link add link {here} name {name} type vlan id 100 2>/dev/null || {{ {otherwise}; }}
"""


def in_namespace(lab: Lab, role: str, script: str) -> str:
    done = lab.run(role, ["sh", "-ec", script])
    assert done.returncode == 0, done.stderr
    return done.stdout


def second_wire(lab: Lab) -> None:
    """A VLAN of the LAN, and where the kernel has none a wire whose device in the box has a VLAN's name."""
    peer = f"ip link add lan0.100 type veth peer name eth1 netns {namespace(lab.name, 'client')}"
    in_namespace(lab, "box", VLAN.format(here="lan0", name="lan0.100", otherwise=peer))
    in_namespace(lab, "client", VLAN.format(here="eth0", name="eth1", otherwise="true"))
    ends = ("box", "lan0.100", "10.78.0.1", "fd78::1"), ("client", "eth1", "10.78.0.11", "fd78::b")
    for role, device, four, six in ends:
        addresses = f"ip addr add {four}/24 dev {device}; ip addr add {six}/64 dev {device} nodad"
        in_namespace(lab, role, f"{addresses}; ip link set {device} up")
    for version, net, gateway in ((4, "10.78.0.0/24", "10.78.0.1"), (6, "fd78::/64", "fd78::1")):
        away = f"ip -{version} rule add from {net} table 78"
        in_namespace(lab, "client", f"{away}; ip -{version} route add default via {gateway} dev eth1 table 78")


@pytest.fixture
def policy(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    in_namespace(lab, "client", f"ip link set eth0 address {TELEVISION}")
    in_namespace(lab, "box", "ip neigh flush all")
    second_wire(lab)
    path = tmp_path / "policy.yaml"
    said = POLICY.replace("RECORDS", str(tmp_path / "flows.jsonl")).replace("lan: lan0", "lan: [lan0, lan0.100]")
    path.write_text(said + RULES + KEYS)
    shutil.rmtree(lab.directory / "versions", ignore_errors=True)
    yield path


def test_a_device_and_a_vlan_have_the_tariff_of_their_subscriber(lab: Lab, box: Appliance, policy: Path) -> None:
    def send(source: str) -> None:
        got = curl(lab, URL.format(1000), "--interface", source, "-6" if ":" in source else "-4")
        assert got["bytes"] == 1000, got["error"]

    def held(source: str, mbit: int) -> bool:
        return keeps(lab, URL.format(10**9), source, mbit * MBIT)

    def why(what: str) -> str:
        return box.cli("why", what).stdout

    # A device that nobody has seen yet has its tariff with whatever address it takes
    send("10.77.0.11")
    until(lambda: "MAC address" in why("10.77.0.11"))
    assert held("10.77.0.11", 4)
    send("fd77::11")
    until(lambda: "MAC address" in why("fd77::11"))
    assert held("fd77::11", 4)
    in_namespace(lab, "client", "ip addr add 10.77.0.99/24 dev eth0; ip addr add fd77::99/64 dev eth0 nodad")
    send("fd77::99")
    send("10.77.0.99")
    until(lambda: "MAC address" in why("10.77.0.99"))
    assert held("10.77.0.99", 4)

    # What is written counts before what is learnt, and a VLAN's client has its own
    assert held("10.77.0.12", 12)
    assert held("fd77::12", 12)
    for source in ("10.78.0.11", "fd78::b"):
        assert held(source, 6), source

    # By which key
    shown = json.loads(box.cli("subscribers", "show", "television", "--config", str(policy), "--json").stdout)
    learnt = {each["address"]: each["mac"] for each in shown["learnt"]}
    assert learnt.keys() >= {"10.77.0.11", "10.77.0.99", "fd77::99"} and set(learnt.values()) == {TELEVISION}
    assert "10.77.0.12" not in learnt
    assert f"television's by MAC address {TELEVISION}, learnt 20" in why("10.77.0.99")
    assert "office's by its address" in why("10.77.0.12")
    assert "subscriber  flat, by VLAN 100" in why("flat")
    assert f"subscriber  television, by MAC address {TELEVISION}" in why(TELEVISION)

    # Rules by device
    def code(name: str, source: str) -> str:
        return str(curl(lab, f"http://{name}/", "--interface", source, "-4", seconds=10)["code"])

    assert code("www.wikipedia.org", "10.77.0.11") == "000" and code("www.wikipedia.org", "10.78.0.11") == "200"
    assert code("zoom.us", "10.77.0.11") == "200" and code("zoom.us", "10.78.0.11") == "000"
    told = box.cli("why", "zoom.us", "--all").stdout
    assert "vlan is 0, not 100" in told, told

    # Our table is flushed: what was learnt is told again
    in_namespace(lab, "box", "nft delete table inet dpi_subscribers")

    def known() -> bool:
        done = lab.run("box", ["nft", "list", "map", "inet", "dpi_subscribers", "learnt4"])
        return "10.77.0.99" in done.stdout

    until(known)

    # Queues on demand: what is learnt sleeps and wakes with its subscriber
    text = policy.read_text().replace("subscribers:\n", "subscribers:\n  queues: on-demand\n  idle: 5s\n")
    policy.write_text(text)
    until(lambda: box.call("subscriber", id="television")["asleep"])
    send("10.77.0.99")
    until(lambda: not box.call("subscriber", id="television")["asleep"])
    assert held("10.77.0.99", 4)

    # The device is another's now
    policy.write_text(text.replace("tariff: small, mac: 02-D1-77-00-00-0B", "tariff: small, mac: 02-D1-77-00-00-0C"))
    until(lambda: not known())
