"""dpi apps update: lists become entries, what is written holds, and a mistake leaves the file as it is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dpi.cli.apps import command
from dpi.errors import FindingsError, UsageError
from dpi.match import signatures
from dpi.match.generated import MARK
from tests.apps_update import entries, run

HEAD = """# mine
about: lists, 2026-11
sources:
  ours: {hosts: data/ours, prefixes: nets.txt}
apps:
  ours: {category: web}   # stays
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ours").write_text(
        "# a comment\nours.example @cn\nfull:one.example # why\nkeyword:ourword\nregexp:^a.*$\nkeyword:ab\n"
        "include:more @good @-bad\n"
    )
    (tmp_path / "data" / "more").write_text("domain:m1.example @good\nm2.example\nm3.example @good @bad\n")
    (tmp_path / "nets.txt").write_text("192.0.2.0/24 2001:db8::/32\n198.51.100.1 # one\n")
    (tmp_path / "mine.yaml").write_text(HEAD)
    return tmp_path / "mine.yaml"


def test_lists_become_entries_and_what_changed_is_told(file: Path) -> None:
    out = run(str(file))
    assert f"{file}: ours hosts: 4 added, 0 removed, 4 in all" in out
    assert out.count("  skipped ") == 2 and f"{file.parent}/data/ours:5: regexp:^a.*$" in out
    assert entries(file, "ours", "hosts") == {"ours.example", "=one.example", "*ourword*", "m1.example"}
    assert entries(file, "ours", "prefixes") == {"192.0.2.0/24", "2001:db8::/32", "198.51.100.1"}
    assert file.read_text().startswith(HEAD) and file.read_text().count(MARK) == 1


def test_a_second_time_changes_only_what_the_lists_changed(file: Path) -> None:
    run(str(file))
    first = file.read_text()
    assert "0 added, 0 removed" in run(str(file)) and file.read_text() == first
    (file.parent / "data" / "ours").write_text("ours.example\nnew.example\n")
    (change, _) = json.loads(run(str(file), "--json"))
    assert change["added"] == ["new.example"] and len(change["removed"]) == 3 and change["total"] == 2
    assert file.read_text().startswith(HEAD)


def test_a_dry_run_writes_nothing(file: Path) -> None:
    assert "4 added" in run(str(file), "--dry-run")
    assert file.read_text() == HEAD and {each.name for each in file.parent.iterdir()} == {
        "data",
        "nets.txt",
        "mine.yaml",
    }


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("nets.txt", "192.0.2.0/24\n 192.0.2.1/24\n", "nets.txt:2:2: "),
        ("data/ours", "fine.example\nnot a host!\nÄ\n", "data/ours:3:1: "),
        ("data/ours", "include:ours\n", "data/ours:1:1: "),
        ("data/ours", "include:../nets.txt\n", "data/ours:1:1: "),
    ],
)
def test_a_mistake_in_a_list_is_told_and_its_label_stays_as_it_was(file: Path, name: str, text: str, said: str) -> None:
    run(str(file))
    before = file.read_text()
    (file.parent / name).write_text(text)
    with pytest.raises(FindingsError) as caught:
        run(str(file))
    assert said in str(caught.value) and file.read_text() == before


def test_a_list_that_cannot_be_taken_does_not_keep_the_others_from_it(file: Path) -> None:
    (file.parent / "nets.txt").write_text("nonsense\n")
    result = CliRunner().invoke(command, ["update", str(file)])
    assert isinstance(result.exception, FindingsError) and result.exception.exit_code == 2
    assert "ours hosts: 4 added" in result.stdout and "ours prefixes: not taken: 0 added" in result.stdout
    assert len(entries(file, "ours", "hosts")) == 4 and not entries(file, "ours", "prefixes")


def test_lists_that_contradict_the_file_are_refused(file: Path) -> None:
    file.write_text(HEAD + "hosts:\n  ours: other.example\n")
    with pytest.raises(UsageError, match="hosts: stands here twice"):
        run(str(file))
    assert MARK not in file.read_text()


def test_a_list_that_is_not_there_or_a_file_without_sources_is_wrong_input(file: Path) -> None:
    (file.parent / "nets.txt").unlink()
    with pytest.raises(UsageError, match=r"nets\.txt: No such file"):
        run(str(file))
    file.write_text("about: nothing\n")
    with pytest.raises(UsageError, match="has no `sources`"):
        run(str(file))
    file.write_text("sources: {nobody: {hosts: 7, colour: x}, a: []}\n")
    with pytest.raises(FindingsError):
        run(str(file))


def test_an_empty_list_is_a_failed_download_and_takes_nothing_away(file: Path) -> None:
    run(str(file))
    before = file.read_text()
    for name, kind in (("data/ours", "hosts"), ("nets.txt", "prefixes")):
        text = (file.parent / name).read_text()
        (file.parent / name).write_text("# nothing\n")
        with pytest.raises(UsageError, match=f"{name}: has no {kind} for ours; leave the source out"):
            run(str(file))
        (file.parent / name).write_text(text)
    assert file.read_text() == before


def test_what_cannot_be_read_to_its_end_is_refused(file: Path) -> None:
    (file.parent / "nets.txt").unlink()
    os.mkfifo(file.parent / "nets.txt")
    with pytest.raises(UsageError, match=r"nets\.txt: not a file"):
        run(str(file))
    (file.parent / "nets.txt").unlink()
    (file.parent / "nets.txt").touch()
    os.truncate(file.parent / "nets.txt", 1 << 32)
    with pytest.raises(UsageError, match=r"nets\.txt: has more than 64 MiB"):
        run(str(file))


def test_every_address_is_nobodys(file: Path) -> None:
    for text in ("192.0.2.0/24 0.0.0.0/0\n", "::/0\n", "0.0.0.0-255.255.255.255\n"):
        (file.parent / "nets.txt").write_text(text)
        with pytest.raises(FindingsError, match=r"nets\.txt:1:\d+: \S+ is every address"):
            run(str(file))


def test_what_an_editor_wrote_meanwhile_is_not_lost(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def edited_meanwhile(*given: Any, **named: Any) -> Any:
        file.write_text("# mine\n" + file.read_text())
        return load(*given, **named)

    load = signatures.load
    monkeypatch.setattr(signatures, "load", edited_meanwhile)
    with pytest.raises(UsageError, match="was changed meanwhile"):
        run(str(file))
    assert file.read_text().startswith("# mine\n")


def test_a_list_that_many_include_is_read_once(file: Path) -> None:
    for number in range(40):  # read for each of them, the last would be 2 to the 40th times
        (file.parent / "data" / f"l{number}").write_text(f"include:l{number + 1}\ninclude:l{number + 1} @-bad\n")
    (file.parent / "data" / "l40").write_text("last.example\n")
    (file.parent / "data" / "ours").write_text("include:l0\n")
    assert f"{file}: ours hosts: 1 added" in run(str(file))


def test_lists_within_lists_without_end_are_refused(file: Path) -> None:
    for number in range(2000):
        (file.parent / "data" / f"l{number}").write_text(f"include:l{number + 1}\n")
    (file.parent / "data" / "ours").write_text("include:l0\n")
    with pytest.raises(FindingsError, match="more than 64 lists within each other"):
        run(str(file))


def test_entries_that_other_lists_share_with_it_are_its_own(file: Path) -> None:
    data = file.parent / "data"
    (data / "ours").write_text("ours.example\ninclude:nowhere\n")
    (data / "more").write_text("# told\nshared.example @cn &ours &other # so\nfull:m.example &Nowhere\nno.example\n")
    (data / "run.sh").write_text("wget x &ours\n")
    (data / "picture").write_bytes(b"\xff\xd8 &ours\n")
    os.mkfifo(data / "pipe")
    run(str(file))
    assert entries(file, "ours", "hosts") == {"ours.example", "shared.example", "=m.example"}


def test_a_list_that_another_label_has_is_left_to_it(file: Path) -> None:
    data = file.parent / "data"
    (data / "ours").write_text("ours.example\ninclude:theirs\n")
    (data / "theirs").write_text("theirs.example &ours\n")
    file.write_text(
        "sources:\n  ours: {hosts: data/ours}\n  theirs: {hosts: data/theirs}\n"
        "apps:\n  ours: {category: web}\n  theirs: {category: web}\n"
    )
    assert f"skipped {data}/ours:2: include:theirs: left to theirs" in run(str(file))
    assert entries(file, "ours", "hosts") == {"ours.example"}
    assert entries(file, "theirs", "hosts") == {"theirs.example"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("192.0.2.0/24 ; why\n; a comment\n192.0.3.0/24\r\n", {"192.0.2.0/24", "192.0.3.0/24"}),
        ("192.0.2.0/24,2001:DB8:0::/32, 2001:db8::/32\n", {"192.0.2.0/24", "2001:db8::/32"}),
        ("192.0.2.0/255.255.255.0\n192.0.2.7/32 192.0.2.7\n", {"192.0.2.0/24", "192.0.2.7"}),
        ("192.0.2.0-192.0.2.2 2001:db8::-2001:db8::ffff\n", {"192.0.2.0/31", "192.0.2.2", "2001:db8::/112"}),
        ("151.101.0.140/255.255.0.255\n", {"151.101.0.140/255.255.0.255"}),
    ],
)
def test_prefixes_may_be_written_as_lists_have_them(file: Path, text: str, found: set[str]) -> None:
    (file.parent / "nets.txt").write_text(text)
    run(str(file))
    assert entries(file, "ours", "prefixes") == found


@pytest.mark.parametrize("text", ["192.0.2.9-192.0.2.1", "192.0.2.0-2001:db8::1", "192.0.2.0/24-192.0.2.9", "1.1.1.1-"])
def test_ranges_that_are_none_are_told(file: Path, text: str) -> None:
    (file.parent / "nets.txt").write_text(text)
    with pytest.raises(FindingsError, match=r"nets\.txt:1:1: "):
        run(str(file))


def test_where_one_file_is_not_there_none_is_written(file: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.yaml: No such file"):
        run(str(file), str(file.parent / "absent.yaml"))
    assert file.read_text() == HEAD


def test_a_symbolic_link_stays_one_and_nothing_is_left_beside_it(file: Path) -> None:
    target = file.parent / "elsewhere" / "real.yaml"
    target.parent.mkdir()
    file.rename(target)
    file.symlink_to(target)
    run(str(file))
    assert file.is_symlink() and MARK in target.read_text()
    assert list(target.parent.iterdir()) == [target]
