"""An interface of the LAN that goes and comes back with another index, as USB and VLAN devices do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from appliances import flow_of, index_of, shell

from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab
from dpi.lab.net import namespace

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]


def test_a_lan_that_comes_back_with_another_index_is_still_the_lan(lab: Lab, policy: Path) -> None:
    """And its flows are the LAN's, also those that one of its clients opens."""
    policy.write_text(policy.read_text().replace("lan: lan0", "lan: [lan0, usb0]"))
    add = f"ip link add usb0 type veth peer name usb1 netns {namespace(lab.name, 'client')}"
    ends = "ip address add 10.79.0.1/24 dev usb0; ip link set usb0 up"
    shell(lab, "box", f"{add}; {ends}")
    with Appliance(lab, policy) as box:
        before = index_of(lab, "usb0")
        shell(lab, "box", "ip link del usb0")
        shell(lab, "box", "ip link add dummy type veth peer name dummy1; ip link del dummy")  # which takes the number
        shell(lab, "box", f"{add}; {ends}")
        shell(
            lab,
            "client",
            "ip address add 10.79.0.2/24 dev usb1; ip link set usb1 up",
            "ip rule add from 10.79.0.2 table 79; ip route add default via 10.79.0.1 table 79",
        )
        try:
            assert index_of(lab, "usb0") != before
            time.sleep(3)
            got = curl(lab, "http://cache1-fra2.steamcontent.com/", "-4", "--interface", "10.79.0.2", seconds=60)
            assert got["exit"] == 0, got
            flow = flow_of(box, app="steam", dport=80)
            assert (flow["src"], flow["direction"]) == ("10.79.0.2", "out")
        finally:
            shell(lab, "client", "ip rule del table 79")
            shell(lab, "box", "ip link del usb0")
