"""Connections of which the box sees one direction alone: the other takes another way round it.

client ── lan0 box wan0 ── inet
   └────────── by0 ──────────┘
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from appliances import curls, flow_of, rate, sent, shell, until

from dpi.lab.appliance import Appliance
from dpi.lab.lab import Lab
from dpi.lab.net import namespace
from dpi.lab.topology import CLIENTS4, CLIENTS6

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

MBIT = 1_000_000
ANSWERS = "ip -{v} route add {lan} via {client}", "inet"  # these take the other way …
REQUESTS = "ip -{v} route replace default via {inet} src {own}", "client"  # … or these
NETS: dict[int, dict[str, Any]] = {
    4: {"lan": "10.77.0.0/24", "own": CLIENTS4[0], "client": "192.0.2.1", "inet": "192.0.2.2", "bits": 24},
    6: {"lan": "fd77::/64", "own": CLIENTS6[0], "client": "2001:db8:ff::1", "inet": "2001:db8:ff::2", "bits": 64},
}


@contextlib.contextmanager
def another_way(lab: Lab, which: tuple[str, str]) -> Iterator[None]:
    """A wire from the client to the internet, past the box, for one direction."""
    route, role = which
    shell(lab, "client", f"ip link add by0 type veth peer name by0 netns {namespace(lab.name, 'inet')}")
    try:
        for end in ("client", "inet"):
            shell(
                lab,
                end,
                *(f"ip address add {net[end]}/{net['bits']} dev by0 {'nodad' * (v == 6)}" for v, net in NETS.items()),
                "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done",
                "ip link set by0 up",
            )
        before = {v: lab.run(role, ["ip", f"-{v}", "route", "show", "default"]).stdout.strip() for v in NETS}
        shell(lab, role, *(route.format(v=v, **net) for v, net in NETS.items()))
        try:
            yield
        finally:
            shell(lab, role, *(f"ip -{v} route replace {text}" for v, text in before.items()))
    finally:
        shell(lab, "client", "ip link del by0")


@pytest.fixture
def upload(tmp_path: Path) -> list[str]:
    """curl's words for one that does not end while it is looked at."""
    data = tmp_path / "upload"
    with data.open("wb") as file:
        file.truncate(64 << 20)
    return ["-T", str(data), "-H", "Expect:"]


@contextlib.contextmanager
def syn_sent(lab: Lab, seconds: int) -> Iterator[None]:
    """How long conntrack remembers a SYN without an answer."""
    path = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_sent"
    before = lab.run("box", ["cat", path]).stdout.strip()
    shell(lab, "box", f"echo {seconds} > {path}")
    try:
        yield
    finally:
        shell(lab, "box", f"echo {before} > {path}")


def doctor(box: Appliance) -> dict[str, Any]:
    """What it says of asymmetry."""
    done = box.cli("doctor", "--json")
    (found,) = [d for d in json.loads(done.stdout)["findings"] if d["check"] == "asymmetry"]
    return dict(found)


@pytest.mark.guest
@pytest.mark.parametrize("family", [4, 6])
def test_where_answers_take_another_way_uploads_are_named_and_told(
    lab: Lab, box: Appliance, upload: list[str], family: int
) -> None:
    with another_way(lab, ANSWERS), curls(lab, 5, f"-{family}", *upload, "https://www.youtube.com/"):
        until(lambda: box.call("status")["one_way"]["up"] >= 5, 120)
        flow = flow_of(box, app="youtube", method="sni", ip_version=family)
        assert (flow["packets_down"], flow["class"]) == (0, "video")
        until(lambda: sent(box, "video", "up") > 500_000, 60)
        told = doctor(box)
        assert told["level"] == "warning" and "only what the LAN sends" in told["found"], told
        assert "leaving by wan0" in told["found"] and told["fix"]
        assert "in one direction alone" in box.cli("status").stdout


@pytest.mark.parametrize("family", [4, 6])
def test_such_uploads_are_held_to_their_rate(lab: Lab, box: Appliance, upload: list[str], family: int) -> None:
    with another_way(lab, ANSWERS), curls(lab, 5, f"-{family}", *upload, "https://www.youtube.com/"):
        until(lambda: sent(box, "video", "up") > 500_000)
        assert rate(box, "video", "up") == pytest.approx(4 * MBIT, rel=0.05)


@pytest.mark.parametrize("family", [4, 6])
def test_where_requests_take_another_way_downloads_are_shaped_and_told(lab: Lab, box: Appliance, family: int) -> None:
    words = f"-{family}", "--tls-max", "1.2", "https://www.youtube.com/bytes/64000000"
    with another_way(lab, REQUESTS), curls(lab, 5, *words):
        until(lambda: box.call("status")["one_way"]["down"] >= 5, 120)
        flow = flow_of(box, dport=443, ip_version=family)
        assert (flow["packets_up"], flow["app"], flow["method"]) == (0, "youtube", "certificate")
        assert rate(box, "video", "down") == pytest.approx(8 * MBIT, rel=0.05)
        # The kernel takes them for connections whose beginning it has missed.
        until(lambda: all(f["offloaded"] for f in box.call("flows", apps=["youtube"]) if f["dport"] == 443), 60)
        told = doctor(box)
        assert told["level"] == "warning" and "only what comes to the LAN" in told["found"], told
        assert "leaving by lan0" in told["found"]


def test_a_flow_keeps_its_name_when_the_kernel_forgets_its_syn_and_is_then_the_kernels(
    lab: Lab, box: Appliance, upload: list[str]
) -> None:
    def uploads() -> list[dict[str, Any]]:
        return [f for f in box.call("flows", apps=["youtube"]) if (f["dport"], f["ip_version"]) == (443, 4)]

    with syn_sent(lab, 3), another_way(lab, ANSWERS), curls(lab, 1, "-4", *upload, "https://www.youtube.com/"):
        first = until(lambda: [f for f in uploads() if f["packets_up"] > 10])[0]
        time.sleep(8)
        (still,) = [f for f in uploads() if f["sport"] == first["sport"]]  # others' last packets may yet come
        assert (still["start"], still["method"], still["offloaded"]) == (first["start"], "sni", True)
        seen = box.call("status")["engine"]["packets"]
        before = sent(box, "video", "up")
        until(lambda: sent(box, "video", "up") - before > 1_000_000)
        assert box.call("status")["engine"]["packets"] - seen < 20


@pytest.mark.guest
def test_what_is_blocked_is_refused_where_answers_take_another_way(lab: Lab, box: Appliance) -> None:
    with another_way(lab, ANSWERS):
        done = lab.run("client", ["curl", "-4sS", "-o", "/dev/null", "-m", "30", "https://www.bet365.com/"], timeout=60)
        assert done.returncode not in (0, 28), done.stderr  # a reset, not a time-out


def test_a_scan_and_dead_hosts_are_no_asymmetry(lab: Lab, box: Appliance) -> None:
    shell(lab, "inet", "ip route add blackhole 203.0.113.0/24")
    scan = """\
import select, socket, time
socks = []
for n in range(1, 201):
    for port in (80, 443, 22) if n < 40 else (9000 + n,):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex((f"203.0.113.{n}" if n < 150 else "198.18.0.2", port))
        socks.append(sock)
time.sleep(9)  # four SYNs each
"""
    try:
        done = lab.run("client", [sys.executable, "-c", scan])
        assert done.returncode == 0, done.stderr
        flows = [f for f in box.call("flows", limit=10_000) if f["dst"].startswith("203.0.113.")]
        assert len(flows) > 200 and max(f["packets_up"] for f in flows) >= 4
        assert (box.call("status")["one_way"]["up"], box.call("status")["one_way"]["down"]) == (0, 0)
        assert doctor(box)["level"] == "ok"
        assert "in one direction" not in box.cli("status").stdout
    finally:
        shell(lab, "inet", "ip route del blackhole 203.0.113.0/24")
