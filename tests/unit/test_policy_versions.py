"""The versions of a policy that were in force: kept whole, found again; a faulty disk is no worse than having none."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpi.errors import DpiError, UsageError
from dpi.policy import versions as module
from dpi.policy.versions import Instead, Source, Versions


@pytest.fixture
def source(tmp_path: Path) -> Source:
    config = tmp_path / "etc" / "policy.yaml"
    (config.parent / "policy.d").mkdir(parents=True)
    config.write_text("version: 1\n")
    (config.parent / "policy.d" / "10-more.yaml").write_text("rules: {}\n")
    return Source(config)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    return Versions(tmp_path / "versions")


def test_a_version_has_all_of_the_policys_text(versions: Versions, source: Source) -> None:
    version = versions.add(source, "abc", who="anna", comment="guests")
    assert (version.number, version.who, version.comment, version.hash) == (1, "anna", "guests", "abc")
    assert version.source.digest() == source.digest() == version.digest
    assert (version.source.config.parent / "policy.d" / "10-more.yaml").read_text() == "rules: {}\n"
    assert versions.all() == [version]


def test_a_version_has_the_lists_of_subscribers_too(versions: Versions, source: Source) -> None:
    listed = source.config.parent / "policy.d" / "subscribers.csv"
    listed.write_text("id,tariff,address\ns1,basic,100.64.0.1\n")
    first = versions.add(source, "abc")
    listed.write_text("id,tariff,address\ns1,basic,100.64.0.2\n")
    second = versions.add(source, "def")
    assert (first.number, second.number) == (1, 2)
    assert (first.source.config.parent / "policy.d" / "subscribers.csv").read_text().endswith(".1\n")
    assert first.source.digest() != second.source.digest() == source.digest()


def test_the_same_text_again_is_the_same_version_and_another_is_the_next(versions: Versions, source: Source) -> None:
    first = versions.add(source, "abc")
    assert versions.add(source, "abc") == first
    assert versions.add(first.source, "abc") == first
    source.config.write_text("version: 1 # more\n")
    second = versions.add(source, "abc")
    assert second.number == 2
    assert versions.add(first.source, "abc") == first
    assert versions.add(Source(source.config, ("link.up=1mbit",)), "abc").number == 3


def test_folders_of_signatures_are_found_from_the_copy_too(versions: Versions, source: Source) -> None:
    version = versions.add(source, "abc", ["/etc/dpi/mine", "/srv/it's"])
    assert version.source.sets == ('signatures=["/etc/dpi/mine", "/srv/it\'s"]',)
    assert version.digest == source.digest()


def test_only_so_many_are_kept_but_never_the_one_in_use_goes(
    versions: Versions, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    versions.add(source, "")
    versions.set_instead(Instead(1, "digest"))
    for n in range(6):
        source.config.write_text(f"# {n}\n")
        versions.add(source, "")
    assert [version.number for version in versions.all()] == [1, 5, 6, 7]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"time": "never"}', '{"time": 1}', "null"])
def test_a_damaged_version_is_passed_over(versions: Versions, source: Source, text: str) -> None:
    kept = versions.add(source, "abc")
    source.config.write_text("# other\n")
    versions.add(source, "abc")
    (versions.folder / "2" / "about.json").write_text(text)
    assert versions.all() == [kept]
    with pytest.raises(UsageError, match="no version 2"):
        versions.get(2)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', "null"])
def test_a_damaged_word_on_what_is_in_force_is_none(versions: Versions, source: Source, text: str) -> None:
    versions.add(source, "abc")
    (versions.folder / "instead.json").write_text(text)
    assert versions.instead() is None


def test_what_is_in_force_instead_is_remembered_until_it_is_taken_back(versions: Versions) -> None:
    versions.set_instead(Instead(4, "digest", unconfirmed=True))
    assert Versions(versions.folder).instead() == Instead(4, "digest", True)
    versions.set_instead(None)
    assert versions.instead() is None
    versions.set_instead(None)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, source: Source) -> None:
    (tmp_path / "file").write_text("")
    versions = Versions(tmp_path / "file")
    assert versions.all() == []
    with pytest.raises(DpiError, match="cannot be kept"):
        versions.add(source, "abc")
    with pytest.raises(DpiError, match="file"):
        versions.set_instead(Instead(1, ""))


def test_a_copy_that_was_cut_off_is_made_anew(versions: Versions, source: Source) -> None:
    (versions.folder / ".1.part" / "policy.d").mkdir(parents=True)
    assert versions.add(source, "abc").number == 1
