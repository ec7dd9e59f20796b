"""What `dpi why` says of flows that no name of their own names, with the signatures that are built in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dpi.daemon.why import _of_name
from dpi.engine import Engine
from dpi.match.programs import entry_of
from dpi.match.signatures import load
from dpi.record.fields import METHODS, FlowRecord
from dpi.why.evidence import MEANS, evidence
from tests.cores import SYN, Connection, datagram
from tests.handshakes import openssl_hello

PEER = "203.0.113.7"


@pytest.fixture
def engine() -> Engine:
    return Engine(max_flows=64)


def told(engine: Engine, flow: FlowRecord) -> list[str]:
    return list(evidence(flow, engine.signatures))


def asked(engine: Engine, payload: bytes, sport: int, dport: int, dst: str = PEER) -> FlowRecord:
    """A flow that has sent this, and then so many packets that nothing more is looked for."""
    connection = Connection(engine.cores[0], sport=sport, dport=dport, dst=dst).shake()
    connection.segment(0, 0, payload)
    for _ in range(64):
        connection.segment(1, 0)
    return next(flow for flow in engine.flows() if flow.sport == sport)


def test_the_entry_of_the_program_is_told(engine: Engine) -> None:
    flow = asked(engine, b"GET / HTTP/1.1\r\nHost: cdn.invalid\r\nUser-Agent: Instagram 7.1 Android\r\n\r\n", 40000, 80)
    assert (flow.app, flow.method) == ("instagram", "program")
    lines = told(engine, flow)
    assert "name cdn.invalid, which names no app" in lines
    assert any(
        "its program is `a=instagram`, which names instagram" in line and "programs.yaml:" in line for line in lines
    )


def test_and_that_a_neighbour_was_the_reason(engine: Engine) -> None:
    asked(engine, b"GET / HTTP/1.0\r\nUser-Agent: Instagram 7.1 Android\r\n\r\n", 40000, 80)
    flow = asked(engine, openssl_hello(None), 40001, 443)
    assert (flow.app, flow.method) == ("instagram", "neighbour")
    assert MEANS["neighbour"] == "this client found it, and no other app, at this address or beside it"


def test_every_method_has_a_meaning() -> None:
    assert {"", *MEANS} == {*METHODS}


def test_of_what_nothing_but_a_number_names_the_line_is_told(engine: Engine) -> None:
    connection = Connection(engine.cores[0], dport=22, dst="198.38.97.1").shake()
    datagram(engine.cores[0], b"\0\1\2\3" * 9, 40001, 11211, dst=PEER)
    for _ in range(64):
        connection.segment(1, 0)
        datagram(engine.cores[0], b"\0\1\2\3" * 9, 40001, 11211, dst=PEER)
    by = {flow.method: told(engine, flow) for flow in engine.flows()}
    assert any("198.38.97.1 is in `198.38.96.0/19` of netflix (" in line for line in by["prefix"])
    assert any("port `udp/11211` is registered for memcached (" in line for line in by["port"])


def test_that_a_name_may_be_a_cover_is_told_and_no_more(engine: Engine) -> None:
    flow = replace(asked(engine, openssl_hello("www.netflix.com"), 40000, 443), ech=True)
    (line,) = (line for line in told(engine, flow) if "ECH" in line)
    assert line.endswith("browsers send also where they hide nothing: the name may be a cover")
    assert told(engine, replace(flow, method="dns"))[-1].endswith("the name is DNS'")


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("Instagram 7.1.1 Android (19/4.4.2)", "a=instagram"),
        ("com.google.android.youtube Cronet/63", "a=com.google.android.youtube"),
        ("Battle.net/1.3", "a=battle.net"),
        ("", ""),
        ("(x) Instagram", ""),
        ("x" * 64, "a=" + "x" * 64),
        ("x" * 65, ""),
    ],
)
def test_a_program_is_known_by_its_first_word(text: str, entry: str) -> None:
    assert entry_of(text) == entry


def test_what_shows_no_name_to_a_public_resolver_asks_it_over_tls(engine: Engine) -> None:
    flow = asked(engine, openssl_hello(None), 40000, 443, dst="1.1.1.1")
    assert (flow.app, flow.method) == ("dohdot", "prefix")
    datagram(engine.cores[0], bytes(range(1, 60)), 40001, 4444, dst="1.1.1.1")
    connection = Connection(engine.cores[0], sport=40002, dport=22, dst="1.1.1.1")
    connection.segment(0, 0, flags=SYN)
    assert {flow.app for flow in engine.flows() if flow.sport != 40000} == {None}


def test_a_name_that_a_rule_asks_for_is_told_with_its_rule(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "apps:\n  strict: {category: web, rules: [{hosts: films.example, ports: tcp/8443}]}\n"
        "  ours: {category: video, rules: [{hosts: films.example}]}\n"
    )
    state = cast(Any, SimpleNamespace(engine=Engine(load([tmp_path]), max_flows=64)))
    says: list[dict[str, str]] = []
    facts = _of_name(state, "films.example", says)
    assert (facts.app, facts.categories) == ("ours", ("video",))
    where = f"{tmp_path}/mine.yaml"
    assert [each["says"] for each in says] == [
        f"strict, by a rule, where all of it holds: hosts films.example; ports tcp/8443 ({where}:2)",
        f"ours, by a rule, where all of it holds: hosts films.example ({where}:3)",
    ]
    flow = asked(state.engine, openssl_hello("films.example"), 40000, 443)
    assert (flow.app, flow.method) == ("ours", "rule")
    assert told(state.engine, flow)[:2] == ["name films.example", f"a rule names ours ({where}:3)"]
