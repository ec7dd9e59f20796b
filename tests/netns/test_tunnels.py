"""Flows in a tunnel that passes the box: the kernel has one connection for all of them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from appliances import flow_of, shell, until

from dpi.lab.appliance import Appliance
from dpi.lab.lab import Lab
from dpi.lab.topology import CLIENTS4, DNS4

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]

PORT = 8080
INNER = {"client": "10.98.0.1", "inet": "10.98.0.2"}


@pytest.fixture
def tunnel(lab: Lab) -> str:
    """VXLAN between client and Internet, one connection each way for all that is in it; a URL at its far end."""
    for role, near, far in (("client", CLIENTS4[0], DNS4), ("inet", DNS4, CLIENTS4[0])):
        shell(
            lab,
            role,
            f"ip link add vx9 type vxlan id 9 local {near} remote {far} dstport 4789 srcport 50000 50001",
            f"ip address add {INNER[role]}/30 dev vx9",
            "ip link set vx9 mtu 1400 up",
        )
    return f"http://{INNER['inet']}:{PORT}/"


def ask(lab: Lab, url: str, host: str, seconds: int) -> int:
    """curl's exit code: 0, or 28 where nothing came in time."""
    words = ["curl", "-s", "-o", "/dev/null", "-m", str(seconds), "-H", f"Host: {host}", url]
    return lab.run("client", words).returncode


def test_a_blocked_flow_takes_neither_the_tunnel_nor_its_neighbours_with_it(
    lab: Lab, box: Appliance, tunnel: str
) -> None:
    server = lab.start(
        "inet", [sys.executable, "-m", "http.server", "-b", INNER["inet"], str(PORT)], stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: ask(lab, tunnel, "www.example.org", 2) == 0, 20)
        assert ask(lab, tunnel, "www.silent.example", 3) == 28
        for _ in range(3):
            assert ask(lab, tunnel, "www.example.org", 3) == 0
        assert ask(lab, tunnel, "www.silent.example", 3) == 28
    finally:
        server.terminate()
        server.wait()
    blocked = flow_of(box, hostname="www.silent.example")
    assert (blocked["tunnel"], blocked["rule"], blocked["offloaded"]) == ("vxlan", "silent", False)
    assert flow_of(box, hostname="www.example.org")["rule"] is None
