"""Captures of every flavour give their records; damaged ones give those before the damage, and say where it is."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from dpi.capture.pcapfile import Capture
from dpi.core import Core
from dpi.errors import CaptureError

S = 1_000_000_000
PACKETS = [(1_700_000_000 * S + 123_456_000, b"first"), (1_700_000_001 * S + 999_999_000, bytes(300)), (7 * S, b"")]
Wanted = list[tuple[int, int, int, bytes]]


def records(path: Path | str) -> Wanted:
    with Capture(path) as capture:
        found = list(capture)
        assert capture.warning is None
    return found


def until_the_fault(path: Path) -> tuple[Wanted, str]:
    """The records in front of it, and what is said of it."""
    found = []
    with Capture(path) as capture, pytest.raises(CaptureError) as error:
        for record in capture:
            found.append(record)
    assert capture.warning == str(error.value)
    return found, str(error.value)


def pcap(magic: int = 0xA1B2C3D4, order: str = "<", linktype: int = 1, minor: int = 4) -> bytes:
    out = struct.pack(order + "IHHIIII", magic, 2, minor, 0, 0, 65535, linktype)
    unit = 1 if magic == 0xA1B23C4D else 1000
    for time, data in PACKETS:
        out += struct.pack(order + "IIII", time // S, time % S // unit, len(data), len(data) + 10)
        out += (bytes(8) if magic == 0xA1B2CD34 else b"") + data
    return out


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def option(kind: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", kind, len(value)) + value + bytes(-len(value) % 4)


def interface(order: str = "<", linktype: int = 1, options: bytes = b"", snaplen: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", linktype, 0, snaplen) + options, order)


def enhanced(ticks: int, data: bytes, order: str = "<", on: int = 0, wirelen: int = 0, caplen: int = -1) -> bytes:
    caplen = len(data) if caplen < 0 else caplen
    head = struct.pack(order + "IIIII", on, ticks >> 32, ticks & 0xFFFFFFFF, caplen, wirelen or len(data))
    return block(6, head + data, order)


def test_captures_that_cat_has_joined_are_read_to_the_end(tmp_path: Path) -> None:
    """Each with a link type and a resolution of its own; one that is cut says where."""
    path = tmp_path / "joined"
    first, second = pcap(), pcap(0xA1B23C4D, linktype=101)
    path.write_bytes(first + second + pcap()[:24] + second)
    found = records(path)
    assert [(time, data) for time, _, _, data in found] == [*PACKETS, *PACKETS, *PACKETS]
    assert [linktype for _, linktype, _, _ in found] == [1] * 3 + [101] * 6
    path.write_bytes(first + second[:20])
    assert until_the_fault(path)[1] == f"{path}:{len(first)}: the capture ends in the middle of a record"


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34])
def test_pcap_is_read_in_every_flavour(tmp_path: Path, magic: int, order: str) -> None:
    path = tmp_path / "capture.whatever"
    path.write_bytes(pcap(magic, order, linktype=113))

    assert records(path) == [(time, 113, len(data) + 10, data) for time, data in PACKETS]


def test_pcap_link_types_come_without_the_bits_about_checksums(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap(linktype=0x44000001))
    assert {r[1] for r in records(path)} == {1}


def test_lengths_in_the_other_order_of_old_writers_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(struct.pack("<IHHIIII4I", 0xA1B2C3D4, 2, 3, 0, 0, 99, 1, 5, 0, 60, 3) + b"abc")
    assert records(path) == [(5 * S, 1, 60, b"abc")]


@pytest.mark.parametrize("order", "<>")
def test_pcapng_packets_of_all_three_kinds_are_read(tmp_path: Path, order: str) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(
        section(order)
        + interface(order, linktype=101, snaplen=4)
        + block(2, struct.pack(order + "HHIIII", 0, 0, 0, 5_000_000, 3, 9) + b"old", order)
        + block(3, struct.pack(order + "I", 6) + b"simp", order)
        + block(0x0BAD, b"unknown", order)
        + enhanced(6_000_000, b"enhanced", order, wirelen=99)
    )
    assert records(path) == [
        (5 * S, 101, 9, b"old"),
        (5 * S, 101, 6, b"simp"),
        (6 * S, 101, 99, b"enhanced"),
    ]


def test_pcapng_sections_have_their_own_byte_order_and_interfaces(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    path.write_bytes(
        section("<")
        + interface("<", 1)
        + interface("<", 113)
        + enhanced(1_000_000, b"a", "<", on=1)
        + section(">")
        + interface(">", 101)
        + enhanced(2_000_000, b"b", ">")
    )
    assert records(path) == [(S, 113, 1, b"a"), (2 * S, 101, 1, b"b")]


@pytest.mark.parametrize(
    ("resolution", "ticks", "time"),
    [
        (0, 5, 5 * S),
        (3, 5_001, 5_001_000_000),
        (9, 5_000_000_001, 5_000_000_001),
        (12, 5_000_000_001_999, 5_000_000_001),
        (127, 5, 0),
        (0x80 | 1, 11, 5_500_000_000),
        (0x80 | 30, (5 << 30) + (1 << 29), 5_500_000_000),
        (0x80 | 60, (5 << 60) + (1 << 59), 5_500_000_000),
        (0x80 | 127, 1 << 63, 0),
    ],
)
def test_pcapng_times_come_in_any_resolution(tmp_path: Path, resolution: int, ticks: int, time: int) -> None:
    path = tmp_path / "x.pcapng"
    offset = option(14, struct.pack("<q", -3))
    path.write_bytes(
        section()
        + interface(options=option(9, bytes([resolution])) + option(0, b""))
        + interface(options=option(2, b"eth0") + option(9, bytes([resolution])) + offset)
        + enhanced(ticks, b"x", on=0)
        + enhanced(ticks, b"x", on=1)
    )
    assert [r[0] for r in records(path)] == [time, time - 3 * S]


def test_big_endian_time_offsets_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    path.write_bytes(
        section(">") + interface(">", options=option(14, struct.pack(">q", 7), ">")) + enhanced(0, b"", ">")
    )
    assert records(path)[0][0] == 7 * S


NG = [section(), interface(), *(enhanced(time // 1000, data) for time, data in PACKETS), block(5, bytes(40))]


@pytest.mark.parametrize(
    ("parts", "packets"),
    [
        ([pcap()[:24], pcap()[24:45], pcap()[45:361], pcap()[361:]], [0, 1, 1, 1]),
        (NG, [0, 0, 1, 1, 1, 0]),
    ],
)
def test_a_cut_file_gives_its_whole_records_and_says_where_the_cut_one_starts(
    tmp_path: Path, parts: list[bytes], packets: list[int]
) -> None:
    path = tmp_path / "x"
    for i in range(1, len(parts)):
        before = b"".join(parts[:i])
        for cut in range(len(parts[i])):
            path.write_bytes(before + parts[i][:cut])
            if cut == 0:
                assert len(records(path)) == sum(packets[:i])
                continue
            found, message = until_the_fault(path)
            assert len(found) == sum(packets[:i])
            assert message == f"{path}:{len(before)}: the capture ends in the middle of a record"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "0: the file is empty"),
        (b"ab", "0: not a capture"),
        (b"hello world", "0: not a capture: neither pcap nor pcapng (it starts with 68 65 6c 6c)"),
        (b"(\xb5/\xfd....", "as zstd does)"),
        (pcap()[:20], "0: the capture ends in the middle"),
    ],
)
def test_what_is_no_capture_is_refused_with_its_name_and_the_reason(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    with pytest.raises(CaptureError) as error:
        Capture(path)
    assert str(error.value).startswith(f"{path}:0: ")
    assert why in str(error.value)


def test_a_path_that_cannot_be_opened_or_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match=r"none:0: No such file or directory"):
        Capture(tmp_path / "none")
    with pytest.raises(CaptureError, match="directory"):
        Capture(tmp_path)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 1 << 24])
def test_impossible_lengths_end_a_pcap(tmp_path: Path, length: int) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap() + struct.pack("<IIII", 0, 0, length, length) + bytes(99))
    found, message = until_the_fault(path)
    assert len(found) == 3
    assert message.startswith(f"{path}:{len(pcap())}: the capture is damaged")


@pytest.mark.parametrize(
    "damage",
    [
        struct.pack("<III", 6, 8, 0) + bytes(90),
        struct.pack("<III", 6, 0, 0) + bytes(90),
        struct.pack("<III", 6, 33, 0) + bytes(90),
        struct.pack("<III", 6, 0x7FFFFFFC, 0) + bytes(90),
        enhanced(0, b"good")[:-4] + b"\0\0\0\1",
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4E, 1, 0, -1)),
        block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)),
    ],
)
def test_impossible_lengths_end_a_pcapng(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "x.pcapng"
    before = section() + interface() + enhanced(0, b"whole")
    path.write_bytes(before + damage + enhanced(0, b"behind"))
    found, message = until_the_fault(path)
    assert [r[3] for r in found] == [b"whole"]
    assert message.startswith(f"{path}:{len(before)}: the capture is damaged")


@pytest.mark.parametrize(
    "strange",
    [
        enhanced(0, b"no such interface", on=1),
        enhanced(0, b"longer than its block", caplen=100),
        block(6, bytes(8)),
        block(3, b""),
        block(1, bytes(4)),
    ],
)
def test_a_packet_that_cannot_be_is_left_out_of_a_pcapng(tmp_path: Path, strange: bytes) -> None:
    path = tmp_path / "x.pcapng"
    before = section() + interface() + enhanced(0, b"before")
    path.write_bytes(before + strange + enhanced(0, b"behind"))
    found, message = until_the_fault(path)
    assert [r[3] for r in found] == [b"before", b"behind"]
    assert message.startswith(f"{path}:{len(before)}: a packet block contradicts itself")


def through_a_pipe(path: Path, whole: bytes, at_once: int) -> list[bytes]:
    """The packets of what is written to it piece by piece: a pipe cannot be mapped."""
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", 0) as pipe:
            for at in range(0, len(whole), at_once):
                pipe.write(whole[at : at + at_once])

    writer = threading.Thread(target=write)
    writer.start()
    found = [r[3] for r in records(path)]
    writer.join()
    return found


def test_records_and_blocks_larger_than_the_buffer_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    large = os.urandom(600_000)
    whole = section() + interface() + block(0x0BAD, bytes(3_000_000)) + enhanced(0, large) + enhanced(0, b"last")
    path.write_bytes(whole)
    assert [r[3] for r in records(path)] == [large, b"last"]
    assert through_a_pipe(tmp_path / "fifo", whole, 1 << 20) == [large, b"last"]


def test_many_records_survive_the_buffers_edges(tmp_path: Path) -> None:
    path = tmp_path / "x.pcapng"
    packets = [i.to_bytes(4, "big") * (i % 300) for i in range(3000)]
    whole = section() + interface() + b"".join(enhanced(0, p) for p in packets)
    path.write_bytes(whole)
    assert [r[3] for r in records(path)] == packets
    assert through_a_pipe(tmp_path / "fifo", whole, 1 << 16) == packets


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    assert through_a_pipe(tmp_path / "fifo", pcap(), 7) == [data for _, data in PACKETS]


def many(packets: int) -> bytes:
    """A capture of packets of 1,008 bytes, each a record of 1 KiB."""
    head = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack("<IIII", i, 0, 1008, 1008) + bytes([i & 255]) * 1008 for i in range(packets))


@pytest.mark.parametrize("left", [0, 1 << 16, 3 << 20, 3_000_000], ids=["nothing", "less", "more", "a part"])
def test_a_file_that_is_cut_while_it_is_read_gives_what_was_there(tmp_path: Path, left: int) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(many(4000))
    found = []
    with Capture(path) as capture:
        for number, record in enumerate(capture):
            found.append(record)
            if number == 2:
                os.truncate(path, left)
                break
        with pytest.raises(CaptureError, match="ends in the middle of a record"):
            found.extend(capture)
    assert found == [(S * i, 1, 1008, bytes([i & 255]) * 1008) for i in range(len(found))]
    assert left // 1024 - 1 <= len(found) < 4000


@pytest.mark.parametrize(
    "left", [0, 4 << 20, 6_000_000, 7_999_999], ids=["nothing", "a page's edge", "a part", "the last"]
)
def test_a_file_that_is_cut_below_what_is_looked_at_gives_what_was_there(tmp_path: Path, left: int) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(many(8000))
    with Capture(path) as capture:
        found = [next(capture) for _ in range(3000)]
        os.truncate(path, left)
        with pytest.raises(CaptureError, match=f":{left}: the capture ends in the middle of a record"):
            found.extend(capture)
        assert list(capture.warning.splitlines()) == [f"{path}:{left}: the capture ends in the middle of a record"]
    last = found.pop()[3]  # in the page that the cut is in
    assert last.rstrip(b"\0") == bytes([len(found) & 255]) * len(last.rstrip(b"\0"))
    assert found == [(S * i, 1, 1008, bytes([i & 255]) * 1008) for i in range(len(found))]
    assert max(2999, left // 1024 - 4) <= len(found) < 8000


@pytest.mark.parametrize("left", [0, 4 << 20, 6_000_000])
def test_the_engine_survives_a_file_that_is_cut_below_it(tmp_path: Path, left: int) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(many(8000))
    core = Core(16, merge=True)
    with Capture(path) as capture:
        core.run(capture, 3000)
        os.truncate(path, left)
        while core.run(capture, 3000):
            pass
        assert capture.warning == f"{path}:{left}: the capture ends in the middle of a record"
    assert core.counters()["records"] < 8000


def test_a_fault_in_the_memory_of_others_ends_the_process_as_ever(tmp_path: Path) -> None:
    """Reading a capture has a handler for SIGBUS, which is not to hide others' faults."""
    path = tmp_path / "x.pcap"
    path.write_bytes(many(4000))
    script = f"""
import mmap, os
from dpi.capture.pcapfile import Capture
path = {str(path)!r}
with Capture(path) as capture:
    assert capture.skim() == (4000, 4000 * 1008)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as others:
        os.truncate(path, 0)
        others[1 << 20]
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGBUS


def skimmed(script: str, **options: Any) -> str:
    """What a process of its own says of a capture that it skims."""
    script = f"from dpi.capture.pcapfile import Capture\n{script}\nprint(*capture.skim(), capture.warning)"
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, **options).stdout


def test_a_file_is_read_also_where_there_is_no_memory_to_map_it(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(many(20_000))
    script = f"""
import resource
capture = Capture({str(path)!r})
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (4 << 20),) * 2)"""
    assert skimmed(script) == f"20000 {20_000 * 1008} None\n"


def test_standard_input_is_read_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(bytes(3001) + many(20_000))
    with path.open("rb") as file:
        os.lseek(file.fileno(), 3001, os.SEEK_SET)
        assert skimmed("capture = Capture('-')", stdin=file) == f"20000 {20_000 * 1008} None\n"


def test_records_survive_the_edges_of_what_is_mapped(tmp_path: Path) -> None:
    """Of all sizes, several windows long."""
    path = tmp_path / "x.pcapng"
    packets = [i.to_bytes(4, "big") * (i * i % 9000) for i in range(2500)] + [bytes(2_000_000)] * 4
    path.write_bytes(section() + interface() + b"".join(enhanced(0, p) for p in packets))
    assert [r[3] for r in records(path)] == packets


def test_a_file_that_grows_while_it_is_read_is_read_to_its_new_end(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    whole = many(300)
    path.write_bytes(whole[:100_000])
    with Capture(path) as capture:
        found = [next(capture)[0] for _ in range(3)]
        with path.open("ab") as file:
            file.write(whole[100_000:])
        found += [record[0] for record in capture]
        assert capture.warning is None
    assert found == [S * i for i in range(300)]


def resident() -> int:
    """Bytes of this process's memory that are resident, mapped files included."""
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


def test_little_of_a_large_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(many(64 << 10))
    core = Core(16, merge=True)
    before = resident()
    with Capture(path) as capture:
        kept = []
        while core.run(capture, 4096):
            kept.append(resident() - before)
    assert len(kept) >= 15
    assert max(kept) < 24 << 20


def test_many_captures_are_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap())
    captures = [Capture(path) for _ in range(100)]
    for capture in captures:
        assert [r[3] for r in capture] == [data for _, data in PACKETS]
        capture.close()


def test_a_closed_capture_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap())
    capture = Capture(path)
    capture.close()
    assert list(capture) == []


def test_a_capture_is_skimmed_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcap()[:-1])
    with Capture(path) as capture:
        assert capture.skim() == (2, 305)
        assert capture.warning
