"""The benchmarks run as commands, at sizes at which they tell nothing but that they work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dpi.cli import dpi
from dpi.errors import CaptureError
from tests.captures import packet, pcap, visit, write
from tests.cores import CLIENT, SERVER, UDP

ETHERNET = bytes(12) + b"\x08\x00"


def run(*arguments: str | Path) -> dict[str, object]:
    done = CliRunner().invoke(dpi, ["bench", *map(str, arguments), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_the_engine_beside_a_bare_loop_that_sees_the_same_packets_and_flows(tmp_path: Path) -> None:
    capture = tmp_path / "c.pcap"
    known = visit("www.example.org", 40001) + visit("www.netflix.com", 40002)
    packets = [*known, packet(CLIENT, 5000, SERVER, 5001, UDP, b"x" * 40)]
    capture.write_bytes(pcap([ETHERNET + each for each in packets], link_type=1))
    found = run("engine", capture, "--rounds", "1")
    assert {"cpu_s", "parse_cpu_s", "bare_cpu_s", "bare_ahead_cpu_s", "cost_over_bare", "packets_per_decision",
            "bytes_per_flow", "rss_mb", "start_s"} <= found.keys()  # fmt: skip
    assert (found["packets"], found["flows"]) == (found["bare_packets"], found["bare_flows"]) == (11, 4)


def test_a_capture_without_a_packet_that_the_bare_loop_counts(tmp_path: Path) -> None:
    capture = tmp_path / "c.pcap"
    capture.write_bytes(pcap([packet("10.0.0.1", 0, "10.0.0.2", 0, 47, b"x" * 40)], link_type=101))
    done = CliRunner().invoke(dpi, ["bench", "engine", str(capture), "--rounds", "1"], catch_exceptions=False)
    assert done.exit_code == 0 and "cost_over_bare" in done.stdout


def test_a_capture_that_is_none_is_an_error(tmp_path: Path) -> None:
    capture = tmp_path / "c.pcap"
    capture.write_bytes(b"not a capture at all, but long enough for a header")
    done = CliRunner().invoke(dpi, ["bench", "engine", str(capture)])
    assert isinstance(done.exception, CaptureError)
    assert str(capture) in str(done.exception)


def test_the_engine_with_more_apps_and_more_flows() -> None:
    found = run("scale", "--base", "2", "--rounds", "1", "--most-flows", "10000")
    apps, flows = found["signatures"], found["flows"]
    assert isinstance(apps, list)
    assert isinstance(flows, list)
    assert [row["apps"] for row in apps] == [0, 2, 20]
    assert [row["flows"] for row in flows] == [1000, 10_000]
    assert all(row["ns_per_flow"] > 0 and row["ns_per_packet"] > 0 for row in [*apps, *flows])


def test_a_large_policy_is_compiled_and_its_rules_asked(tmp_path: Path) -> None:
    from dpi.bench.policy import Bench

    bench = Bench(tmp_path, lambda _: None)
    assert bench.compile(20, 30, 1).keys() == {"compile_s", "compile_cpu_s"}
    assert 0 < bench.lookup(20, 1) < 1000
    before, after = bench.plan(5, 300), bench.plan(5, 300, changed=0.01)
    assert before.kernel.subscribers and after.kernel.subscribers
    pairs = zip(before.kernel.subscribers.branches, after.kernel.subscribers.branches, strict=True)
    assert sum(a.tariff != b.tariff for a, b in pairs) == 3


@pytest.mark.parametrize(
    ("script", "key"), [("match", "prefix_match_ipv4_ns"), ("capture", "read_ns"), ("quic", "dpi")]
)
def test_the_scripts_that_are_run_by_hand_still_run(tmp_path: Path, script: str, key: str) -> None:
    capture = write(tmp_path / "c.pcap", visit("www.example.org"))
    arguments = {"capture": [str(capture)], "quic": ["--json"]}.get(script, [])
    path = Path(__file__).parents[1] / "bench" / f"{script}.py"
    done = subprocess.run([sys.executable, str(path), *arguments], capture_output=True, text=True, check=True)
    assert key in done.stdout and isinstance(json.loads(done.stdout), dict)
