"""However lists of several files overlap, each entry has one keeper, and the folder loads after every write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signature_folders import few

from dpi.match import signatures, update
from dpi.match.covered import Ranges, holders, without
from dpi.match.signatures import load

NAMES = ["a.example", "=a.example", "b.a.example", "*.a.example", "c.example", "*word*"]
SPELLED = {"=": "full:", "*": "keyword:"}
entries = st.lists(st.sampled_from([name for name in NAMES if not name.startswith("*.")]), min_size=1, unique=True)


@dataclass(frozen=True)
class Label:
    slug: str
    file: str
    list: list[str]
    by_hand: list[str]
    excluded: list[str]


@st.composite
def folders(draw: st.DrawFn) -> tuple[list[Label], list[list[str]]]:
    """Labels in up to three files, each with a list, and what the lists hold later."""
    hand = draw(st.permutations(NAMES))
    labels = []
    for number in range(draw(st.integers(1, 4))):
        mine = [hand.pop() for _ in range(draw(st.integers(0, 1)))]
        excluded = draw(st.lists(st.sampled_from(NAMES), max_size=1))
        labels.append(Label(f"l{number}", draw(st.sampled_from("abc")), draw(entries), mine, excluded))
    return sorted(labels, key=lambda label: label.file), [draw(entries) for _ in labels]


def write_list(folder: Path, label: Label, words: list[str]) -> None:
    text = "".join(f"{SPELLED.get(word[0], '')}{word.strip('*=')}\n" for word in words)
    (folder / label.slug).write_text(text)


def write(folder: Path, labels: list[Label]) -> list[Path]:
    for file in {label.file for label in labels}:
        mine = [label for label in labels if label.file == file]
        sources = [f"  {each.slug}: {{hosts: {each.slug}, except: {each.excluded!r}}}\n" for each in mine]
        apps = [f"  {each.slug}: {{category: web, hosts: {each.by_hand!r}}}\n" for each in mine]
        (folder / f"{file}.yaml").write_text(f"sources:\n{''.join(sources)}apps:\n{''.join(apps)}")
    for label in labels:
        write_list(folder, label, label.list)
    return sorted(folder.glob("*.yaml"))


def keepers(labels: list[Label], lists: list[list[str]]) -> dict[str, str]:
    """The label of each entry: by hand, else the first whose list has it and that does not exclude it."""
    found = {word: label.slug for label in labels for word in label.by_hand}
    for label, words in zip(labels, lists, strict=True):
        for word in words:
            if not any(holders(word, label.excluded)):
                found.setdefault(word, label.slug)
    return found


def held(folder: Path) -> dict[str, str]:
    loaded = load([folder])
    mine = [label for slug, label in loaded.by_slug.items() if slug in ("l0", "l1", "l2", "l3")]
    return {entry.text: label.slug for label in mine for entry in loaded.entries(label, "hosts")}


@pytest.fixture(scope="module", autouse=True)
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "BUILT_IN", few(tmp_path_factory.mktemp("built-in")))
        yield


@settings(max_examples=40, deadline=None)
@given(folders())
def test_each_entry_has_one_keeper_and_the_folder_loads_after_each_write(
    tmp_path_factory: pytest.TempPathFactory, drawn: tuple[list[Label], list[list[str]]]
) -> None:
    labels, later = drawn
    folder = tmp_path_factory.mktemp("mine")
    files = write(folder, labels)
    _, findings = update.update(files, [])
    assert not findings and held(folder) == keepers(labels, [label.list for label in labels])
    for label, words in zip(labels, later, strict=True):
        write_list(folder, label, words)
    replace = update.replace

    def looked_at(file: Path, content: bytes) -> None:
        replace(file, content)
        held(folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "replace", looked_at)
        update.update(files, [])
    assert held(folder) == keepers(labels, later)
    changes, _ = update.update(files, [])
    assert not any(change.added or change.removed for change in changes)


prefixes = st.lists(
    st.builds(
        lambda number, length: str(ip_network((0x0A000000 + number, length), strict=False)),
        st.integers(0, 2047),
        st.integers(22, 32),
    )
)


@given(prefixes, prefixes)
def test_what_is_cut_out_of_prefixes_is_just_the_addresses_that_are_excluded(
    mine: list[str], excluded: list[str]
) -> None:
    kept, idle = without("prefixes", mine, excluded)
    assert addresses(kept) == addresses(mine) - addresses(excluded)
    assert idle == {each for each in excluded if not addresses([each]) & addresses(mine)}
    assert all(Ranges(mine).touch(each) and not Ranges(excluded).touch(each) for each in kept)


def addresses(words: list[str]) -> set[int]:
    nets = [ip_network(word) for word in words]
    return {number for net in nets for number in range(int(net.network_address), int(net.broadcast_address) + 1)}
