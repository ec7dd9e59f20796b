"""`dpi why --capture`: flows of captures explained as the daemon explains its own, with what was known at that time."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from dpi.cli.why import command
from dpi.daemon.why import Counted, why
from dpi.errors import CaptureError, DpiError, UsageError
from tests.captures import FIRST, packet, pcap, visit, write
from tests.cores import ACK, CLIENT, RESOLVER, SERVER, SYN, TCP, UDP, Connection, answer, question
from tests.handshakes import openssl_hello
from tests.workers import answers_of

POLICY = """
version: 1
interfaces: {lan: lan0, wan: wan0}
link: {down: 100mbit, up: 20mbit}
classes:
  films: {rate: 8mbit}
  rest: {rate: 10mbit, default: true}
schedules: {evening: {zone: UTC, weekly: "tue 20:00-23:00"}}
rules:
  updates: {match: {category: softwareupdate}, shape: rest}
  films: {match: {app: netflix, during: evening}, shape: films}
"""


def lookup(host: str, client: str = CLIENT) -> list[bytes]:
    asks = packet(client, 50000, RESOLVER, 53, UDP, question(host))
    return [asks, packet(RESOLVER, 53, client, 50000, UDP, answer(host, SERVER))]


def connection(sport: int, payload: bytes = b"", dport: int = 443, dst: str = SERVER) -> list[bytes]:
    """A connection that shows no name unless its payload does, and carries as much."""
    return [
        packet(CLIENT, sport, dst, dport, TCP, seq=99, flags=SYN),
        packet(dst, dport, CLIENT, sport, TCP, seq=499, flags=SYN | ACK),
        packet(CLIENT, sport, dst, dport, TCP, payload, seq=100),
    ]


def ask(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def flows(*words: str | Path) -> list[dict[str, Any]]:
    result = ask("--json", *words)
    assert result.exit_code == 0, result.exception
    found: list[dict[str, Any]] = json.loads(result.stdout)["flows"]
    return found


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return write(tmp_path / "lan0.pcap", visit("www.netflix.com") + visit("www.youtube.com", 41000))


def test_a_flow_is_explained_with_the_lines_that_name_it(capture: Path) -> None:
    said = ask("--capture", capture, f"{CLIENT}:40000").stdout.splitlines()
    assert said[:3] == [
        f"flow tcp:{CLIENT}:40000-{SERVER}:443  (established)",
        "  label       netflix, by sni, confidence 0.99",
        "  method      sni: the server name in the client's hello of TLS or DTLS",
    ]
    assert "  evidence    name www.netflix.com, by sni" in said
    assert any(
        line.startswith("  evidence    `netflix.com` names netflix (") and "video.yaml:" in line for line in said
    )
    assert f"DNS told the client that www.netflix.com is at {SERVER}, 0.001 s before it began, 20" in "".join(said)
    assert said[-1].startswith("  capture     lan0.pcap: 20") and said[-1].endswith(
        ", for 0.002 s; settled after packet 3"
    )


@pytest.mark.parametrize(
    ("what", "ports"),
    [
        (CLIENT, {40000, 41000, 50000}),
        (SERVER, {40000, 41000}),
        (f"{SERVER}:443", {40000, 41000}),
        (f"tcp:{CLIENT}:41000-{SERVER}:443", {41000}),
        (f"TCP:{SERVER}:443-{CLIENT}:41000", {41000}),
        ("netflix.com", {40000, 50000}),
        ("www.YouTube.com", {41000}),
    ],
)
def test_flows_are_asked_for_as_the_daemons_are(capture: Path, what: str, ports: set[int]) -> None:
    assert {flow["sport"] for flow in flows("--capture", capture, what)} == ports


def test_what_dns_had_told_is_what_it_had_told_then(tmp_path: Path) -> None:
    """Not what it told of the same address later, but of what nothing named before: that is named when it ends."""
    packets = [
        *connection(39999),
        *lookup("www.netflix.com"),
        *connection(40000),
        *lookup("www.wikipedia.org"),
        *connection(40001),
        *lookup("www.wikipedia.org"),
    ]
    late, first, second = (
        next(line for line in flow["evidence"] if "DNS told" in line)
        for flow in sorted(flows("--capture", write(tmp_path / "x", packets), SERVER), key=lambda f: f["sport"])
    )
    assert late.startswith(f"DNS told the client that www.wikipedia.org is at {SERVER}, last 0.014 s after it began, ")
    assert first.startswith(f"DNS told the client that www.netflix.com is at {SERVER}, 0.001 s before it began, ")
    assert second.startswith(f"DNS told the client that www.wikipedia.org is at {SERVER}, 0.001 s before it began, ")
    assert "other apps' names" not in first and second.endswith("; other apps' names lead there as well")


def test_anothers_lookup_and_what_the_server_had_shown_are_told_as_such(tmp_path: Path) -> None:
    others = write(tmp_path / "others", lookup("www.netflix.com", "10.0.0.9") + connection(40000))
    (flow,) = flows("--capture", others, CLIENT)
    assert (flow["method"], flow["confidence"]) == ("dns", 0.7)
    assert any(line.startswith("DNS told another address that www.netflix.com is at") for line in flow["evidence"])
    shown = write(tmp_path / "shown", connection(40000, openssl_hello("www.netflix.com")) + connection(40001))
    (flow,) = flows("--capture", shown, f"{CLIENT}:40001")
    assert flow["method"] == "known-server"
    assert any(
        line.startswith("the server had shown the name www.netflix.com at this port") for line in flow["evidence"]
    )


def test_several_captures_are_pieces_of_one_in_the_order_of_their_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(pcap(connection(40000), first=FIRST + 9)))
    (tmp_path / "b").write_bytes(pcap(lookup("www.netflix.com")))
    (flow,) = flows("--capture", tmp_path / "a", "--capture", tmp_path / "b", SERVER)
    assert (flow["capture"], flow["app"], flow["method"]) == ("a", "netflix", "dns")
    assert flows("--capture", tmp_path, SERVER)[0]["app"] == "netflix"  # a folder


def test_those_that_carried_most_come_first_and_how_many_more_there_are_is_told(tmp_path: Path) -> None:
    packets = [each for n in range(9) for each in connection(40000 + n, b"x" * 100 * (n % 5 + n // 8))]
    said = ask("--capture", write(tmp_path / "x", packets), "--limit", "2", CLIENT).stdout
    assert [line.split(":")[2][:5] for line in said.splitlines() if line.startswith("flow")] == ["40004", "40008"]
    assert said.endswith("\n\nand 7 more flows (--limit)\n")


def test_ones_own_signatures_are_told_with_their_lines(tmp_path: Path, capture: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.yaml").write_text(
        "apps:\n  ours:\n    category: web\n    rules:\n      - {hosts: www.netflix.com, ports: tcp/443}\n"
    )
    (flow,) = flows("--capture", capture, "--signatures", tmp_path / "mine", f"{CLIENT}:40000")
    assert (flow["app"], flow["method"]) == ("ours", "rule")
    assert f"a rule names ours ({tmp_path}/mine/mine.yaml:5)" in flow["evidence"]


def test_risks_are_told_with_their_meaning(tmp_path: Path) -> None:
    login = b"GET / HTTP/1.1\r\nHost: example.org\r\nAuthorization: Basic YTpi\r\n\r\n"
    said = ask("--capture", write(tmp_path / "x", connection(40000, login, 80)), SERVER).stdout
    assert "  risk        clear-text-credentials (50): a login that anyone on the way can read\n" in said


def test_the_policys_rule_is_told_with_why_those_before_it_do_not_hold(tmp_path: Path, capture: Path) -> None:
    """By the schedules at the flow's time: the capture is of 22:13 UTC."""
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    said = ask("--capture", capture, "--policy", policy, "--all", "netflix.com").stdout
    assert f"  not         {policy}:10: updates: category is video, not softwareupdate" in said
    assert f"  rule        {policy}:11: films: class films\n              schedule evening in force" in said
    assert "  class       films (down): rate 8mbit" in said and "flows now" not in said
    later = tmp_path / "later"
    later.write_bytes(pcap(visit("www.netflix.com"), first=FIRST + 3600))
    said = ask("--capture", later, "--policy", policy, "--all", SERVER).stdout
    assert f"  not         {policy}:11: films: evening is not in force" in said
    assert "  rule        no rule matches: default: the default class" in said


def test_a_subscriber_of_the_policy_has_flows_and_classes_of_its_own(tmp_path: Path, capture: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "version: 1\n"
        "interfaces: {lan: lan0, wan: wan0}\n"
        "link: {down: 100mbit, up: 20mbit}\n"
        "classes: {rest: {rate: 10mbit, default: true}}\n"
        "tariffs:\n"
        "  home: {rate: {down: 50mbit, up: 10mbit}}\n"
        "subscribers:\n"
        f"  entries: {{s1: {{tariff: home, address: {CLIENT}}}, s2: {{tariff: home, address: 10.0.0.9}}}}\n"
    )
    said = ask("--capture", capture, "--policy", policy, "s1").stdout
    assert said.count("  subscriber  s1, by its address\n") == 3
    assert said.count("  subscriber  s1 (down): rate 50mbit, ceil 50mbit\n") == 3
    assert isinstance(ask("--capture", capture, "--policy", policy, "s2").exception, DpiError)


def test_the_answer_has_what_the_daemons_has(tmp_path: Path, capture: Path) -> None:
    answers = answers_of(tmp_path)
    (core,) = answers._state.engine.cores
    Connection(core, sport=40000, dport=443).shake().segment(0, 0, openssl_hello("www.netflix.com"))
    daemons = why(answers._state, SERVER, answers.describe, Counted([], [], {}, []), 20)
    result = json.loads(ask("--json", "--capture", capture, "--policy", tmp_path / "policy.yaml", "netflix.com").stdout)
    assert result.keys() == daemons.keys()
    assert result["flows"][0].keys() == daemons["flows"][0].keys()
    assert result["flows"][0]["rules"] == daemons["flows"][0]["rules"]


def test_where_nothing_is_meant_or_nothing_can_be_read_that_is_told(tmp_path: Path, capture: Path) -> None:
    missed: Any = ask("--capture", capture, "10.0.0.99").exception
    assert type(missed) is DpiError and str(missed) == f"{capture}: no flow has 10.0.0.99"
    data = capture.read_bytes()
    (tmp_path / "cut").write_bytes(data[:-1])
    cut = ask("--capture", tmp_path / "cut", "netflix.com")
    assert cut.exit_code == 2 and "by sni" in cut.output and "ends in the middle of a record" in cut.output
    assert isinstance(ask("--capture", tmp_path / "cut", "10.0.0.99").exception, CaptureError)
    assert isinstance(ask("--capture", tmp_path / "none", SERVER).exception, CaptureError)
    assert isinstance(ask("--capture", capture, " ").exception, UsageError)
    assert ask("--policy", capture, SERVER).exit_code == click.UsageError.exit_code == 2
