"""Signatures are read again while flows live: numbers stay, flows keep their labels, a wrong file changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cores import datagram

from dpi.daemon.signature_files import SignatureFiles
from dpi.engine import Engine
from dpi.errors import FindingsError
from dpi.match.signatures import load

BEFORE = """
categories: {ours: {}, theirs: {}}
apps:
  first: {category: ours, signatures: [{transport: udp, bytes: [{at: 0, text: FIRST}]}]}
  second: {category: theirs, signatures: [{transport: udp, bytes: [{at: 0, text: SECOND}]}]}
"""
AFTER = """
categories: {new: {}, theirs: {name: Theirs}}
apps:
  third: {category: new, signatures: [{transport: udp, bytes: [{at: 0, text: THIRD}]}]}
  second: {category: theirs, name: Another, signatures: [{transport: udp, bytes: [{at: 0, text: "2ECOND"}]}]}
"""


@pytest.fixture
def mine(small: Path, tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.yaml").write_text(BEFORE)
    return tmp_path / "mine"


def test_numbers_stay_and_are_not_given_again(mine: Path) -> None:
    before = load([mine])
    (mine / "a.yaml").write_text(AFTER)
    after = load([mine], before)
    assert after.by_slug["second"].id == before.by_slug["second"].id
    assert after.by_slug["third"].id == len(before.labels)
    assert after.labels[before.by_slug["first"].id] is None
    assert after.category_by_slug["theirs"].id == before.category_by_slug["theirs"].id
    assert "ours" not in after.category_by_slug
    assert after.category_by_slug["new"].id == len(before.categories)
    (mine / "a.yaml").write_text(BEFORE)
    assert load([mine], after).by_slug["first"].id == len(after.labels)


def test_flows_keep_their_labels_and_new_ones_get_the_new(mine: Path) -> None:
    engine = Engine(load([mine]), max_flows=1024)
    for sport, data in ((1, b"FIRST"), (2, b"SECOND")):
        datagram(engine.cores[0], data, sport=sport, dport=9)
    (mine / "a.yaml").write_text(AFTER)
    engine.adopt(load([mine], engine.signatures))
    for sport, data in ((3, b"THIRD"), (4, b"SECOND"), (5, b"2ECOND"), (6, b"FIRST")):
        datagram(engine.cores[0], data, sport=sport, dport=9)
    found = {record.sport: (record.app, record.category) for record in engine.flows()}
    assert found == {
        1: (None, "unknown"),
        2: ("second", "theirs"),
        3: ("third", "new"),
        4: (None, None),
        5: ("second", "theirs"),
        6: (None, None),
    }


def test_the_daemon_reads_them_again_only_where_a_file_has_changed(mine: Path) -> None:
    files = SignatureFiles()
    files.vocabulary((mine,))
    assert files.adopt()
    first = files.used
    files.vocabulary((mine,))
    assert not files.adopt() and files.used is first
    (mine / "a.yaml").write_text(AFTER)
    os.utime(mine / "a.yaml", (1, 1))
    assert "third" in files.vocabulary((mine,)).apps
    assert files.used is first  # until the policy that was read is in force
    assert files.adopt() and files.used is not first


def test_a_wrong_file_leaves_what_was_in_use(mine: Path) -> None:
    files = SignatureFiles()
    files.vocabulary((mine,))
    files.adopt()
    first = files.used
    (mine / "b.yaml").write_text("apps: 7\n")
    with pytest.raises(FindingsError):
        files.vocabulary((mine,))
    assert not files.adopt() and files.used is first
