"""`dpi classify`: its three formats, its exit codes, and what it does with files that are not what they should be."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner, Result

from dpi.capture.pcapfile import Capture
from dpi.cli.classify import command, files
from dpi.core import Core
from dpi.errors import UsageError
from dpi.record.fields import FIELDS
from tests.captures import FIRST, packet, pcap, visit, write
from tests.cores import CLIENT, RST, SERVER, SYN, TCP, UDP

CONTRACT = [
    *("capture", "l4", "ip_version", "src", "sport", "dst", "dport", "vlan", "protocol", "app", "category"),
    *("hostname", "ja4", "method", "confidence", "decided_at", "packets_up", "bytes_up", "packets_down"),
    *("bytes_down", "start", "end", "risks"),
]


def classify(*arguments: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(command, [str(each) for each in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return write(tmp_path / "visit.pcap", visit("www.netflix.com"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More flows than a pipe holds lines of."""
    packets = [p for n in range(3000) for p in visit("www.netflix.com", 20000 + n)[2:3]]
    return write(tmp_path_factory.mktemp("many") / "many.pcap", packets)


def test_jsonl_has_a_flow_a_line_with_the_fields_of_the_contract(capture: Path) -> None:
    dns, tls = map(json.loads, classify(capture, "--format", "jsonl").stdout.splitlines())
    assert list(tls)[: len(CONTRACT)] == CONTRACT
    assert (tls["capture"], tls["src"], tls["dport"]) == ("visit.pcap", "10.0.0.1", 443)
    assert (tls["protocol"], tls["app"], tls["hostname"]) == ("tls", "netflix", "www.netflix.com")
    assert (tls["method"], tls["confidence"], tls["decided_at"]) == ("sni", 0.99, 3)
    assert (tls["packets_up"], tls["packets_down"], tls["start"]) == (2, 1, 1_700_000_000.002)
    assert (dns["protocol"], dns["app"], dns["method"]) == ("dns", "netflix", "dns-query")


def test_csv_has_a_header_and_the_same_flows(capture: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(classify(capture, "--format", "csv").stdout)))
    assert list(rows[0]) == list(FIELDS)
    assert [row["app"] for row in rows] == ["netflix", "netflix"]


def test_a_table_in_a_pipe_is_separated_by_tabs(capture: Path) -> None:
    head, *rows = classify(capture).stdout.splitlines()
    assert head.split("\t")[:3] == ["capture", "l4", "src"]
    assert [row.split("\t")[7] for row in rows] == ["netflix", "netflix"]


def test_every_file_starts_with_nothing_known(tmp_path: Path) -> None:
    """The second capture has only the SYN: what the first has learnt of its address does not name it."""
    packets = visit("www.netflix.com")
    first, second = write(tmp_path / "1.pcap", packets), write(tmp_path / "2.pcap", packets[2:3])
    flows = [json.loads(line) for line in classify(first, second, "--json").stdout.splitlines()]
    assert [(flow["capture"], flow["app"]) for flow in flows] == [
        ("1.pcap", "netflix"),
        ("1.pcap", "netflix"),
        ("2.pcap", None),
    ]


def test_pieces_of_a_capture_go_on_where_the_one_before_ended(tmp_path: Path) -> None:
    """A name that the first has learnt, and a flow that is cut in two, whatever the pieces are called."""
    packets = visit("www.netflix.com")
    first, second = write(tmp_path / "lan.pcap2", packets[:3]), tmp_path / "lan.pcap10"
    second.write_bytes(pcap(packets[3:], first=FIRST + 1))
    for pieces in ((first, second), (second, first), (tmp_path,)):
        flows = [json.loads(line) for line in classify(*pieces, "--joined", "--json").stdout.splitlines()]
        assert [(flow["l4"], flow["capture"]) for flow in flows] == [("udp", "lan.pcap10"), ("tcp", "lan.pcap10")]
        assert [flow["app"] for flow in flows] == ["netflix", "netflix"]
        assert (flows[1]["packets_up"], flows[1]["packets_down"], flows[1]["method"]) == (2, 1, "sni")


def test_a_piece_that_is_none_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    packets = visit("www.netflix.com")
    write(tmp_path / "1.pcap", packets[:3])
    (tmp_path / "2.pcap").write_bytes(b"none")
    write(tmp_path / "3.pcap", packets[3:])
    done = classify(tmp_path, "--joined", "--json", code=2)
    assert "2.pcap:0: not a capture" in done.output
    assert len([line for line in done.output.splitlines() if line.startswith("{")]) == 2
    piped = subprocess.run([*DPI, "classify", "--joined", "-"], input=pcap(packets), capture_output=True, check=False)
    assert (piped.returncode, piped.stderr) == (2, b"- is no file, so it cannot be one of several pieces\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--min-confidence", "nan"), "nan is no number from 0 to 1"), (("",), "an empty argument names no capture")],
)
def test_what_a_script_gets_wrong_is_told(capture: Path, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        CliRunner().invoke(command, [str(capture), *arguments], catch_exceptions=False)


def test_labels_below_the_confidence_asked_for_are_left_out(capture: Path, tmp_path: Path) -> None:
    only_syn = write(tmp_path / "syn.pcap", visit("www.netflix.com")[:3])
    (tls,) = [
        flow
        for flow in map(json.loads, classify(only_syn, "--json", "--min-confidence", "0.9").stdout.splitlines())
        if flow["l4"] == "tcp"
    ]
    assert (tls["app"], tls["protocol"], tls["category"]) == (None, "unknown", None)
    (tls,) = [f for f in map(json.loads, classify(only_syn, "--json").stdout.splitlines()) if f["l4"] == "tcp"]
    assert (tls["app"], tls["method"], tls["protocol"]) == ("netflix", "dns", "tls")


def test_what_may_not_be_looked_at_in_a_directory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.pcap", visit("www.netflix.com"))
    (tmp_path / "b").symlink_to("b")  # neither a file nor none: too many links
    closed = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "c"))
    found = os.walk
    monkeypatch.setattr(os, "walk", lambda top, onerror: onerror(closed) or found(top))
    assert list(files([tmp_path])) == [tmp_path / "a.pcap", tmp_path / "c"]


def test_directories_are_opened(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    for name in ("b.pcap", "a.dump"):
        write(tmp_path / "day" / name, visit("www.netflix.com")[:1])
    flows = [json.loads(line) for line in classify(tmp_path, "--json").stdout.splitlines()]
    assert [flow["capture"] for flow in flows] == ["a.dump", "b.pcap"]


def test_a_damaged_capture_gives_its_whole_records_and_exit_code_2_and_others_go_on(tmp_path: Path) -> None:
    good = write(tmp_path / "good.pcap", visit("www.netflix.com"))
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(pcap(visit("www.youtube.com"))[:-10])
    none = tmp_path / "none.pcap"
    none.write_text("this is no capture at all")
    result = classify(none, cut, tmp_path / "absent.pcap", good, "--json", code=2)
    flows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(flow["capture"], flow["app"]) for flow in flows] == [
        ("cut.pcap", "youtube"),
        ("cut.pcap", "youtube"),
        ("good.pcap", "netflix"),
        ("good.pcap", "netflix"),
    ]
    assert flows[1]["method"] == "dns"  # its hello is in the record that was cut
    complaints = result.stderr.splitlines()
    assert len(complaints) == 3
    for complaint, name in zip(complaints, ("none.pcap:0: ", "cut.pcap:", "absent.pcap:0: "), strict=True):
        assert complaint.startswith(str(tmp_path / name))


def test_a_users_own_signatures_name_flows(tmp_path: Path, capture: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "our.yaml").write_text("apps:\n  intranet: {category: web, hosts: www.netflix.com}\n")
    flows = [json.loads(line) for line in classify(capture, "--json", "--signatures", mine).stdout.splitlines()]
    assert [flow["app"] for flow in flows] == ["intranet", "intranet"]


def test_with_a_policy_each_flow_says_the_rule_that_it_falls_under(tmp_path: Path, capture: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(
        "version: 1\ninterfaces: {lan: lan0, wan: wan0, local: [192.0.2.0/24]}\n"
        "link: {down: 100mbit, up: 20mbit}\n"
        "classes: {slow: {rate: 1mbit}, rest: {rate: 10mbit, default: true}}\n"
        "rules:\n  inbound: {match: {app: netflix, direction: in}, shape: slow}\n"
    )
    dns, tls = map(json.loads, classify(capture, "--json", "--policy", policy).stdout.splitlines())
    assert (tls["rule"], tls["direction"], tls["mark"] > 0) == ("inbound", "in", True)
    assert dns["rule"] is None  # asking for a name is not using it


def test_names_can_be_hidden_and_dns_too(capture: Path) -> None:
    def tls(*options: str) -> tuple[str | None, str | None]:
        flow = json.loads(classify(*options, "--json").stdout.splitlines()[-1])
        return flow["app"], flow["method"]

    assert tls(capture) == ("netflix", "sni")
    assert tls("--blind", capture) == tls("--blind=names", capture) == ("netflix", "dns")
    assert tls("--blind=dns", capture)[0] is None
    assert "--blind" in classify("--blind=all", capture, code=2).stderr


def test_the_first_packet_has_a_record_of_its_own_and_a_share(capture: Path) -> None:
    result = classify("--first-packet", "--json", capture)
    flows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(flow["app"], flow["method"], flow["packets_up"], flow["packets_down"]) for flow in flows] == [
        ("netflix", "dns-query", 1, 0),
        ("netflix", "dns", 1, 0),
    ]
    named = "2 (100.0 %) had a name, 0 (0.0 %) by nothing but a port, 2 (100.0 %) an app"
    assert result.stderr == f"at the first packet: of 2 flows {named}\n"


def test_a_reader_that_goes_away_is_no_error_message(many: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dpi", "classify", str(many), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


DPI = [sys.executable, "-m", "dpi"]


def test_a_full_disk_is_one_clear_error(many: Path) -> None:
    for style in ("table", "jsonl", "csv"):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*DPI, "classify", many, "--format", style], stdout=full, stderr=subprocess.PIPE, check=False
            )
        assert (done.returncode, done.stderr) == (1, b"standard output: No space left on device\n")


def header() -> bytes:
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 101)


def record(seconds: int, data: bytes) -> bytes:
    return struct.pack("<IIII", seconds, 0, len(data), len(data)) + data


def send(to: IO[bytes] | None, data: bytes) -> None:
    assert to is not None
    to.write(data)
    to.flush()


def live(*options: str) -> subprocess.Popen[bytes]:
    """dpi at the end of a pipe."""
    return subprocess.Popen(
        [*DPI, "classify", "--json", *options, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` has it ignored
    )


def test_a_silent_flow_is_printed_while_the_capture_goes_on() -> None:
    """Two hours of silence end a flow, though the same ports may come again."""
    process = live()
    with process:
        datagram = packet(CLIENT, 5000, SERVER, 9999, UDP, b"hello")
        others = [packet(CLIENT, 6000 + n, SERVER, 9999, UDP, b"hello") for n in range(200)]
        send(process.stdin, header() + record(1000, datagram) + record(1500, datagram))
        send(process.stdin, b"".join(record(9000, each) for each in others))
        assert process.stdout is not None
        flow = json.loads(process.stdout.readline())
        assert (flow["sport"], flow["packets_up"], flow["reason"]) == (5000, 2, "idle")
        assert (flow["start"], flow["end"]) == (1000.0, 1500.0)
        rest, _ = process.communicate()
        assert len(rest.splitlines()) == 200
        assert process.returncode == 0


def test_flows_end_as_on_the_router_where_that_is_asked_for() -> None:
    """A closed one soon after, a silent one in minutes, and one whose ports begin again at once."""
    process = live("--live")
    with process:
        opened = packet(CLIENT, 5000, SERVER, 443, TCP, flags=SYN)
        reset = packet(SERVER, 443, CLIENT, 5000, TCP, flags=RST)
        closed = packet(SERVER, 443, CLIENT, 5001, TCP, flags=RST)
        asked = packet(CLIENT, 6000, SERVER, 9999, UDP, b"hello")
        later = [packet(CLIENT, 7000 + n, SERVER, 9999, UDP, b"hello") for n in range(64)]
        send(process.stdin, header() + record(1000, opened) + record(1001, reset) + record(1001, closed))
        send(
            process.stdin, record(1005, asked) + record(1010, packet(CLIENT, 5000, SERVER, 443, TCP, flags=SYN, seq=9))
        )
        send(process.stdin, b"".join(record(1060, each) for each in later))
        assert process.stdout is not None
        told = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert [(flow["sport"], flow["start"], flow["reason"]) for flow in told] == [
            (5000, 1000.0, "reused"),
            (5001, 1001.0, "closed"),
            (6000, 1005.0, "idle"),
        ]
        rest, _ = process.communicate()
        assert sum(json.loads(line)["sport"] == 5000 for line in rest.splitlines()) == 1


def test_a_wait_for_a_pipe_ends_now_and_then_and_loses_nothing() -> None:
    """A signal that comes just before read() does not interrupt it: who waits there for long never hears of it."""
    come, go = os.pipe()
    datagram = record(1000, packet(CLIENT, 5000, SERVER, 9999, UDP, b"hello"))
    os.write(go, header())
    with Capture(f"/dev/fd/{come}") as capture:
        core = Core(16, merge=True)
        assert core.run(capture)
        os.write(go, datagram[:20])
        assert core.run(capture)
        assert core.counters()["packets"] == 0
        os.write(go, datagram[20:])
        assert core.run(capture)
        assert core.counters()["packets"] == 1
        os.close(go)
        assert not core.run(capture)
        assert capture.warning is None
    os.close(come)


def test_an_interrupt_ends_reading_and_prints_what_is_known() -> None:
    process = live()
    with process:
        gone = packet(CLIENT, 5000, SERVER, 9999, UDP, b"hello")
        here = [packet(CLIENT, 6000 + n, SERVER, 443, TCP, flags=SYN) for n in range(64)]
        send(process.stdin, header() + record(1000, gone) + b"".join(record(9000, each) for each in here))
        assert process.stdout is not None and process.stderr is not None
        first = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest = [json.loads(line) for line in process.stdout]
        assert process.wait(20) == 130
        assert process.stderr.read() == b""
        assert (first["sport"], first["reason"]) == (5000, "idle")
        assert 0 < len(rest) <= 64
        assert {flow["reason"] for flow in rest} == {"flushed"}


def test_an_interrupt_before_the_first_byte_is_no_fault_of_the_capture() -> None:
    with live() as process:
        assert process.stderr is not None
        for _ in range(100):  # until it waits
            if Path(f"/proc/{process.pid}/syscall").read_text().split()[0] in ("7", "73", "271"):  # poll(), ppoll()
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert (process.wait(20), process.stderr.read()) == (130, b"")


def on_terminal(*arguments: str | Path, stdout: int = subprocess.PIPE, columns: int = 200) -> tuple[int, bytes, str]:
    """Exit code, standard output and what a terminal for standard error shows."""
    master, slave = pty.openpty()
    shown = bytearray()

    def listen() -> None:
        while True:
            try:
                data = os.read(master, 4096)
            except OSError:
                return
            if not data:
                return
            shown.extend(data)

    listener = threading.Thread(target=listen)
    env = os.environ | {"TERM": "xterm", "COLUMNS": str(columns)}
    process = subprocess.Popen(
        [*DPI, "classify", *arguments], stdout=slave if stdout == 0 else stdout, stderr=slave, env=env
    )
    os.close(slave)
    listener.start()
    out, _ = process.communicate()
    listener.join()
    os.close(master)
    return process.returncode, out or b"", shown.decode()


def test_a_terminal_is_shown_how_far_it_is_and_nothing_else_is(many: Path) -> None:
    code, out, shown = on_terminal(many, "--json")
    assert (code, len(out.splitlines())) == (0, 3000)
    assert "many.pcap" in shown
    piped = subprocess.run([*DPI, "classify", many, "--json"], capture_output=True, check=True)
    assert (piped.stdout, piped.stderr) == (out, b"")


def test_a_table_on_a_terminal_is_aligned_beside_the_bar(capture: Path) -> None:
    code, _, shown = on_terminal(capture, stdout=0)
    assert code == 0
    assert "www.netflix.com" in shown
    assert "\t" not in shown


def test_a_narrow_terminal_loses_nothing(capture: Path) -> None:
    _, _, shown = on_terminal(capture, stdout=0, columns=80)
    assert "…" not in shown


def test_a_terminal_is_told_where_packets_were_cut(capture: Path) -> None:
    whole = capture.read_bytes()
    cut = bytearray(whole[:24])
    at = 24
    while at < len(whole):
        time_of, kept = whole[at : at + 8], int.from_bytes(whole[at + 8 : at + 12], "little")
        cut += time_of + min(kept, 60).to_bytes(4, "little") + whole[at + 12 : at + 16 + min(kept, 60)]
        at += 16 + kept
    capture.write_bytes(cut)
    _, _, shown = on_terminal(capture)
    assert "note: visit.pcap: " in shown and "names may be missing" in shown
    assert classify(capture).stderr == ""
