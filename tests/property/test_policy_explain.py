"""What `dpi why` says of a flow's rules is what the loop's table does with it."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.engine import Engine
from dpi.match.rules import Rules
from dpi.policy.explain import Facts, explain
from dpi.policy.plan import EnginePlan, MarkLayout, Match, PlannedRule
from dpi.vocabulary import of_signatures

APPS = ["netflix", "youtube", "zoom", "bittorrent", ""]
PROTOCOLS = ["tls", "quic", "dns", "bittorrent", ""]
CATEGORIES = ["video", "streaming", "voip", "conference", "web", "download"]
HOSTS = ["a.example", "b.a.example", "x.b.a.example", "ba.example", "example"]
ADDRESSES = ["10.0.0.1", "10.1.2.3", "192.0.2.7", "2001:db8::1", "2001:db8:1::7", "fd00::1"]
PREFIXES = [
    "0.0.0.0/0",
    "::/0",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "192.0.2.7/32",
    "2001:db8::/32",
    "2001:db8:1::7/128",
    "::/64",
]
NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}


def some(values: list[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.just(()) | st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True).map(tuple)


patterns = [kind + name for kind in ("", "*.", "=") for name in HOSTS]
matches = st.builds(
    Match,
    apps=some(APPS[:-1] + PROTOCOLS[:3]),
    categories=some(CATEGORIES),
    protocols=some(PROTOCOLS[:-1]),
    hosts=some(patterns),
    local=some(PREFIXES),
    remote=some(PREFIXES),
    ports=some([(443, 443), (80, 90), (1, 65535), (8000, 8100)]),
    transports=some(list(NUMBERS)),
    direction=st.sampled_from([None, "out", "in"]),
    dscp=some([0, 46]),
    vlans=some([0, 7]),
)
facts = st.builds(
    Facts,
    app=st.sampled_from(APPS),
    protocol=st.sampled_from(PROTOCOLS),
    host=st.sampled_from(["", *HOSTS]),
    local=st.sampled_from(ADDRESSES),
    remote=st.sampled_from(ADDRESSES),
    port=st.sampled_from([0, 80, 443, 8050]),
    transport=st.sampled_from(list(NUMBERS)),
    direction=st.sampled_from([None, "out", "in"]),
    dscp=st.sampled_from([0, 46]),
    vlan=st.sampled_from([0, 7]),
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(max_flows=1024)


def packed(address: str) -> bytes:
    known = ipaddress.ip_address(address)
    return known.packed if known.version == 6 else bytes(10) + b"\xff\xff" + known.packed


def asked(engine: Engine, plan: EnginePlan, flow: Facts) -> int | None:
    """The number of the rule that the table finds."""
    slugs = engine.signatures.by_slug
    label = slugs.get(flow.app or flow.protocol)
    return Rules([engine._rule(rule, {}) for rule in plan.rules]).ask(
        app=slugs[flow.app].id if flow.app else 0,
        protocol=slugs[flow.protocol].id if flow.protocol else 0,
        category=label.category.id if label else 0,
        host=flow.host.encode(),
        local=packed(flow.local),
        remote=packed(flow.remote),
        port=flow.port,
        proto=NUMBERS[flow.transport],
        opened={None: 0, "out": 1, "in": 2}[flow.direction],
        dscp=flow.dscp,
        vlan=flow.vlan,
    )


@given(st.lists(matches, max_size=6), facts)
@settings(max_examples=120)
def test_the_explanation_agrees_with_the_table(engine: Engine, conditions: list[Match], flow: Facts) -> None:
    rules = [PlannedRule(str(i), f"f:{i}", match, 2 + i, None, False) for i, match in enumerate(conditions)]
    plan = EnginePlan(tuple(rules), ("lan0",), MarkLayout(), 1024)
    words = of_signatures(engine.signatures)
    flow = Facts(**{**vars(flow), "categories": tuple(words.categories_of(flow.app or flow.protocol))})

    verdicts = explain(plan, flow)
    found = next((i for i, verdict in enumerate(verdicts) if verdict.matched), None)

    assert found == asked(engine, plan, flow)
    assert all(verdict.reason for verdict in verdicts if not verdict.matched)
