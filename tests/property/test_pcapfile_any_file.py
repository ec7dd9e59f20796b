"""What was written is read; what was cut or damaged is read up to there, and every file ends."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpi.capture.pcapfile import Capture
from dpi.errors import CaptureError

Record = tuple[int, int, int, bytes]

packets = st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 10**9 - 1), st.binary(max_size=80)), max_size=8)
# One file is written over and over: what it holds does not depend on what it held.
relaxed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def pcap(records: list[tuple[int, int, bytes]], order: str) -> bytes:
    out = struct.pack(order + "IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    for s, ns, data in records:
        out += struct.pack(order + "IIII", s, ns, len(data), len(data) + 4) + data
    return out


def block(kind: int, body: bytes, order: str) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def pcapng(records: list[tuple[int, int, bytes]], order: str) -> bytes:
    out = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    out += block(1, struct.pack(order + "HHIHHB3xHH", 1, 0, 0, 9, 1, 9, 0, 0), order)
    for s, ns, data in records:
        time = s * 10**9 + ns
        head = struct.pack(order + "IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(data), len(data) + 4)
        out += block(6, head + data, order)
    return out


def read(path: Path) -> tuple[list[Record], str | None]:
    found: list[Record] = []
    try:
        with Capture(path) as capture:
            for record in capture:
                found.append(record)
    except CaptureError as error:
        return found, str(error)
    return found, None


@relaxed
@given(packets, st.sampled_from("<>"), st.sampled_from([pcap, pcapng]), st.floats(0, 1))
def test_a_cut_file_gives_its_whole_records(
    tmp_path: Path, records: list[tuple[int, int, bytes]], order: str, write: type, share: float
) -> None:
    path = tmp_path / "x"
    whole = write(records, order)
    want = [(s * 10**9 + ns, 1, len(data) + 4, data) for s, ns, data in records]

    path.write_bytes(whole)
    assert read(path) == (want, None)

    path.write_bytes(whole[: int(share * len(whole))])
    found, fault = read(path)
    assert found == want[: len(found)]
    assert len(found) == len(records) or fault is None or fault.startswith(f"{path}:")


@relaxed
@given(
    packets,
    st.sampled_from("<>"),
    st.sampled_from([pcap, pcapng]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=8),
)
def test_a_damaged_file_ends(
    tmp_path: Path,
    records: list[tuple[int, int, bytes]],
    order: str,
    write: type,
    changes: list[tuple[int, int]],
) -> None:
    path = tmp_path / "x"
    broken = bytearray(write(records, order))
    for at, byte in changes:
        broken[at % len(broken)] = byte
    path.write_bytes(broken)
    found, _ = read(path)
    assert sum(len(r[3]) for r in found) <= len(broken)


@relaxed
@given(st.binary(max_size=300))
def test_any_file_ends(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), "<") + content)
    found, _ = read(path)
    assert sum(len(r[3]) for r in found) <= len(content)


@pytest.mark.parametrize("write", [pcap, pcapng])
def test_the_writers_above_write_what_they_should(tmp_path: Path, write: type) -> None:
    path = tmp_path / "x"
    path.write_bytes(write([(1, 2, b"abc")], ">"))
    assert read(path) == ([(1_000_000_002, 1, 7, b"abc")], None)
