"""dpi apps update from a database of autonomous systems: whose prefixes are taken, and what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpi.errors import FindingsError, UsageError
from dpi.match import asn
from dpi.match.sources import Owners
from tests.apps_update import entries, run
from tests.mmdb import MARK, database, system

HEAD = """# mine
sources:
  ours: {prefixes: asn.mmdb, asn: AS64500 64501}
  theirs: {prefixes: asn.mmdb, asn: [64502], organisations: ["THEIRS*", "Another, Inc."]}
apps:
  ours: {category: web}
  theirs: {category: cloud}
"""
SYSTEMS = {
    "192.0.2.0/25": system(64500, "OURS-A"),
    "192.0.2.128/25": system(64501, "OURS-B"),
    "198.51.100.0/24": system(64510, "Theirs-West"),
    "198.51.101.0/24": system(64502, "somebody"),
    "203.0.113.0/24": system(64511, "another, inc."),
    "203.0.114.0/24": system(64512, "Nobody's"),
    "2001:db8::/33": system(64500, "OURS-A"),
    "2001:db8:8000::/33": system(64500, "OURS-A"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "asn.mmdb").write_bytes(database(SYSTEMS))
    (tmp_path / "mine.yaml").write_text(HEAD)
    return tmp_path / "mine.yaml"


def test_the_systems_prefixes_become_entries_as_few_as_say_the_same(file: Path) -> None:
    out = run(str(file))
    assert f"{file}: ours prefixes: 2 added, 0 removed, 2 in all" in out
    assert entries(file, "ours", "prefixes") == {"192.0.2.0/24", "2001:db8::/32"}
    assert entries(file, "theirs", "prefixes") == {"198.51.100.0/23", "203.0.113.0/24"}
    assert file.read_text().startswith(HEAD)


def test_a_newer_database_changes_only_what_is_new_in_it(file: Path) -> None:
    run(str(file))
    (file.parent / "asn.mmdb").write_bytes(database(SYSTEMS | {"192.0.2.128/25": system(64999, "sold")}))
    ours, theirs = json.loads(run(str(file), "--json"))
    assert (ours["added"], ours["removed"], ours["total"]) == (["192.0.2.0/25"], ["192.0.2.0/24"], 2)
    assert ours["skipped"] == [f"{file.parent}/asn.mmdb: AS64501: not there"]
    assert not theirs["added"] and not theirs["removed"]


def test_a_database_of_ipv4_alone_is_read_too(file: Path) -> None:
    (file.parent / "asn.mmdb").write_bytes(
        database({net: each for net, each in SYSTEMS.items() if ":" not in net}, ip_version=4)
    )
    run(str(file))
    assert entries(file, "ours", "prefixes") == {"192.0.2.0/24"}


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ("{prefixes: asn.mmdb}", "3:20: sources.ours.prefixes: of a database, `asn` or"),
        ("{asn: 64500}", "3:9: sources.ours: `asn` and `organisations` choose from"),
        ("{prefixes: a.mmdb, asn: 64500 ASx}", "3:33: sources.ours.asn: ASx: not the number"),
        ("{prefixes: a.mmdb, asn: 4294967296}", "not the number of an autonomous system"),
        ("{prefixes: a.mmdb, asn: 0}", "not the number of an autonomous system"),
        ("{prefixes: a.mmdb, asn: {a: 1}}", "sources.ours.asn: a list is needed here"),
        ("{prefixes: a.mmdb, organisations: [a, '*']}", "an organisation's name is needed here"),
    ],
)
def test_a_mistake_in_the_mapping_is_told_with_its_place(file: Path, sources: str, said: str) -> None:
    file.write_text(f"# mine\nsources:\n  ours: {sources}\napps:\n  ours: {{category: web}}\n")
    before = file.read_text()
    with pytest.raises(FindingsError) as caught:
        run(str(file))
    assert f"{file}:" in str(caught.value) and said in str(caught.value)
    assert file.read_text() == before


WHOLE = database(SYSTEMS)


def refused(file: Path, data: bytes) -> str:
    """What is said of such a database; the file, with what an update wrote before, is as it was."""
    (file.parent / "asn.mmdb").write_bytes(WHOLE)
    run(str(file))
    before = file.read_bytes()
    (file.parent / "asn.mmdb").write_bytes(data)
    with pytest.raises(UsageError) as caught:
        run(str(file))
    assert file.read_bytes() == before
    assert {each.name for each in file.parent.iterdir()} == {"asn.mmdb", "mine.yaml"}
    return str(caught.value)


def test_what_is_no_database_is_refused_and_nothing_is_lost(file: Path) -> None:
    assert "not a database in MaxMind's format, or damaged" in refused(file, b"192.0.2.0/24\n")
    assert "not a database in MaxMind's format, or damaged" in refused(file, b"")


@pytest.mark.parametrize("end", [WHOLE.index(MARK) - 20, WHOLE.index(MARK), len(WHOLE) // 2, len(WHOLE) - 40])
def test_a_cut_one_is_refused_and_nothing_is_lost(file: Path, end: int) -> None:
    assert str(file.parent / "asn.mmdb") in refused(file, WHOLE[:end])


def test_one_whose_tree_goes_round_in_circles_is_refused(file: Path) -> None:
    assert "damaged" in refused(file, bytes(6) + WHOLE[6:])


def test_one_of_cities_is_refused(file: Path) -> None:
    cities = database({"192.0.2.0/24": {"city": "Nowhere"}}, kind="GeoLite2-City")
    assert "it says that it is GeoLite2-City" in refused(file, cities)


def test_one_that_is_not_there_is_wrong_input(file: Path) -> None:
    (file.parent / "asn.mmdb").unlink()
    with pytest.raises(UsageError, match=r"asn\.mmdb: No such file"):
        run(str(file))


@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(WHOLE)
    for at, byte in changes:
        data[at] = byte
    path = tmp_path_factory.getbasetemp() / "changed.mmdb"
    path.write_bytes(data)
    try:
        asn.announced(path, {"ours": Owners((64500,), ("a*",))}, {"ours": []})
    except UsageError as error:
        assert str(path) in str(error)
