"""Risks of DNS: tunnels, and domains that a program made up."""

from __future__ import annotations

import random
import re
import struct
from pathlib import Path

import pytest

from dpi.core import Core
from dpi.dissect import dns_names, risks
from tests.cores import RESOLVER, core, datagram, find, risks_of
from tests.cores import dns_name as wire_name


def ask(one: Core, name: str, qtype: int = 1, number: int = 1) -> set[str]:
    message = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + wire_name(name) + struct.pack(">HH", qtype, 1)
    datagram(one, message, 50000, 53, dst=RESOLVER)
    return risks_of(find(one, 50000, 53, 17, dst=RESOLVER))


def coded(n: int, seed: int = 1) -> str:
    """Random bytes in base32, in labels of 60, as tunnels send them."""
    chance = random.Random(seed)
    text = "".join(chance.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(n))
    return ".".join(text[at : at + 60] for at in range(0, n, 60))


def test_long_coded_names_are_a_tunnel_at_once_and_shorter_ones_together() -> None:
    assert ask(core(), f"{coded(150)}.t.example.com") == {"dns-tunnel"}
    one = core()
    said = [ask(one, f"{coded(50, n)}.t.example.com", number=n) for n in range(4)]
    assert said == [set(), set(), {"dns-tunnel"}, {"dns-tunnel"}]
    one = core()
    assert [ask(one, f"{coded(30, n)}.t.example.com", 16, n) for n in range(3)][2] == {"dns-tunnel"}
    assert ask(core(), f"{coded(20)}.t.example.com", 10) == {"dns-tunnel"}


@pytest.mark.parametrize(
    "name",
    [
        "www.example.org",
        "e4478.a.akamaiedge.net",
        "ec2-203-0-113-25.eu-central-1.compute.amazonaws.com",
        "rr3---sn-4g5ednsd.googlevideo.com",
        "szczebrzeszyn.pl",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "44d88612fea8a8f36de82e1278abb02f.hashes.example.com",
        "some-really-long-but-human-chosen-name-of-a-service.department.example.co.uk",
    ],
)
def test_names_of_the_web_are_neither_tunnels_nor_made_up(name: str) -> None:
    for qtype in (1, 16, 28, 65):
        assert ask(core(), name, qtype) == set()


def test_a_forwarder_with_an_odd_question_now_and_then_is_no_tunnel() -> None:
    one = core()
    for n in range(40):
        found = ask(one, "www.example.org" if n % 10 else f"{coded(40, n)}.example.org", number=n)
    assert found == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xjqwkzvtplrmgh.com", True),
        ("www.k7h2q9x4m1z8v3.net", True),
        ("a.xjqwkzvtplrmgh.co.uk", True),
        ("xjqwkzvtplrmgh.lan", False),  # a browser's probe under the search domain
        ("xjqwkzvtplrmgh", False),
        ("xn--80acgfbsl1azdqr.com", False),
        ("xjqwkzvtplrmgh.cloudfront.net", False),  # somebody's name below a CDN
        ("internationalisation.org", False),
        ("wirtschaftswissenschaften.de", False),
        ("com", False),
        ("", False),
    ],
)
def test_a_domain_that_a_program_made_up_is_told_by_its_letters(name: str, expected: bool) -> None:
    assert dns_names.is_made_up(name) is expected


def test_few_registered_domains_of_the_signatures_look_made_up() -> None:
    files = (Path(risks.__file__).parents[1] / "signatures").glob("*.yaml")
    hosts = {
        host for file in files for host in re.findall(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b", file.read_text())
    }
    assert len(hosts) > 20_000
    assert sum(map(dns_names.is_made_up, hosts)) / len(hosts) < 0.001
