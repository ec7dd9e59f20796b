"""Records on disk: whole lines, rotated, and never a reason to stop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dpi.record.writer import Writer


def test_records_come_out_as_json_lines(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "flows.jsonl")
    for n in range(2500):
        writer.put({"n": n})
    writer.close()

    lines = (tmp_path / "flows.jsonl").read_text().splitlines()
    assert [json.loads(line)["n"] for line in lines] == list(range(2500))
    assert (writer.written, writer.lost) == (2500, 0)


def test_a_file_that_has_grown_is_rotated_and_old_ones_are_let_go(tmp_path: Path) -> None:
    path = tmp_path / "flows.jsonl"
    for n in range(8):
        writer = Writer(path, max_bytes=100, keep=3)
        writer.put({"n": n, "pad": "x" * 60})
        writer.close()

    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "flows.jsonl",
        "flows.jsonl.1",
        "flows.jsonl.2",
        "flows.jsonl.3",
    ]
    assert json.loads(path.read_text())["n"] == 7


@pytest.mark.parametrize("keep", [0, 1])
def test_as_many_old_files_are_kept_as_was_said_and_none_is_for_everybody(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "flows.jsonl"
    for _ in range(3):
        writer = Writer(path, max_bytes=100, keep=keep)
        writer.put({"pad": "x" * 60})
        writer.close()

    assert len(list(tmp_path.iterdir())) == keep + 1
    assert {p.stat().st_mode & 0o007 for p in tmp_path.iterdir()} == {0}


def test_a_full_disk_loses_records_counted_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "full"
    path.symlink_to("/dev/full")
    writer = Writer(path)
    writer.put({"n": 1})
    writer.close()

    assert (writer.written, writer.lost) == (0, 1)
    assert writer.error is not None


def test_a_place_that_cannot_be_written_is_said_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        Writer(tmp_path / "file" / "flows.jsonl")
