"""A CDN's alias that is its customer's name with more behind it is the customer's."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpi.captures import Captures
from tests.captures import packet, visit, write
from tests.cores import CLIENT, RESOLVER, SERVER, UDP, answer, question


def asked(tmp_path: Path, name: str) -> tuple[str | None, str | None]:
    """The app of the question, and of a flow to the address that answers it."""
    capture = write(
        tmp_path / "dns.pcap",
        [
            packet(CLIENT, 50000, RESOLVER, 53, UDP, question(name)),
            packet(RESOLVER, 53, CLIENT, 50000, UDP, answer(name, SERVER)),
            packet(CLIENT, 50001, SERVER, 50002, UDP, bytes(range(64))),
        ],
    )
    dns, behind = sorted(Captures().classify(capture), key=lambda flow: flow.sport)
    return dns.app, behind.app


@pytest.mark.parametrize(
    ("name", "app"),
    [
        ("slot1.ebay.com.edgekey.net", "ebay"),
        ("www.xbox.com.edgesuite.net", "xbox"),
        ("www.ebay.com.edgekey.net.globalredir.akadns.net", "ebay"),
        ("media.licdn.com.cdn.cloudflare.net", "linkedin"),
        ("assets1.xboxlive.com.nsatc.net", "xbox"),
    ],
)
def test_an_alias_is_its_customers(tmp_path: Path, name: str, app: str) -> None:
    assert asked(tmp_path, name) == (app, app)


def test_also_where_a_flow_shows_it(tmp_path: Path) -> None:
    capture = write(tmp_path / "tls.pcap", visit("www.ebay.com.edgekey.net"))
    assert {flow.app for flow in Captures().classify(capture)} == {"ebay"}


@pytest.mark.parametrize("name", ["e1.dscx.akamaiedge.net", "www.customer.example.edgekey.net", "edgekey.net"])
def test_what_nobody_knows_stays_the_networks(tmp_path: Path, name: str) -> None:
    assert asked(tmp_path, name)[0] == "akamai"
