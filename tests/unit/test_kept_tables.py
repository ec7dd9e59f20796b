"""What is kept of the built-in signatures says what they do, and is believed only where nobody else has written it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from dpi.match import kept, signatures
from dpi.match.labels import Signatures, Tables


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the built-in signatures, which is read in their place."""
    copy = tmp_path / "signatures"
    shutil.copytree(kept.BUILT_IN, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(kept, "BUILT_IN", copy)
    monkeypatch.setattr(signatures, "BUILT_IN", copy)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return copy


def file_in(folder: Path) -> Path:
    (file,) = (folder / "__pycache__").iterdir()
    return file


def was_kept() -> bool:
    return not isinstance(kept.tables(), Signatures)


def test_what_was_kept_is_what_was_read(folder: Path) -> None:
    read = kept.tables()
    again = kept.tables()
    assert isinstance(read, Signatures)
    assert type(again) is Tables
    assert (again.labels, again.categories) == (read.labels, read.categories)
    assert again.hosts.kept() == read.hosts.kept()
    assert again.prefixes.kept() == read.prefixes.kept()
    for name in ("www.netflix.com", "rr1---sn-4g5e6nez.googlevideo.com", "example.invalid"):
        assert again.hosts.match(name) == read.hosts.match(name)
    for address in ("8.8.8.8", "2001:4860:4860::8888", "151.101.0.140", "192.0.2.1"):
        assert again.prefixes.match(address) == read.prefixes.match(address)
    for port in range(65536):
        assert again.ports.match(6, port) == read.ports.match(6, port)
        assert again.ports.match(17, port) == read.ports.match(17, port)


def test_nothing_built_in_keeps_them_from_being_kept(folder: Path) -> None:
    kept.tables()
    assert was_kept()


def test_signatures_that_change_are_read_again(folder: Path) -> None:
    kept.tables()
    with (folder / "games.yaml").open("a") as file:
        file.write("# another line\n")
    assert not was_kept()
    assert was_kept()


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_may_write_is_not_looked_at(folder: Path, mode: int) -> None:
    kept.tables()
    file_in(folder).chmod(mode)
    assert not was_kept()
    assert was_kept()  # there is a new one in its place


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_is_not_looked_at(folder: Path) -> None:
    kept.tables()
    os.chown(file_in(folder), 65534, 65534)
    assert not was_kept()


def test_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    kept.tables()
    file_in(folder).rename(tmp_path / "elsewhere")
    (folder / "__pycache__" / f"tables.{sys.implementation.cache_tag}").symlink_to(tmp_path / "elsewhere")
    assert not was_kept()


@pytest.mark.parametrize("at", [0, 3, 4, 1000, -1])
def test_a_damaged_file_is_not_believed(folder: Path, at: int) -> None:
    kept.tables()
    file = file_in(folder)
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)
    assert not was_kept()


@pytest.mark.parametrize("n", [0, 3, 4, 100_000])
def test_half_a_file_is_not_believed(folder: Path, n: int) -> None:
    kept.tables()
    file = file_in(folder)
    file.write_bytes(file.read_bytes()[:n])
    assert not was_kept()


def test_where_nothing_can_be_written_nothing_is_kept(folder: Path) -> None:
    (folder / "__pycache__").write_text("in the way")
    assert not was_kept()
    assert not was_kept()


def test_where_python_is_not_to_write_nothing_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert not was_kept()
    assert not (folder / "__pycache__").exists()


def test_nothing_else_is_left_beside_it(folder: Path) -> None:
    for _ in range(3):
        kept.tables()
    assert file_in(folder).stat().st_mode & 0o777 == 0o644
