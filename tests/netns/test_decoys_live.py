"""A decoy hello before the real one, on the wire: the flow is the real one's, with its class, and then the kernel's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from appliances import flow_of, until

from dpi.lab.appliance import Appliance
from dpi.lab.lab import Lab
from tests.handshakes import openssl_hello

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]


@pytest.mark.parametrize("trick", ["checksum", "signature"])
def test_a_decoy_on_the_wire_names_nothing(lab: Lab, box: Appliance, trick: str) -> None:
    script = str(Path(__file__).with_name("decoy.py"))
    done = lab.run("client", [sys.executable, script, trick, openssl_hello("www.example.org").hex(), "www.youtube.com"])
    assert done.returncode == 0, done.stderr
    flow = until(lambda: flow_of(box, sport=int(done.stdout)))
    assert (flow["app"], flow["hostname"], flow["class"]) == ("youtube", "www.youtube.com", "video")
    assert "decoy-name" in flow["risks"]
    assert flow["offloaded"]
