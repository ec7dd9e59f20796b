"""A policy file changes at one stroke or not at all, and stays whose it was."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from policy_texts import CLASSES, write

from dpi.atomic import replace
from dpi.errors import DpiError, FindingsError, UsageError
from dpi.policy.rewrite import locked, rewrite


def test_the_new_file_has_the_olds_mode_and_attributes(tmp_path: Path) -> None:
    path = write(tmp_path, "old")
    path.chmod(0o640)
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    replace(path, b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert os.getxattr(path, "user.note") == b"kept"


@pytest.mark.root
def test_the_new_file_has_the_olds_owner(tmp_path: Path) -> None:
    path = write(tmp_path, "old")
    os.chown(path, 12345, 23456)
    replace(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    target = write(tmp_path / "elsewhere", "old", "real.yaml")
    link = tmp_path / "policy.yaml"
    link.symlink_to(target)
    replace(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_what_an_interrupted_editor_left_does_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path, "old")
    (tmp_path / f".policy.yaml.{os.getpid()}.new").write_text("half")
    replace(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["policy.yaml"]


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.mkdir()
    (path / "inside").touch()
    with pytest.raises(DpiError, match=r"policy\.yaml: cannot be written: "):
        replace(path, b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["policy.yaml"]


def test_a_change_that_would_be_wrong_is_refused_with_its_findings(tmp_path: Path) -> None:
    path = write(tmp_path, CLASSES)
    with pytest.raises(FindingsError, match=r"policy\.yaml:7:1: rulez: unknown key; did you mean rules\?"):
        rewrite(path, path, lambda text: text + "rulez: {}\n")
    assert path.read_text() == CLASSES


def test_a_policy_that_is_wrong_already_is_not_edited(tmp_path: Path) -> None:
    path = write(tmp_path, CLASSES + "rulez: {}\n")
    with pytest.raises(FindingsError):
        rewrite(path, path, lambda text: text + "on_exit: keep\n")


def test_the_difference_is_returned(tmp_path: Path) -> None:
    path = write(tmp_path, CLASSES)
    difference = rewrite(path, path, lambda text: text + "on_exit: keep\n")
    assert difference.splitlines()[-1] == "+on_exit: keep"
    assert rewrite(path, path, lambda text: text) == ""


def test_editors_wait_for_each_other(tmp_path: Path) -> None:
    path = write(tmp_path, CLASSES)
    count = 8

    def edit(number: int) -> None:
        rewrite(path, path, lambda text: text + f"# {number}\n")

    threads = [threading.Thread(target=edit, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path.read_text().removeprefix(CLASSES).split()) == sorted(
        ["#"] * count + [str(n) for n in range(count)]
    )


def test_a_lock_that_is_not_given_up_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, CLASSES)
    with locked(path), pytest.raises(DpiError, match="somebody else is editing"), locked(path, seconds=0):
        pass
    with pytest.raises(UsageError, match="cannot be opened"), locked(tmp_path / "nowhere" / "policy.yaml"):
        pass
