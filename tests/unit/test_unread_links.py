"""What a capture has that is not read is told by every command that reads captures, and the rest is read."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner
from policy_texts import LINK

from dpi.capture.link_types import link_type_name
from dpi.capture.pcapfile import Capture
from dpi.cli import dpi
from dpi.errors import CaptureError
from tests.captures import packet, pcap, visit
from tests.cores import CLIENT, RESOLVER, UDP

ARP = bytes(12) + b"\x08\x06\0\1\x08\0\6\4\0\1" + bytes(20)


def block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def pcapng(links: list[int], packets: list[tuple[int, bytes]]) -> bytes:
    """Of interfaces with these link types; packets by the interface's number."""
    out = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    out += b"".join(block(1, struct.pack("<HHI", link, 0, 0)) for link in links)
    for on, data in packets:
        out += block(6, struct.pack("<IIIII", on, 0, 1000, len(data), len(data)) + data)
    return out


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Of two interfaces, one whose link type is not read; its packets come between the other's."""
    path = tmp_path / "mixed.pcapng"
    packets = [(0, each) for each in visit("www.netflix.com")]
    path.write_bytes(pcapng([101, 227], [packets[0], (1, b"can"), *packets[1:], (1, b"can")]))
    return path


@pytest.fixture
def unread(tmp_path: Path) -> Path:
    path = tmp_path / "radio.pcap"
    path.write_bytes(pcap(visit("www.netflix.com"), link_type=230))
    return path


def run(*words: str | Path) -> tuple[int, str, str]:
    """The exit code, standard output and standard error, as main() has them."""
    result = CliRunner().invoke(dpi, [str(each) for each in words])
    if isinstance(result.exception, CaptureError):
        return result.exception.exit_code, result.stdout, f"{result.stderr}{result.exception}\n"
    return result.exit_code, result.stdout, result.stderr


def test_classify_tells_it_and_ends_with_2(unread: Path) -> None:
    code, out, said = run("classify", "--json", unread)
    assert (code, out) == (2, "")
    assert said == f"{unread}: 5 of 5 packets have link type 230 (IEEE802_15_4_NOFCS), which is not read\n"


def test_where_some_interfaces_are_so_the_others_flows_come_out(mixed: Path) -> None:
    code, out, said = run("classify", "--json", mixed)
    assert code == 2 and [json.loads(line)["app"] for line in out.splitlines()] == ["netflix", "netflix"]
    assert said == f"{mixed}: 2 of 7 packets have link type 227 (CAN_SOCKETCAN), which is not read\n"


def test_several_that_are_not_read_are_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "c.pcapng"
    path.write_bytes(pcapng([9999, 148, 101], [(0, b""), (1, b"x"), (2, visit("a.example")[0]), (1, b"")]))
    with Capture(path) as capture:
        assert len(list(capture)) == 4
        assert capture.warning == f"{path}: 3 of 4 packets have link types that are not read, 9999 the first"


def test_an_interface_without_packets_is_nothing_to_tell(tmp_path: Path) -> None:
    path = tmp_path / "c.pcapng"
    path.write_bytes(pcapng([227, 101], [(1, each) for each in visit("www.netflix.com")]))
    assert run("classify", path)[::2] == (0, "")


def test_damage_is_told_beside_it(unread: Path) -> None:
    unread.write_bytes(unread.read_bytes()[:-3])
    code, _, said = run("classify", unread)
    damage, links = said.splitlines()
    assert code == 2 and damage.endswith("the capture ends in the middle of a record")
    assert links == f"{unread}: 4 of 4 packets have link type 230 (IEEE802_15_4_NOFCS), which is not read"


def test_each_piece_of_a_capture_is_told_by_itself(mixed: Path, tmp_path: Path) -> None:
    rest = tmp_path / "rest.pcap"
    rest.write_bytes(pcap(visit("www.youtube.com"), first=1_900_000_000))
    code, _, said = run("classify", "--joined", "--json", rest, mixed)
    assert code == 2 and said == f"{mixed}: 2 of 7 packets have link type 227 (CAN_SOCKETCAN), which is not read\n"


def test_simulate_tells_it(mixed: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(LINK + "classes: {rest: {rate: 50%, default: true}}\n")
    code, out, said = run("policy", "simulate", "--against", policy, "--capture", mixed, "--json", policy)
    told = json.loads(out)
    assert code == 2 and told["seen"]["flows"] == 2
    assert told["faults"] == [said.rstrip()] and "227 (CAN_SOCKETCAN)" in said


def test_the_benchmark_measures_the_others_and_tells_it(mixed: Path) -> None:
    code, out, said = run("bench", "engine", "--rounds", "1", "--json", mixed)
    assert code == 2 and json.loads(out)["packets"] == 5
    assert "2 of 7 packets have link type 227" in said


def test_a_test_of_signatures_is_not_passed_by_a_capture_that_is_not_read(unread: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"apps: {{}}\ntests:\n  - {{capture: {unread.name}, flows: [{{app: netflix, count: 0}}]}}\n")
    code, out, _ = run("apps", "test", file)
    assert code == 2 and "5 of 5 packets have link type 230" in out


def test_a_link_type_without_a_name_is_its_number() -> None:
    assert link_type_name(9999) == "9999"
    assert [link_type_name(number) for number in (147, 162, 227)] == [
        "147 (USER0)",
        "162 (USER15)",
        "227 (CAN_SOCKETCAN)",
    ]


def test_a_summary_accounts_for_every_packet(tmp_path: Path) -> None:
    path = tmp_path / "c.pcap"
    known = [bytes(12) + b"\x08\0" + each for each in visit("www.netflix.com")]
    large = packet(CLIENT, 4444, RESOLVER, 4445, UDP, b"x" * 400)
    fragment = large[:6] + b"\0\x0a" + large[8:]  # not the first
    cut = packet(CLIENT, 4444, RESOLVER, 4445, UDP)[:12]
    path.write_bytes(pcap([*known, ARP, bytes(12) + b"\x08\0" + fragment, bytes(12) + b"\x08\0" + cut], link_type=1))
    told = json.loads(run("classify", "--summary", "--json", path)[1])
    assert [told[each] for each in ("captured", "packets", "not_ip", "fragments", "unread")] == [8, 5, 1, 1, 1]
    lines = run("classify", "--summary", path)[1].splitlines()
    assert lines[2] == "8 packets were captured; in no flow are: not IP 1, fragments but the first 1, unreadable 1"


def test_a_summary_of_several_captures_accounts_for_all_of_them(mixed: Path, unread: Path) -> None:
    for how in ([], ["--joined"]):
        code, out, _ = run("classify", "--summary", "--json", *how, mixed, unread)
        told = json.loads(out)
        assert (code, told["captured"], told["packets"], told["unread"]) == (2, 12, 5, 7)
