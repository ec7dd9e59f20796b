"""A WAN without Ethernet headers that comes and goes, with NAT: PPPoE, and a tun device where the kernel has no PPP.

client ── lan0 box wan0 ── eth0 inet
               ppp0 ══════ isp0           over that wire
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from appliances import curls, flow_of, held, index_of, oversized, rate, shell, until
from world import Space

from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab
from dpi.lab.net import namespace, path
from dpi.lab.topology import DNS4

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

MBIT = 1_000_000
MTU = 1492  # RFC 2516, 7: Ethernet's 1500 without PPPoE's header and PPP's protocol
HERE, THERE = "10.99.0.2", "10.99.0.1"
NAT = """\
table ip theirs {
    chain out { type nat hook postrouting priority srcnat; oifname "ppp0" masquerade; }
    chain clamp { type filter hook forward priority 0; tcp flags syn tcp option maxseg size set rt mtu; }
}
"""
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
AF_PPPOX = 24


class Tun:
    """Two tun devices, and a thread that carries packets from one to the other."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._files: list[int] = []
        self._carrying: threading.Thread | None = None
        self._ending = threading.Event()

    def up(self) -> None:
        for role, name, own, other in (("box", "ppp0", HERE, THERE), ("inet", "isp0", THERE, HERE)):
            self._files.append(_in(self._lab, role, lambda name=name: _tun(name)))
            shell(self._lab, role, f"ip address add {own} peer {other} dev {name}", f"ip link set {name} mtu {MTU} up")
        self._ending.clear()
        self._carrying = threading.Thread(target=self._carry, daemon=True)
        self._carrying.start()

    def _carry(self) -> None:
        one, other = self._files
        while not self._ending.is_set():
            for ready in select.select((one, other), (), (), 0.1)[0]:
                with contextlib.suppress(OSError):
                    os.write(other if ready == one else one, os.read(ready, 65536))

    def down(self) -> None:
        self._ending.set()
        if self._carrying:
            self._carrying.join()
        while self._files:
            os.close(self._files.pop())


class Pppoe:
    """pppoe-server on one end of the wire, pppd on the other."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab = lab
        self._folder = folder
        self._server: subprocess.Popen[Any] | None = None
        self._client: subprocess.Popen[Any] | None = None

    def up(self) -> None:
        common = (
            f"noauth\nmtu {MTU}\nmru {MTU}\nlcp-echo-interval 0\nip-up-script /bin/true\nip-down-script /bin/true\n"
        )
        options = self._folder / "server-options"
        options.write_text(common + "ifname isp0\n")
        if self._server is None:
            addresses = ("-L", THERE, "-R", HERE, "-N", "8")
            command = ["pppoe-server", "-F", "-I", "eth0", *addresses, "-O", str(options)]
            self._server = self._start("inet", command)
        line = ["plugin", "rp-pppoe.so", "wan0", "ifname", "ppp0", "nodetach", "noipdefault", "persist", "holdoff", "1"]
        self._client = self._start("box", ["pppd", *common.split(), *line])
        try:
            until(lambda: HERE in self._lab.run("box", ["ip", "-4", "address", "show", "dev", "ppp0"]).stdout, 60)
            until(lambda: THERE in self._lab.run("inet", ["ip", "-4", "address", "show", "dev", "isp0"]).stdout, 60)
        except AssertionError:
            said = {role: (self._folder / f"{role}.log").read_text(errors="replace") for role in ("box", "inet")}
            raise AssertionError(f"no session: {said}") from None

    def _start(self, role: str, command: list[str]) -> subprocess.Popen[Any]:
        with (self._folder / f"{role}.log").open("ab") as log:
            return self._lab.start(role, command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def down(self) -> None:
        """The session ends; the server stays."""
        if self._client:
            self._client.terminate()
            self._client.wait(30)
            until(lambda: self._lab.run("inet", ["ip", "link", "show", "dev", "isp0"]).returncode != 0, 90)

    def close(self) -> None:
        self.down()
        if self._server:
            self._server.terminate()
            self._server.wait(30)


def _in(lab: Lab, role: str, do: Callable[[], int]) -> int:
    """Does it in a namespace of the lab."""
    space = Space.__new__(Space)
    space.fd, space._back = os.open(path(namespace(lab.name, role)), os.O_RDONLY), []
    try:
        with space:
            return do()
    finally:
        os.close(space.fd)


def _tun(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def pppoe_there() -> bool:
    if os.environ.get("DPI_GUEST"):
        for module in ("pppoe", "ppp_async", "ppp_synctty", "n_hdlc"):
            subprocess.run(["modprobe", "-q", module], check=False)
    try:
        socket.socket(AF_PPPOX, socket.SOCK_STREAM, 0).close()
    except OSError:
        return False
    return bool(shutil.which("pppd") and shutil.which("pppoe-server"))


@pytest.fixture(params=["tun", pytest.param("pppoe", marks=pytest.mark.guest)])
def line(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> Iterator[Tun | Pppoe]:
    """Up, masqueraded, and the box's way to the internet."""
    if request.param == "pppoe" and not pppoe_there() and "DPI_GUEST" not in os.environ:
        pytest.skip("no PPPoE here: the kernel, pppd or pppoe-server lacks")
    made: Tun | Pppoe = Pppoe(lab, tmp_path) if request.param == "pppoe" else Tun(lab)
    before = lab.run("box", ["ip", "-4", "route", "show", "default"]).stdout.strip()
    shell(lab, "box", f"nft -f - <<'END'\n{NAT}END")
    try:
        made.up()
        default(lab)
        yield made
    finally:
        made.close() if isinstance(made, Pppoe) else made.down()
        shell(lab, "box", "nft delete table ip theirs", f"ip route replace {before}")


def default(lab: Lab) -> None:
    """Of what is outside all but the other end of the wire itself."""
    shell(lab, "box", "ip route replace default dev ppp0", f"ip route replace {DNS4} dev ppp0")


@pytest.fixture(params=["ppp0", "[ppp0, cdn0]"], ids=["alone", "sharing-the-link"])
def policy(policy: Path, line: Tun | Pppoe, request: pytest.FixtureRequest) -> Path:
    policy.write_text(policy.read_text().replace("wan: [wan0, cdn0]", f"wan: {request.param}"))
    return policy


def findings(box: Appliance, check: str) -> list[dict[str, Any]]:
    return [d for d in json.loads(box.cli("doctor", "--json").stdout)["findings"] if d["check"] == check]


def test_a_wan_of_ppp_names_shapes_and_steers_without_a_packet_too_big(
    lab: Lab, box: Appliance, line: Tun | Pppoe, tmp_path: Path
) -> None:
    with (tmp_path / "upload").open("wb") as file:
        file.truncate(64 << 20)
    steam = "http://cache1-fra2.steamcontent.com/"
    before = oversized(lab)
    with curls(lab, 3, "-4", steam + "bytes/64000000"):
        until(lambda: sum(f["bytes_down"] > 100_000 for f in box.call("flows", apps=["steam"])) == 3, 90)
        assert held(rate(box, "slow", "down"), 3 * MBIT)
        flow = flow_of(box, app="steam", method="http-host")
        assert (flow["class"], flow["src"][:6]) == ("slow", "10.77.")
    with curls(lab, 3, "-4", "-T", str(tmp_path / "upload"), "-H", "Expect:", steam):
        until(lambda: sum(f["bytes_up"] > 100_000 for f in box.call("flows", apps=["steam"])) == 3)
        assert held(rate(box, "slow", "up"), 2 * MBIT)
    assert curl(lab, "https://www.netflix.com/", "-4", seconds=60)["server"] == "cache"
    assert oversized(lab) == before
    (mtu,) = findings(box, "mtu")
    assert mtu["level"] == "ok" and "clamped" in mtu["found"]


@pytest.mark.parametrize("line", ["tun"], indirect=True)  # of either the device goes
def test_a_session_that_ends_and_comes_back_is_shaped_again(
    lab: Lab, box: Appliance, line: Tun | Pppoe, policy: Path
) -> None:
    before = index_of(lab, "ppp0")
    line.down()
    assert box.call("status")["queues"]
    until(lambda: "ppp0 is not there" in json.dumps(findings(box, "interfaces")), 90)
    policy.write_text(policy.read_text().replace("down: 3mbit", "down: 4mbit"))  # which has to wait for nothing
    box.call("apply")
    line.up()
    default(lab)
    assert index_of(lab, "ppp0") != before
    shaped = ["sh", "-c", "tc class show dev ppp0; tc filter show dev ppp0 egress"]
    until(lambda: "htb" in (there := lab.run("box", shaped).stdout) or "bpf" in there, 90)
    with curls(lab, 3, "-4", "http://cache1-fra2.steamcontent.com/bytes/64000000"):
        until(lambda: sum(f["bytes_down"] > 100_000 for f in box.call("flows", apps=["steam"])) == 3, 90)
        assert held(rate(box, "slow", "down"), 4 * MBIT)
    assert [d["level"] for d in findings(box, "kernel-state")] == ["ok"]
    assert "failed" not in box.tail()
