"""Risks of the flows of a running daemon: what `dpi flows --risky` and `dpi why` print of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dpi.cli import flows as flows_command
from dpi.cli import why as why_command
from dpi.daemon.answers import Answers
from dpi.daemon.why import Counted, why
from dpi.engine import Engine
from tests.cores import Connection
from tests.workers import answers_of

GET = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"


@pytest.fixture
def answers(tmp_path: Path) -> Answers:
    return answers_of(tmp_path, "flows: {risks: true}\n")


def test_risky_flows_are_listed_with_the_worst_first_and_explained(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = answers._state
    (core,) = state.engine.cores
    for sport, request, answer in (
        (40000, GET, b"HTTP/1.1 200 OK\r\n\r\nplain text, and nothing else"),
        (40001, GET, b"HTTP/1.1 200 OK\r\n\r\n" + b"#!/bin/sh\necho"),
        (40002, GET.replace(b"Host", b"Authorization: Basic YTpi\r\nHost"), b"HTTP/1.1 401 No\r\n\r\nno, and no again"),
    ):
        connection = Connection(core, sport=sport, dport=80).shake()
        final = state.plan.engine.marks.final
        assert not (connection.segment(0, 0, request) or 0) & final
        assert (connection.segment(1, 0, answer) or 0) & final

    def call(do: str, **request: Any) -> Any:
        if do == "flows":
            return answers._flows(request)
        return why(state, request["what"], answers.describe, Counted([], [], {}, []), request["limit"])

    monkeypatch.setattr(flows_command, "call", call)
    monkeypatch.setattr(why_command, "call", call)
    assert len(CliRunner().invoke(flows_command.command, []).stdout.splitlines()) == 4
    _, *rows = CliRunner().invoke(flows_command.command, ["--risky"]).stdout.splitlines()
    assert [row.split()[-1] for row in rows] == ["clear-text-credentials", "program-over-http"]
    said = CliRunner().invoke(why_command.command, ["10.0.0.1:40002"], catch_exceptions=False).stdout
    assert "risk        clear-text-credentials (50): a login that anyone on the way can read" in said
    assert "risk score  50 of 100" in said
    assert "signature names it" not in said and said.count("  rule  ") == 1  # an end of a flow is no host name
    for what in ("10.0.0.1:40009", "tcp:10.0.0.1:40000-192.0.2.9:1", "[2001:db8::1]:443"):
        said_of = CliRunner().invoke(why_command.command, [what]).stdout
        assert said_of == f"{what}: no flow that is known now has it; records have those that ended\n"
    assert "risk" not in CliRunner().invoke(why_command.command, ["10.0.0.1:40000"]).stdout


def test_without_the_policys_word_a_decided_flow_is_the_kernels_at_once(answers: Answers) -> None:
    state = answers._state
    state.engine = Engine(state.signatures.used, max_flows=1024, offload=True)
    state.engine.load_rules(state.plan.engine, state.plan.kernel.targets)
    connection = Connection(state.engine.cores[0], dport=80).shake()
    assert (connection.segment(0, 0, GET) or 0) & state.plan.engine.marks.final
