"""Risks that depend on what passed before, by real clients."""

from __future__ import annotations

import json

import pytest
from appliances import until

from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]


def test_a_tunnel_that_shows_the_name_of_an_app_is_told(lab: Lab, box: Appliance) -> None:
    """curl looks the one name up and shows the other, as such tunnels do."""
    honest = curl(lab, "https://www.netflix.com/", "-4")
    tunnel = curl(lab, "https://www.netflix.com/", "-4", "--connect-to", "www.netflix.com:443:gate.tunnel.example:443")
    assert honest["code"] == tunnel["code"] == "200" and honest["ip"] != tunnel["ip"]

    def risky() -> list[dict[str, object]]:
        return [json.loads(line) for line in box.cli("flows", "--risky", "--json").stdout.splitlines()]

    (flow,) = until(risky)
    assert (flow["dst"], flow["app"], flow["risks"]) == (tunnel["ip"], "netflix", ["dns-name"])
    said = box.cli("why", tunnel["ip"]).stdout
    assert "looked the server up" in said, said
