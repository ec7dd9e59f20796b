"""Compressed captures: the same records, faults told, and no thread or descriptor left."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from dpi.capture.pcapfile import Capture
from dpi.errors import CaptureError
from tests.captures import pcap, visit

PACK = pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
PACKETS = [packet for n in range(2000) for packet in visit(f"www{n}.example.org", 1024 + n)]


def settled() -> None:
    """Waits for what unpacked to have ended."""
    until = time.monotonic() + 10
    while any(thread.name == "unpack" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)


@PACK
def test_a_compressed_capture_has_the_same_records(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(pcap(PACKETS))
    packed.write_bytes(pack(pcap(PACKETS)))
    with Capture(plain) as one, Capture(packed) as other:
        assert other.size == packed.stat().st_size
        assert list(one) == list(other)
        assert other.offset == other.size
        assert other.warning is None


def test_members_that_follow_each_other_are_one(tmp_path: Path) -> None:
    """As `cat` joins them, and as pigz writes."""
    data = pcap(PACKETS)
    (tmp_path / "x").write_bytes(gzip.compress(data[:9999]) + gzip.compress(data[9999:]))
    with Capture(tmp_path / "x") as capture:
        assert len(list(capture)) == len(PACKETS)


@PACK
def test_what_is_cut_or_damaged_gives_what_is_before_it(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    data = pcap([os.urandom(1000) for _ in range(4000)])
    packed = bytearray(pack(data))
    packed[len(packed) * 2 // 3] ^= 0xFF
    for each in (packed, packed[: len(packed) // 2]):
        (tmp_path / "x").write_bytes(each)
        found = 0
        with (
            pytest.raises(CaptureError, match=r"x:\d+: the (\w+ data cannot be unpacked|capture is damaged): \w"),
            Capture(tmp_path / "x") as capture,
        ):
            for _ in capture:
                found += 1
        assert found > 0
    settled()


def test_what_is_compressed_but_no_capture_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(b"hello"))
    with pytest.raises(CaptureError, match=r"x:0: not a capture: neither .* starts with 68 65 6c 6c"):
        Capture(tmp_path / "x")
    (tmp_path / "x").write_bytes(b"\x1f\x8b\x08 is how it begins")
    with pytest.raises(CaptureError, match="x:0: the gzip data cannot be unpacked"):
        Capture(tmp_path / "x")
    settled()


def test_whoever_stops_early_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(pcap([os.urandom(1000) for _ in range(4000)])))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        with Capture(tmp_path / "x") as capture:
            next(capture)
    settled()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@PACK
def test_a_pipe_is_unpacked_as_a_file_is(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """However little of it comes at a time; and what was read to see that it is compressed is not lost."""
    packed = pack(pcap(PACKETS))
    os.mkfifo(tmp_path / "pipe")

    def write() -> None:
        with (tmp_path / "pipe").open("wb", 0) as pipe:
            for at in range(0, len(packed), 4999):
                pipe.write(packed[at : at + 4999])

    threading.Thread(target=write).start()
    with Capture(tmp_path / "pipe") as capture:
        assert (capture.size, len(list(capture)), capture.offset) == (None, len(PACKETS), len(packed))
    settled()


def test_streams_of_xz_may_have_zeros_between_them(tmp_path: Path) -> None:
    data = pcap(PACKETS)
    (tmp_path / "x").write_bytes(lzma.compress(data[:9999]) + bytes(8) + lzma.compress(data[9999:]) + bytes(4))
    with Capture(tmp_path / "x") as capture:
        assert len(list(capture)) == len(PACKETS)


def test_what_wants_too_much_memory_to_be_unpacked_is_told(tmp_path: Path) -> None:
    """Its block's header (xz-file-format, 3.1) says so: here that it looks back upon 1 GiB."""
    data = bytearray(lzma.compress(pcap(PACKETS)))
    size = 4 * (data[12] + 1)
    data[16] = 36
    data[12 + size - 4 : 12 + size] = zlib.crc32(data[12 : 12 + size - 4]).to_bytes(4, "little")
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(CaptureError, match="x:0: the xz data cannot be unpacked: Memory usage limit exceeded"):
        Capture(tmp_path / "x")
    settled()


@PACK
def test_a_bomb_costs_a_few_megabytes(pack: Callable[[bytes], bytes]) -> None:
    """A capture of one record, and 64 MB of zeros: records without a byte."""
    packed = pack(pcap([b"E"]) + bytes(64 << 20))
    count = (
        "import resource\nfrom dpi.capture.pcapfile import Capture\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with Capture('-') as capture: capture.skim()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", count], input=packed, capture_output=True, check=True)
    assert len(packed) < 1 << 20 and int(done.stdout) < 16 << 10  # kB


def test_standard_input_may_be_compressed_be_it_a_file_or_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(pcap(visit("www.netflix.com"))))
    with (tmp_path / "x").open("rb") as file:
        command = [sys.executable, "-m", "dpi", "classify", "-"]
        done = subprocess.run(command, stdin=file, capture_output=True, check=True)
    piped = subprocess.run(command, input=(tmp_path / "x").read_bytes(), capture_output=True, check=True)
    assert done.stdout.count(b"netflix") == 4 and piped.stdout == done.stdout
