"""Devices that show themselves by DHCP, with real clients and servers, on a router and on a bridge."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from appliances import POLICY, flow_of, until
from pyroute2 import IPRoute
from test_conditions import decided, download
from world import World

from dpi.control import call
from dpi.daemon import devices as table
from dpi.daemon.devices import Devices
from dpi.dissect.dhcp import shown
from dpi.enforce import probe
from dpi.errors import DpiError
from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab
from dpi.match.signatures import load
from tests.dhcp_messages import MAC, asked, message, option, option6, packet

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

PHONE = "02:d1:77:00:00:0c"
SERVER = """\
start {net}.100
end {net}.110
interface {interface}
lease_file {file}.leases
pidfile {file}.pid
option subnet 255.255.255.0
"""
CLIENT = ("busybox", "udhcpc", "-n", "-q", "-t", "20", "-T", "1", "-i", "eth0", "-s", "/bin/true")


def server(folder: Path, interface: str, net: str) -> list[str]:
    conf = folder / f"{interface}.conf"
    conf.write_text(SERVER.format(net=net, interface=interface, file=conf))
    Path(f"{conf}.leases").touch()
    return ["busybox", "udhcpd", "-f", str(conf)]


# Copies of frames


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.fixture
def devices(tmp_path: Path, world: World) -> Iterator[Devices]:
    found = Devices(tmp_path / "devices.json")
    found.use(load().devices)
    with world.box:
        found.listen(["lan0"])
    assert not found.errors
    yield found
    found.close()


@contextlib.contextmanager
def serving(world: World, where: str, command: list[str]) -> Iterator[None]:
    with getattr(world, where):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def heard(devices: Devices) -> dict[str, dict[str, object]]:
    devices.read()
    return {row["mac"]: row for row in devices.told({})}


def mac_of_client(world: World) -> str:
    with world.client, IPRoute() as ip:
        return str(ip.link("get", ifname="eth0")[0].get_attr("IFLA_ADDRESS"))


def test_on_a_router_a_client_gets_its_lease_and_is_heard(world: World, devices: Devices, tmp_path: Path) -> None:
    with serving(world, "box", server(tmp_path, "lan0", "10.7.0")):
        world.client.run(*CLIENT, "-x", "hostname:lamp")
    row = until(lambda: heard(devices).get(mac_of_client(world)))
    assert (row["kind"], row["by"], row["name"]) == ("embedded", "DHCP options", "lamp")
    assert str(row["vendor"]).startswith("udhcp ")


def bridge(world: World) -> None:
    world.box.run("sh", "-ec", "ip link add br0 type bridge; ip link set br0 up; ip addr flush dev lan0")
    world.box.run("sh", "-ec", "ip addr flush dev wan0; ip link set lan0 master br0; ip link set wan0 master br0")


def test_on_a_bridge_likewise(world: World, devices: Devices, tmp_path: Path) -> None:
    bridge(world)
    with serving(world, "inet", server(tmp_path, "eth0", "198.18.0")):
        world.client.run(*CLIENT, "-V", "android-dhcp-14", "-x", "hostname:phone")
    row = until(lambda: heard(devices).get(mac_of_client(world)))
    assert (row["kind"], row["by"], row["name"]) == ("android", "vendor class", "phone")


def test_a_client_of_ipv6_is_heard(world: World, devices: Devices) -> None:
    vendor = struct.pack(">IH", 311, 8) + b"MSFT 5.0"
    payload = b"\1\0\0\7" + option6(16, vendor) + option6(6, struct.pack(">HH", 17, 23))
    with world.client, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.sendto(payload, ("ff02::1:2", 547, 0, socket.if_nametoindex("eth0")))
    row = until(lambda: heard(devices).get(mac_of_client(world)))
    assert (row["kind"], row["dhcp6"], row["vendor"]) == ("windows", "17,23", "MSFT 5.0")


def raw(world: World, *frames: bytes) -> None:
    with world.client, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("eth0", 0))
        for frame in frames:
            sock.send(frame)


def test_of_all_frames_only_messages_of_clients_are_read(world: World, devices: Devices) -> None:
    head, sent = b"\xff" * 6 + MAC, packet(message(asked("1,3"), option(12, b"plain")))
    fragment = sent[:6] + b"\x20\0" + sent[8:]
    raw(
        world,
        head + b"\x08\0" + fragment,
        head + b"\x08\0" + packet(message(asked("1,3")), port=68),
        head + b"\x08\x06" + sent,
        head + b"\x08\0" + sent[:9] + b"\6" + sent[10:],
        head + b"\x86\xdd" + sent,
        head + b"\x08\0" + sent[:40],
        head + b"\x08\0",
    )
    with world.client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("10.7.0.1", 6700))
    copies = devices._copies["lan0"]
    assert copies is not None
    found = copies.read(100)
    assert [len(each) for each, _ in found] == [40]  # what is cut is read, and shows nothing
    assert not any(shown(each, sender) for each, sender in found)
    raw(world, head + b"\x81\0\0\7\x08\0" + sent, head + b"\x08\0" + sent)  # a VLAN's, a plain one
    found = until(lambda: copies.read(100))
    assert [shown(each, sender) for each, sender in found] == 2 * [shown(sent, MAC)]


def test_a_flood_is_read_in_parts_and_the_rest_is_lost(world: World, devices: Devices) -> None:
    frames = []
    for number in range(20_000):
        mac = MAC[:3] + number.to_bytes(3, "big")
        frames.append(b"\xff" * 6 + mac + b"\x08\0" + packet(message(asked("1,3"), mac=mac)))
    raw(world, *frames)
    assert len(heard(devices)) == table.MOST_READ
    read = table.MOST_READ
    while len(heard(devices)) > read:
        read = len(devices.told({}))
    assert read < 10_000 and not devices.errors


def test_an_interface_that_goes_and_comes_is_heard_again(world: World, devices: Devices) -> None:
    with world.box, IPRoute() as ip:
        for state in ("down", "up"):
            ip.link("set", index=ip.link_lookup(ifname="lan0")[0], state=state)
            devices.read()
        assert not devices.errors
        raw(world, b"\xff" * 6 + MAC + b"\x08\0" + packet(message(asked("1"))))
        until(lambda: heard(devices))
        ip.link("del", index=ip.link_lookup(ifname="lan0")[0])
        devices.read()
        assert list(devices.errors) == ["lan0"]
        devices.open()
        assert list(devices.errors) == ["lan0"]
        ip.link("add", ifname="lan0", kind="veth", peer={"ifname": "eth0", "net_ns_fd": world.client.fd})
        ip.link("set", index=ip.link_lookup(ifname="lan0")[0], state="up")
        devices.open()
    assert not devices.errors
    with world.client, IPRoute() as ip:
        ip.link("set", index=ip.link_lookup(ifname="eth0")[0], state="up")
    raw(world, b"\xff" * 6 + MAC + b"\x08\0" + packet(message(asked("1,3"))))
    until(lambda: heard(devices)["02:00:00:d3:c1:e5"]["dhcp"] == "1,3")


# The whole

BRIDGED = """\
version: 1
interfaces: {mode: bridge, lan: lan0, wan: wan0}
queue: {count: 1}
rules: {phones: {match: {device: android}, dscp: ef}}
"""


@pytest.mark.guest
def test_a_bridge_knows_its_devices(world: World, tmp_path: Path) -> None:
    if not probe.probe(tmp_path / "probe").nft_bridge and "DPI_GUEST" not in os.environ:
        pytest.skip("this kernel's nft cannot queue on bridges")
    bridge(world)
    world.inet.run("ip", "addr", "add", "10.7.0.9/24", "dev", "eth0")
    world.serve(world.inet, 8000)
    policy, socket_, folders = tmp_path / "policy.yaml", tmp_path / "control.sock", ("state", "versions")
    policy.write_text(BRIDGED + f"control: {{socket: {socket_}}}\n")
    run = [sys.executable, "-m", "dpi", "run", "--config", str(policy)]
    run += [word for name in folders for word in (f"--{name}-dir", str(tmp_path / name))]

    def is_up() -> bool:
        with contextlib.suppress(DpiError):
            return bool(call("status", path=socket_))
        return False

    def rule() -> object:
        assert world.banner("10.7.0.9", 8000) == b"hello"
        flows = [flow for flow in call("flows", path=socket_) if flow["dport"] == 8000]
        return max(flows, key=lambda flow: float(flow["start"]))["rule"]

    with serving(world, "box", run), serving(world, "inet", server(tmp_path, "eth0", "198.18.0")):
        until(is_up, 180)
        assert rule() is None
        world.client.run(*CLIENT, "-V", "android-dhcp-14")
        assert until(lambda: rule() == "phones", 60)
        (row,) = call("devices", path=socket_)["devices"]
        assert (row["kind"], row["addresses"]) == ("android", ["10.7.0.2"])


@pytest.fixture
def policy(lab: Lab, tmp_path: Path) -> Path:
    done = lab.run("client", ["ip", "link", "set", "eth0", "address", PHONE])
    assert done.returncode == 0, done.stderr
    lab.run("box", ["ip", "neigh", "flush", "all"])
    rules = "  none: {match: {device: [ios, tv], host: zoom.us}, block: reject}\n"
    rules += "  phones: {match: {device: android, app: steam}, shape: video}\n"
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("RECORDS", str(tmp_path / "flows.jsonl")).replace("rules:\n", f"rules:\n{rules}"))
    for name in ("devices.json", "drained.json"):
        (lab.directory / name).unlink(missing_ok=True)
    return path


def listed(box: Appliance, *words: str) -> list[dict[str, object]]:
    """Without when each was heard: a client that asks again changes it between two lists."""
    found: list[dict[str, object]] = json.loads(box.cli("devices", *words, "--json").stdout)
    for row in found:
        assert isinstance(row.pop("heard"), float)
    return found


def test_flows_change_class_when_it_becomes_known_what_their_device_is(
    lab: Lab, box: Appliance, policy: Path, tmp_path: Path
) -> None:
    served = lab.start("box", server(tmp_path, "lan0", "10.77.0"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert listed(box) == []
        with download(lab, 100_000_000):
            flow = until(lambda: decided(box))
            assert (flow["rule"], flow["class"], flow["offloaded"]) == ("slow", "slow", True)
            assert "no device is known to be android" in box.cli("why", "steamcontent.com", "--all").stdout
            done = lab.run("client", [*CLIENT, "-V", "android-dhcp-14", "-x", "hostname:phone"])
            assert done.returncode == 0, done.stderr
            until(lambda: flow_of(box, app="steam", protocol="http")["rule"] == "phones")
            assert flow_of(box, app="steam", protocol="http")["class"] == "video"

            # It is told
            (row,) = listed(box, "--kind", "android")
            assert (row["mac"], row["name"], row["vendor"]) == (PHONE, "phone", "android-dhcp-14")
            assert "10.77.0.11" in row["addresses"]
            assert listed(box, "--kind", "unknown") == [] and listed(box, "10.77.0.11") == [row] == listed(box, "Phone")
            assert "android  vendor class" in box.cli("devices").stdout
            nobody = box.cli("devices", "10.77.0.250")
            assert nobody.returncode == 1
            why = box.cli("why", PHONE).stdout
            assert "android, by its vendor class android-dhcp-" in why and "host name phone" in why
            assert "device      android, by its vendor class" in box.cli("why", "10.77.0.11").stdout
            (known,) = [c for c in box.call("status")["conditions"] if c["name"] == "android"]
            assert (known["kind"], known["holds"], known["rules"]) == ("device", True, ["phones"])

        # Through a reload: what is known stays, and rules for other kinds find it
        text = policy.read_text()
        policy.write_text(text.replace("device: [ios, tv]", "device: [ios, android]"))
        until(lambda: "ios or android" in box.cli("why", PHONE, "--all").stdout or code(lab) == "000")
        assert until(lambda: code(lab) == "000")
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / "mine.yaml").write_text("devices: {tv: {vendor: android-dhcp-14}}")
        policy.write_text(text + f"signatures: {tmp_path / 'own'}\n")
        until(lambda: [row["kind"] for row in listed(box)] == ["tv"])
        assert until(lambda: code(lab) == "000")

        # Through a restart
        box.stop()
        box.start()
        assert [row["kind"] for row in listed(box)] == ["tv"] and code(lab) == "000"
    finally:
        served.terminate()
        served.wait()


def code(lab: Lab) -> str:
    return str(curl(lab, "http://zoom.us/", "--interface", "10.77.0.11", "-4", seconds=10)["code"])
