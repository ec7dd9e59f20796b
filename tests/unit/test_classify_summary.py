"""`dpi classify --summary`: what flows come to is what their records add up to, in bounded memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dpi.analyse.summary import KINDS, Outside, Summary
from dpi.captures import Captures
from dpi.cli.classify import command
from dpi.errors import UsageError
from dpi.record.counts import Counts
from dpi.record.timeline import Timeline
from tests.captures import packet, pcap, visit, write
from tests.cores import CLIENT, SERVER, SYN, TCP, UDP


@pytest.fixture
def captures(tmp_path: Path) -> list[Path]:
    unknown = [packet(CLIENT, 4444, "203.0.113.9", 5555, UDP, b"\0\1\2\3" * 90)]
    return [
        write(tmp_path / "one.pcap", visit("www.netflix.com") + unknown),
        write(tmp_path / "two.pcap", visit("www.youtube.com", 41000) + visit("www.youtube.com", 42000)),
    ]


FIELDS = {
    "app": "apps",
    "protocol": "protocols",
    "category": "categories",
    "method": "methods",
    "src": "clients",
    "hostname": "servers",
    "vlan": "vlans",
}


def named(flow: dict[str, Any], field: str) -> str:
    """What a flow without a value is counted as."""
    other = {"app": flow["protocol"], "hostname": flow["dst"]}
    return str(flow[field] if flow[field] is not None else other.get(field, "unknown"))


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
    for field, kind in FIELDS.items():
        assert {row["name"] for row in told[kind]} == {named(flow, field) for flow in flows}
        for row in told[kind]:
            of = [flow for flow in flows if named(flow, field) == row["name"]]
            assert (row["flows"], row["bytes_up"]) == (len(of), sum(flow["bytes_up"] for flow in of))
    assert sum(row["flows"] for row in told["times"]) == len(flows) and told["devices"] == []
    assert [row["name"] for row in told["apps"]] == ["youtube", "netflix", "unknown"]
    assert "203.0.113.9" in [row["name"] for row in told["servers"]]


def test_people_get_tables(captures: list[Path]) -> None:
    lines = classify("--summary", "--top", "1", *captures).stdout.splitlines()
    assert lines[0].startswith("6 flows, 16 packets, ") and lines[1].startswith(
        "83.3 % of the flows have a name that was"
    )
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


def test_a_guess_by_port_is_told_apart(tmp_path: Path) -> None:
    scan = [packet(CLIENT, 40000 + n, f"203.0.113.{n}", 443, TCP, flags=SYN) for n in range(9)]
    capture = write(tmp_path / "scan.pcap", scan + visit("www.netflix.com", 50000)[2:])
    told = json.loads(classify("--summary", "--json", capture).stdout)
    assert (told["flows"], told["named"], told["guessed"], told["hints"]) == (10, 10, 9, [])
    second = classify("--summary", capture).stdout.splitlines()[1]
    assert (
        second
        == "10.0 % of the flows have a name that was seen, 90.0 % one guessed by the port alone; 10.0 % have an app"
    )


def counted(path: Path, counts: Counts) -> Summary:
    captures = Captures(max_flows=1000)
    lines = captures.lines("jsonl", (), None)
    lines.counts = counts
    core = captures.classifier()
    captures.write(core, path, lines)
    captures.end(core, path, lines)
    return Summary(counts, Outside())


def test_so_many_names_are_kept_and_the_largest_stay(tmp_path: Path) -> None:
    packets = []
    for n in range(100):
        packets.append(packet(f"10.0.0.{n}", 4000, SERVER, 5555, UDP, bytes(20)))
        packets.append(packet("10.9.9.9", 4000 + n, SERVER, 5555, UDP, bytes(1000)))
    sums = counted(write(tmp_path / "many.pcap", packets), Counts(8))
    assert len(sums.kinds["clients"]) <= 8 and sums.total.flows == 200
    assert [(name, each.bytes) for name, each in sums.largest("clients", 1)] == [("10.9.9.9", 102_800)]


@pytest.mark.parametrize(
    ("seconds", "width"), [(1, 1), (20, 1), (100, 5), (3600, 300), (86_000, 3600), (10**7, 691_200)]
)
def test_rows_of_time_become_wider_and_hold_all(tmp_path: Path, seconds: int, width: int) -> None:
    long = [packet(CLIENT, 4000, SERVER, 5555, UDP, b"x"), *[packet(CLIENT, 4000, SERVER, 5555, UDP, b"x")] * 9]
    short = [packet(CLIENT, 5000 + n, SERVER, 5555, UDP, b"y" * n) for n in range(10)]
    packets = [each for pair in zip(long, short, strict=True) for each in pair]
    path = tmp_path / "long.pcap"
    path.write_bytes(pcap(packets, apart=seconds * 1_000_000 // len(packets)))
    sums = counted(path, Counts())
    assert sums.interval == width and len(sums.times) <= 25
    for each in ("flows", "packets", "bytes_up", "bytes_down"):
        assert sum(getattr(row, each) for _, row in sums.times) == getattr(sums.total, each)
    begins = [start for start, _ in sums.times]
    assert begins == list(range(begins[0], begins[0] + width * len(begins), width))


def test_no_flow_no_time() -> None:
    assert Timeline().rows_told() == [] and Counts().start is None


def test_names_cannot_move_the_terminals_cursor(tmp_path: Path) -> None:
    asks = b"GET / HTTP/1.1\r\nHost: a\x1b[2J.example\r\nUser-Agent: x\r\n\r\n"
    capture = write(tmp_path / "odd.pcap", [packet(CLIENT, 4444, SERVER, 80, TCP, asks)])
    assert "\x1b" not in classify("--summary", capture).stdout
