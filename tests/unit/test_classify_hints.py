"""`dpi classify` says how captures were taken where that hides what flows are, and nothing of ordinary ones."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from click.testing import CliRunner

from dpi.cli.classify import command
from dpi.cli.classify_hints import _cut
from tests.captures import packet, pcap
from tests.cores import ACK, CLIENT, SERVER, SYN, TCP


def connection(sport: int, packets: int) -> list[bytes]:
    """Both sides send what they have in turn."""
    up = [packet(CLIENT, sport, SERVER, 9999, TCP, b"\0" * (20 + 7 * n), seq=100 + 200 * n) for n in range(packets)]
    down = [packet(SERVER, 9999, CLIENT, sport, TCP, b"\1" * (33 + 3 * n), seq=500 + 200 * n) for n in range(packets)]
    opened = [
        packet(CLIENT, sport, SERVER, 9999, TCP, seq=99, flags=SYN),
        packet(SERVER, 9999, CLIENT, sport, TCP, seq=499, flags=SYN | ACK),
    ]
    return opened + [each for pair in zip(up, down, strict=True) for each in pair]


WHOLE = [each for n in range(20) for each in connection(40000 + n, 2 + n % 7)]


def hints(path: Path, data: bytes) -> list[str]:
    path.write_bytes(data)
    result = CliRunner().invoke(command, ["--summary", "--json", str(path)])
    assert result.exit_code == 0, result.output
    found: list[str] = json.loads(result.stdout)["hints"]
    notes = [
        line for line in CliRunner().invoke(command, ["--summary", str(path)]).stdout.splitlines() if "note: " in line
    ]
    assert notes == [f"note: {each}" for each in found]
    return found


def cut(packets: list[bytes], length: int) -> bytes:
    """With a snap length."""
    out = pcap([])
    for n, each in enumerate(packets):
        out += struct.pack("<IIII", 1_700_000_000 + n, 0, min(length, len(each)), len(each)) + each[:length]
    return out


def test_of_an_ordinary_capture_nothing_is_said(tmp_path: Path) -> None:
    assert hints(tmp_path / "a.pcap", pcap(WHOLE)) == []


def test_cut_packets(tmp_path: Path) -> None:
    (said,) = hints(tmp_path / "a.pcap", cut(WHOLE, 50))
    assert said.startswith("a.pcap: ") and "packets are cut short: names may be missing" in said


def test_one_direction(tmp_path: Path) -> None:
    upwards = [each for each in WHOLE if each[12:16] == bytes(map(int, CLIENT.split(".")))]
    (said,) = hints(tmp_path / "a.pcap", pcap(upwards, apart=1_000_000))
    assert "TCP connections one direction alone is seen" in said


def test_a_scan_is_no_capture_of_one_direction(tmp_path: Path) -> None:
    probes = [packet(CLIENT, 40000 + n, SERVER, n + 1, TCP, flags=SYN) for n in range(100)] * 5
    assert hints(tmp_path / "a.pcap", pcap(probes, apart=100_000)) == []


def test_every_packet_twice(tmp_path: Path) -> None:
    (said,) = hints(tmp_path / "a.pcap", pcap([each for each in WHOLE for _ in range(2)]))
    assert "as if each packet had been captured twice" in said


def test_flows_that_are_all_alike_are_not_taken_for_packets_seen_twice(tmp_path: Path) -> None:
    alike = [each for n in range(20) for each in connection(40000 + n, 3) * 2]
    assert hints(tmp_path / "a.pcap", pcap(alike)) == []


def test_the_file_may_be_a_pipe_or_gone(tmp_path: Path) -> None:
    assert _cut([Path("-"), tmp_path / "none.pcap", tmp_path]) == ""
