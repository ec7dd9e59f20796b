"""What `dpi why` says of a flow's rules is what the loop's table does with it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.engine import Engine
from dpi.policy.conditions import Holding
from dpi.policy.explain import Facts, explain
from dpi.policy.plan import EnginePlan, MarkLayout, Match, PlannedRule
from dpi.rule_tables import ask, tables
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
MACS = ["02:11:22:33:44:55", "02:11:22:3f:00:01", "02:11:23:33:44:55", "82:11:22:33:44:55"]
TRANSPORTS = ["icmp", "tcp", "udp", "sctp"]


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
    transports=some(TRANSPORTS),
    direction=st.sampled_from([None, "out", "in"]),
    dscp=some([0, 46]),
    vlans=some([0, 7]),
    over=some(["month", "day"]),
    devices=some(["ios", "tv"]),
    macs=some(["02:11:22:33:44:55/48", "02:11:22:00:00:00/24", "02:11:22:30:00:00/28", "00:00:00:00:00:00/1"]),
)
facts = st.builds(
    Facts,
    app=st.sampled_from(APPS),
    protocol=st.sampled_from(PROTOCOLS),
    host=st.sampled_from(["", *HOSTS]),
    local=st.sampled_from(ADDRESSES),
    remote=st.sampled_from(ADDRESSES),
    port=st.sampled_from([0, 80, 443, 8050]),
    transport=st.sampled_from(TRANSPORTS),
    direction=st.sampled_from([None, "out", "in"]),
    dscp=st.sampled_from([0, 46]),
    vlan=st.sampled_from([0, 7]),
    mac=st.sampled_from(["", *MACS]),
)
holdings = st.builds(
    Holding,
    over=st.frozensets(st.tuples(st.sampled_from(["month", "day"]), st.sampled_from(PREFIXES))),
    devices=st.frozensets(st.tuples(st.sampled_from(["ios", "tv"]), st.sampled_from(MACS))),
)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(max_flows=1024)


@given(st.lists(matches, max_size=6), facts, holdings)
@settings(max_examples=120)
def test_the_explanation_agrees_with_the_table(
    engine: Engine, conditions: list[Match], flow: Facts, holding: Holding
) -> None:
    rules = [PlannedRule(str(i), f"f:{i}", match, 2 + i, None, False) for i, match in enumerate(conditions)]
    plan = EnginePlan(tuple(rules), ("lan0",), MarkLayout(), 1024)
    words = of_signatures(engine.signatures)
    flow = Facts(**{**vars(flow), "categories": tuple(words.categories_of(flow.app or flow.protocol))})

    verdicts = explain(plan, flow, holding)
    found = next((i for i, verdict in enumerate(verdicts) if verdict.matched), None)

    assert found == ask(tables(plan, {}, engine.signatures, holding)[0], flow, engine.signatures)
    assert all(verdict.reason for verdict in verdicts if not verdict.matched)
