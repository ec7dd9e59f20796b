"""dpi apps update of lists that overlap: one label keeps each entry, the admin's word counts most, all of it loads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dpi.cli.apps import command
from dpi.errors import FindingsError, UsageError
from dpi.match import signatures
from dpi.match.generated import MARK
from dpi.match.labels import Evidence
from dpi.match.signatures import load
from tests.apps_update import run
from tests.mmdb import database, system


def put(folder: Path, **texts: str) -> Path:
    """Files of a folder: `a_yaml` is a.yaml, a name without an ending is a list."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def label(slug: str, sources: str, more: str = "") -> str:
    return f"sources:\n  {slug}: {{{sources}}}\napps:\n  {slug}: {{category: web{more}}}\n"


@pytest.fixture
def sig(tmp_path: Path) -> Path:
    """Two files, each with a label that has a list of its own; one entry is in both."""
    return put(
        tmp_path / "sig",
        gg="gg.example\nshared.example\n",
        yt="yt.example\nshared.example\n",
        a_yaml=label("gg", "hosts: gg"),
        b_yaml=label("yt", "hosts: yt"),
    )


def files(sig: Path) -> list[str]:
    return sorted(map(str, sig.glob("*.yaml")))


def has(sig: Path, slug: str, kind: Evidence = "hosts") -> set[str]:
    """The entries of a label, of the folder as it would be read."""
    loaded = load([sig])
    return {entry.text for entry in loaded.entries(loaded.by_slug[slug], kind)}


def outcome(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["update", *arguments])


# Which label keeps an entry


def test_of_two_lists_the_label_that_comes_first_keeps_an_entry(sig: Path) -> None:
    for order in (files(sig), files(sig)[::-1]):
        out = run(*order)
        assert f"  shared.example: gg keeps it, not yt ({sig}/a.yaml:2)\n" in out
        assert (has(sig, "gg"), has(sig, "yt")) == ({"gg.example", "shared.example"}, {"yt.example"})


def test_so_it_is_within_one_file(sig: Path) -> None:
    (sig / "b.yaml").unlink()
    put(
        sig,
        a_yaml="sources:\n  yt: {hosts: yt}\n  gg: {hosts: gg}\napps:\n  gg: {category: web}\n  yt: {category: web}\n",
    )
    assert "shared.example: yt keeps it, not gg" in run(str(sig / "a.yaml"))
    assert (has(sig, "gg"), has(sig, "yt")) == ({"gg.example"}, {"yt.example", "shared.example"})


def test_what_many_leave_is_counted(sig: Path) -> None:
    put(sig, yt="yt.example\n" + "".join(f"h{n}.example\n" for n in range(1200)))
    put(sig, gg=(sig / "yt").read_text())
    assert "  and 1,196 more that others keep\n" in run(*files(sig))
    (_, change) = json.loads(run(*files(sig), "--json"))
    assert len(change["left"]) == 1201 and not has(sig, "yt")
    assert change["left"][0] == {"entry": "yt.example", "label": "gg", "where": f"{sig}/a.yaml:2"}


def test_a_prefix_that_a_list_and_a_database_have_is_the_firsts(sig: Path) -> None:
    (sig / "nets").write_text("192.0.2.7/32 198.51.100.0/24\n")
    (sig / "asn.mmdb").write_bytes(
        database({"192.0.2.7/32": system(64500, "OURS"), "203.0.113.0/24": system(64500, "OURS")})
    )
    put(sig, a_yaml=label("gg", "prefixes: nets"), b_yaml=label("yt", "prefixes: asn.mmdb, asn: 64500"))
    assert "192.0.2.7: gg keeps it, not yt" in run(*files(sig))
    assert has(sig, "gg", "prefixes") == {"192.0.2.7", "198.51.100.0/24"}
    assert has(sig, "yt", "prefixes") == {"203.0.113.0/24"}


@pytest.mark.parametrize("name", ["0.yaml", "z.yaml"])
def test_what_is_written_by_hand_beats_a_list(sig: Path, name: str) -> None:
    (sig / name).write_text("hosts: {netflix: gg.example}\nprefixes: {netflix: 2001:DB8::/32}\n")
    put(sig, nets="2001:db8::/32 192.0.2.0/24\n", a_yaml=label("gg", "hosts: gg, prefixes: nets"))
    out = run(str(sig / "a.yaml"))
    assert f"gg.example: netflix keeps it, not gg ({sig}/{name}:1)" in out
    assert f"2001:db8::/32: netflix keeps it, not gg ({sig}/{name}:2)" in out
    assert (has(sig, "gg"), has(sig, "gg", "prefixes")) == ({"shared.example"}, {"192.0.2.0/24"})


def test_what_is_written_by_hand_under_the_same_label_is_no_conflict(sig: Path) -> None:
    put(sig, a_yaml=label("gg", "hosts: gg", ", hosts: gg.example"))
    assert "gg hosts: 1 added, 0 removed, 1 in all\n  + shared.example\n" in run(str(sig / "a.yaml"))
    assert has(sig, "gg") == {"gg.example", "shared.example"}


def test_what_is_written_by_hand_under_two_labels_stays_a_mistake(sig: Path) -> None:
    before = label("gg", "hosts: gg", ", hosts: both.example") + "hosts: {netflix: both.example}\n"
    put(sig, a_yaml=before)
    with pytest.raises(UsageError, match=r"a\.yaml:\d+:\d+: \w+: both\.example is already listed under"):
        run(*files(sig))
    assert MARK not in (sig / "a.yaml").read_text() + (sig / "b.yaml").read_text()


def test_files_that_are_not_updated_keep_what_they_have(sig: Path) -> None:
    run(str(sig / "b.yaml"))
    assert "shared.example: yt keeps it, not gg" in run(str(sig / "a.yaml"))
    assert (has(sig, "gg"), has(sig, "yt")) == ({"gg.example"}, {"yt.example", "shared.example"})
    run(*files(sig))
    assert (has(sig, "gg"), has(sig, "yt")) == ({"gg.example", "shared.example"}, {"yt.example"})


def test_of_two_folders_the_later_has_an_entry_as_ever(tmp_path: Path, sig: Path) -> None:
    other = put(tmp_path / "other", mine="gg.example\n", c_yaml=label("cc", "hosts: mine"))
    out = run(*files(sig), str(other / "c.yaml"))
    assert "gg.example: " not in out
    match = load([sig, other]).explain("gg.example")[0]
    assert match.entry.label.slug == "cc"


# Whose a list is


def test_a_list_that_another_file_gives_to_a_label_is_that_labels(sig: Path) -> None:
    put(sig, gg="gg.example\ninclude:yt\n")
    out = run(*files(sig))
    assert f"skipped {sig}/gg:2: include:yt: left to yt" in out
    assert (has(sig, "gg"), has(sig, "yt")) == ({"gg.example"}, {"yt.example", "shared.example"})


def test_so_it_is_by_whatever_path_and_where_that_file_is_not_updated(sig: Path) -> None:
    put(sig, gg="gg.example\ninclude:yt\n", b_yaml=label("yt", "hosts: ../sig/yt"))
    assert "include:yt: left to yt" in run(str(sig / "a.yaml"))


def test_what_a_list_leaves_to_another_label_is_not_lost(sig: Path) -> None:
    (sig / "b.yaml").rename(sig / "later")
    put(sig, gg="gg.example\ninclude:yt\n", yt="".join(f"h{n}.example\n" for n in range(100)))
    run(str(sig / "a.yaml"))
    (sig / "later").rename(sig / "b.yaml")
    assert "gg hosts: 0 added, 100 removed, 1 in all" in run(*files(sig))
    assert len(has(sig, "yt")) == 100


def test_a_list_that_is_all_other_labels_is_not_empty(sig: Path) -> None:
    put(sig, gg="include:yt\n")
    assert "gg hosts: 0 added, 0 removed, 0 in all" in run(*files(sig))


# except


def test_a_label_may_exclude_entries_and_the_next_has_them(sig: Path) -> None:
    put(sig, a_yaml=label("gg", "hosts: gg, except: shared.example"))
    out = run(*files(sig))
    assert "keeps it" not in out
    assert (has(sig, "gg"), has(sig, "yt")) == ({"gg.example"}, {"yt.example", "shared.example"})


@pytest.mark.parametrize(
    ("excluded", "kept"),
    [
        ("x.example", {"*word*", "=a.y.example"}),
        ("=x.example", {"x.example", "=a.x.example", "*word*", "=a.y.example"}),
        ("'*.x.example *word*'", {"x.example", "=a.y.example"}),
        ("y.example", {"x.example", "=a.x.example", "*word*"}),
        ("a.x.example a.y.example", {"x.example", "*word*"}),
    ],
)
def test_a_name_is_excluded_with_all_below_it(sig: Path, excluded: str, kept: set[str]) -> None:
    put(sig, gg="x.example\nfull:a.x.example\nfull:a.y.example\nkeyword:word\n")
    put(sig, a_yaml=label("gg", f"hosts: gg, except: {excluded}"))
    run(str(sig / "a.yaml"))
    assert has(sig, "gg") == kept


def test_addresses_are_cut_out_of_prefixes(sig: Path) -> None:
    put(sig, nets="192.0.2.0/24 198.51.100.0/25 2001:db8::/32 151.101.0.140/255.255.0.255\n")
    excluded = "192.0.2.64/26 198.51.100.0/24 2001:db8:8000::/33 151.101.0.140/255.255.0.255"
    put(sig, a_yaml=label("gg", f"prefixes: nets, except: {excluded!r}"))
    run(str(sig / "a.yaml"))
    assert has(sig, "gg", "prefixes") == {"192.0.2.0/26", "192.0.2.128/25", "2001:db8::/33"}


def test_what_is_excluded_and_not_there_is_told_and_what_is_no_entry_is_wrong(sig: Path) -> None:
    put(sig, a_yaml=label("gg", "hosts: gg, except: [no.example, shared.example]"))
    assert f"skipped {sig}/a.yaml:2: no.example: not there\n" in run(str(sig / "a.yaml"))
    put(sig, a_yaml=label("gg", "hosts: gg, except: Nothing!"))
    with pytest.raises(FindingsError, match=r"a\.yaml:2:\d+: sources\.gg\.except: Nothing!: neither an entry"):
        run(str(sig / "a.yaml"))


# Lists that cannot be taken


def long(name: str, count: int) -> str:
    return "".join(f"{name}{number}.example\n" for number in range(count))


def test_a_list_that_has_lost_most_is_not_taken_unless_forced(sig: Path) -> None:
    put(sig, gg=long("g", 3001))
    run(*files(sig))
    put(sig, gg="g0.example\n", yt="yt.example\nnew.example\n")
    result = outcome(*files(sig))
    assert isinstance(result.exception, FindingsError) and result.exception.exit_code == 2
    assert str(result.exception) == (
        f"{sig}/a.yaml:2:15: sources.gg.hosts: {sig}/gg: 3,000 of the 3,001 hosts of gg are not in it any more; "
        "--force takes it nevertheless"
    )
    assert "gg hosts: not taken: 0 added, 0 removed, 3,001 in all" in result.stdout
    assert len(has(sig, "gg")) == 3001 and has(sig, "yt") == {"yt.example", "new.example"}
    assert "gg hosts: 0 added, 3,000 removed, 1 in all" in run(*files(sig), "--force")
    assert has(sig, "gg") == {"g0.example"}


@pytest.mark.parametrize(("before", "after", "taken"), [(12, 6, True), (12, 5, False), (6, 1, True), (7, 1, False)])
def test_half_may_go_and_a_few_always(sig: Path, before: int, after: int, taken: bool) -> None:
    put(sig, yt=long("y", before))
    run(*files(sig))
    put(sig, yt=long("y", after))
    assert (outcome(*files(sig)).exception is None) == taken
    assert len(has(sig, "yt")) == (after if taken else before)


def test_entries_that_wider_ones_replace_are_not_lost(sig: Path) -> None:
    put(sig, gg=long("a.g", 100), nets=" ".join(f"192.0.2.{number}" for number in range(64)))
    put(sig, a_yaml=label("gg", "hosts: gg, prefixes: nets"))
    run(*files(sig))
    put(sig, gg="".join(f"g{number}.example\n" for number in range(100)), nets="192.0.2.0/26\n")
    run(*files(sig))
    put(sig, nets="192.0.2.0/27\n192.0.2.32\n")
    run(*files(sig))
    assert has(sig, "gg", "prefixes") == {"192.0.2.0/27", "192.0.2.32"}


def test_an_include_of_what_is_not_there_is_told_with_its_line(sig: Path) -> None:
    put(sig, gg="gg.example\ninclude:more\n", more="# more\ninclude:nowhere\n")
    with pytest.raises(FindingsError) as caught:
        run(*files(sig))
    assert str(caught.value) == f"{sig}/more:2:1: include:nowhere: {sig}/nowhere: No such file or directory"
    put(sig, gg=f"include:{'long' * 100}\n")
    with pytest.raises(FindingsError, match="gg:1:1: include:long"):
        run(*files(sig))


# All of it, or as it was


def test_what_would_not_load_with_the_rest_of_the_folder_is_not_written(sig: Path) -> None:
    (sig / "z.yaml").write_text("apps:\n  zz: {category: nosuch}\n")
    with pytest.raises(UsageError, match=r"z\.yaml:2:18: apps\.zz\.category: there is no category"):
        run(*files(sig)[:2])
    assert MARK not in (sig / "a.yaml").read_text() + (sig / "b.yaml").read_text()


def test_a_file_beside_it_that_is_edited_meanwhile_counts_too(sig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def edited_meanwhile(*given: Any, **named: Any) -> Any:
        loaded = load(*given, **named)
        (sig / "z.yaml").write_text("hosts: {netflix: gg.example}\n")
        return loaded

    monkeypatch.setattr(signatures, "load", edited_meanwhile)
    with pytest.raises(UsageError, match=r"z\.yaml: was changed meanwhile; nothing is written"):
        run(*files(sig))
    assert MARK not in (sig / "a.yaml").read_text()


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_killed_between_any_two_writes_the_folder_loads_and_the_next_run_ends_it(sig: Path, writes: int) -> None:
    """shared.example goes from b.yaml to a.yaml, which is written first."""
    run(str(sig / "b.yaml"))
    killed = (
        "import os, signal\n"
        "from dpi.match import update\n"
        "real, left = update.replace, [int(os.environ['WRITES'])]\n"
        "def replace(*given):\n"
        "    if not left[0]:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    left[0] -= 1\n"
        "    real(*given)\n"
        "update.replace = replace\n"
        "from pathlib import Path\n"
        "import sys\n"
        "update.update([Path(each) for each in sys.argv[1:]], [])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", killed, *files(sig)], env={**os.environ, "WRITES": str(writes)}, check=False
    )
    assert done.returncode == (-signal.SIGKILL)
    load([sig])
    run(*files(sig))
    assert (has(sig, "gg"), has(sig, "yt")) == ({"gg.example", "shared.example"}, {"yt.example"})


def test_two_at_once_wait_for_each_other(sig: Path) -> None:
    results: list[int] = []

    def one() -> None:
        command = [sys.executable, "-m", "dpi", "apps", "update", *files(sig)]
        results.append(subprocess.run(command, check=False, capture_output=True).returncode)

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0, 0, 0]
    assert (has(sig, "gg"), has(sig, "yt")) == ({"gg.example", "shared.example"}, {"yt.example"})
    assert {each.name for each in sig.iterdir()} == {"a.yaml", "b.yaml", "gg", "yt"}


def test_what_has_not_changed_is_not_written_again(sig: Path) -> None:
    run(*files(sig))
    before = [(sig / name).stat().st_ino for name in ("a.yaml", "b.yaml")]
    run(*files(sig))
    assert [(sig / name).stat().st_ino for name in ("a.yaml", "b.yaml")] == before
