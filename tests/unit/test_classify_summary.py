"""`dpi classify --summary`: what flows come to is what their records add up to, in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dpi.analyse import summary
from dpi.analyse.summary import KINDS, Summary
from dpi.cli.classify import command
from dpi.errors import UsageError
from tests.captures import packet, visit, write
from tests.cores import CLIENT, UDP


@pytest.fixture
def captures(tmp_path: Path) -> list[Path]:
    unknown = [packet(CLIENT, 4444, "203.0.113.9", 5555, UDP, b"\0\1\2\3" * 90)]
    return [
        write(tmp_path / "one.pcap", visit("www.netflix.com") + unknown),
        write(tmp_path / "two.pcap", visit("www.youtube.com", 41000) + visit("www.youtube.com", 42000)),
    ]


def classify(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(command, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result


def test_it_is_what_the_records_add_up_to(captures: list[Path]) -> None:
    flows = [json.loads(line) for line in classify("--json", *captures).stdout.splitlines()]
    told = json.loads(classify("--summary", "--json", *captures).stdout)
    assert told["flows"] == len(flows) and told["named"] == told["with_app"] == len(flows) - 1
    assert told["packets"] == sum(flow["packets_up"] + flow["packets_down"] for flow in flows)
    assert (told["start"], told["end"]) == (min(f["start"] for f in flows), max(f["end"] for f in flows))
    for field, kind in (("app", "apps"), ("protocol", "protocols"), ("src", "clients")):
        for row in told[kind]:
            of = [flow for flow in flows if (flow[field] or flow["protocol"]) == row["name"]]
            assert (row["flows"], row["bytes_up"]) == (len(of), sum(flow["bytes_up"] for flow in of))
    assert [row["name"] for row in told["apps"]] == ["youtube", "netflix", "unknown"]
    assert "203.0.113.9" in [row["name"] for row in told["servers"]]


def test_people_get_tables(captures: list[Path]) -> None:
    lines = classify("--summary", "--top", "1", *captures).stdout.splitlines()
    assert lines[0].startswith("6 flows, 16 packets, ") and lines[1].startswith("83.3 % of the flows have a name")
    assert lines[3].split() == ["app", "flows", "packets", "up", "down", "of", "bytes"]
    assert lines[4].split()[:2] == ["youtube", "3"] and lines[5] == ""


def test_only_risky_flows_and_no_flows_at_all(captures: list[Path]) -> None:
    told = json.loads(classify("--summary", "--json", "--risky", *captures).stdout)
    assert told["flows"] == 0 and told["start"] is None and not any(told[kind] for kind in KINDS)
    assert classify("--summary", "--risky", *captures).stdout.startswith("0 flows, 0 packets, 0 B\n")


def test_a_damaged_capture_gives_what_there_was(captures: list[Path]) -> None:
    captures[0].write_bytes(captures[0].read_bytes()[:-10])
    result = classify("--summary", *captures, code=2)
    assert "youtube" in result.stdout and "one.pcap:" in result.stderr


def test_csv_has_no_summary(captures: list[Path]) -> None:
    result = CliRunner().invoke(command, ["--summary", "--format", "csv", str(captures[0])])
    assert isinstance(result.exception, UsageError)


def test_so_many_names_are_kept_and_the_largest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "NAMES_MAX", 8)
    sums = Summary()
    for n in range(100):
        sums.write(memoryview(line(f"10.0.0.{n}", 10) + line("10.9.9.9", 1000)))
    assert len(sums.kinds["clients"]) <= 8 and sums.total.flows == 200
    assert [(name, each.bytes) for name, each in sums.largest("clients", 1)] == [("10.9.9.9", 100_000)]


def line(src: str, size: int) -> bytes:
    flow: dict[str, Any] = {"protocol": "tls", "app": None, "category": None, "src": src, "dst": "192.0.2.1"}
    flow |= {"hostname": None, "risks": [], "packets_up": 1, "packets_down": 0, "bytes_up": size, "bytes_down": 0}
    return json.dumps(flow | {"start": 1.0, "end": 2.0}).encode() + b"\n"


def test_names_cannot_move_the_terminals_cursor(captures: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    add = Summary._add
    monkeypatch.setattr(Summary, "_add", lambda self, flow: add(self, flow | {"hostname": "a\x1b[2J"}))
    assert "\x1b" not in classify("--summary", captures[0]).stdout
