"""`dpi subscribers` as it is typed: edits keep what they do not mean, a list is taken whole or not at all."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from test_policy_cli import run, said
from test_subscribers import POLICY

from dpi.policy.subscriber_entries import Entry
from dpi.policy.subscriber_lists import edited

CSV = """\
# from billing, by night
id;tariff;ipv4;ipv6;parent
s1;home;10.1.0.1;2001:db8:1::/56;mast

# the hill
s2 ; "plain" ;10.1.0.2 10.1.0.3;;
s3;plain;10.1.0.4;;north
"""
YAML = """\
subscribers:
  default: plain   # all others
  entries:
    # the mayor
    a: {tariff: home, address: 10.0.0.1, parent: mast}   # since 2019
    b:
      tariff: plain
      address:
        - 10.0.0.2
        - 10.0.0.3

    c:
      address: [10.0.0.4, "2001:db8:c::/64"]
      tariff: plain  # for now
      parent: north
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DPI_SOCKET", str(tmp_path / "none"))
    folder = tmp_path / "policy.d"
    folder.mkdir()
    (folder / "list.csv").write_text(CSV)
    (tmp_path / "policy.yaml").write_text(POLICY + YAML)
    return tmp_path / "policy.yaml"


def table(config: Path) -> Path:
    return config.parent / "policy.d" / "list.csv"


def do(config: Path, *words: str | Path, code: int = 0) -> str:
    return said(run("subscribers", words[0], "--config", config, *words[1:], code=code))


def listed(config: Path, *words: str) -> list[str]:
    rows: list[dict[str, Any]] = json.loads(do(config, "list", "--json", *words))
    return [row["id"] for row in rows]


def test_subscribers_are_listed_by_id_tariff_site_and_address(config: Path) -> None:
    assert listed(config) == ["a", "b", "c", "s1", "s2", "s3"]
    assert listed(config, "s?") == ["s1", "s2", "s3"]
    assert listed(config, "--tariff", "home") == ["a", "s1"]
    assert listed(config, "--site", "north") == ["a", "c", "s1", "s3"], "those behind the mast are behind it too"
    assert listed(config, "--address", "2001:db8:1:7::9") == ["s1"]
    assert listed(config, "--address", "10.1.0.0/24") == ["s1", "s2", "s3"]
    assert listed(config, "--address", "192.0.2.1") == []
    row = json.loads(do(config, "list", "--json", "s1"))[0]
    assert (row["address"], row["sites"]) == (["10.1.0.1", "2001:db8:1::/56"], ["mast", "north"])
    assert row["where"] == f"{table(config)}:3"
    assert "there is no tariff hom; did you mean home?" in do(config, "list", "--tariff", "hom", code=2)
    assert "no address" in do(config, "list", "--address", "ten", code=2)


def test_one_is_shown_with_its_classes_and_rates(config: Path) -> None:
    shown = json.loads(do(config, "show", "s1", "--json"))
    down = [(c["kind"], c["name"], c["ceil"]) for c in shown["classes"] if c["direction"] == "down"]
    assert down == [
        ("class", "rest", 40_000_000),
        ("class", "video", 32_000_000),
        ("subscriber", "s1", 40_000_000),
        ("site", "mast", 30_000_000),
        ("site", "north", 60_000_000),
    ]
    assert "behind   mast → north" in do(config, "show", "s1")
    assert "did you mean s1?" in do(config, "show", "s11", code=2)


def test_a_csv_keeps_its_comments_blanks_quotes_and_order(config: Path) -> None:
    do(config, "set", "s2", "--tariff", "home", "--add-address", "2001:db8:2::/56", "--remove-address", "10.1.0.3")
    do(config, "add", "s4", "--tariff", "plain", "--address", "10.1.0.9", "--address", "2001:db8:4::1")
    do(config, "remove", "s3")
    do(config, "set", "s1", "--no-parent")
    assert table(config).read_text() == (
        "# from billing, by night\n"
        "id;tariff;ipv4;ipv6;parent\n"
        "s1;home;10.1.0.1;2001:db8:1::/56;\n"
        "\n"
        "# the hill\n"
        "s2 ;home;10.1.0.2;2001:db8:2::/56;\n"
        "s4;plain;10.1.0.9;2001:db8:4::1;\n"
    )


def test_yaml_keeps_its_comments_and_its_form(config: Path) -> None:
    do(config, "set", "a", "--address", "10.0.0.9", "--no-parent")
    do(config, "set", "b", "--add-address", "10.0.0.8", "--parent", "mast")
    do(config, "set", "c", "--tariff", "home", "--no-parent")
    do(config, "add", "d", "--tariff", "plain", "--address", "2001:db8:d::/64", "--file", config)
    assert (
        config.read_text()
        == POLICY
        + """\
subscribers:
  default: plain   # all others
  entries:
    # the mayor
    a: {tariff: home, address: 10.0.0.9}   # since 2019
    b:
      parent: mast
      tariff: plain
      address:
        [10.0.0.2, 10.0.0.3, 10.0.0.8]

    c:
      address: [10.0.0.4, "2001:db8:c::/64"]
      tariff: home  # for now
    d: {tariff: plain, address: "2001:db8:d::/64"}
"""
    )
    for name in "abcd":
        do(config, "remove", name)
    assert config.read_text().endswith("  default: plain   # all others\n  entries: {}\n\n")
    do(config, "add", "e", "--tariff", "plain", "--address", "10.0.0.1", "--file", config)
    assert config.read_text().endswith("  entries:\n    e: {tariff: plain, address: 10.0.0.1}\n\n")


def test_the_first_subscriber_has_a_list_made_for_it(config: Path) -> None:
    table(config).unlink()
    do(config, "add", "1001", "--tariff", "plain", "--address", "10.3.0.1", "--parent", "mast")
    made = config.parent / "policy.d" / "subscribers.csv"
    assert made.read_text() == "id,tariff,address,parent\n1001,plain,10.3.0.1,mast\n"
    config.write_text(POLICY)
    do(config, "add", "1002", "--tariff", "plain", "--address", "10.3.0.2", "--file", "more.yaml")
    assert (config.parent / "policy.d" / "more.yaml").read_text() == (
        'subscribers:\n  entries:\n    "1002": {tariff: plain, address: 10.3.0.2}\n'
    )
    table(config).write_text(CSV)
    assert "there are several lists" in do(config, "add", "x", "--tariff", "plain", "--address", "10.3.0.3", code=2)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("add", "s9", "--tariff", "hom", "--address", "10.9.0.1"),
            "list.csv:8:4: subscribers.entries.s9.tariff: there is no",
        ),
        (("add", "s9", "--tariff", "home", "--address", "10.1.0.1"), "10.1.0.1 is s1's already"),
        (("add", "s9", "--tariff", "home", "--address", "10.1.0.5/24"), "has host bits set"),
        (("add", "s1", "--tariff", "home", "--address", "10.9.0.1"), "there is a subscriber s1 already"),
        (("add", "a", "--tariff", "home", "--address", "10.9.0.1"), "there is a subscriber a already"),
        (("add", "s/9", "--tariff", "home", "--address", "10.9.0.1"), "is no name"),
        (("set", "s1", "--parent", "mats"), "there is no site mats; did you mean mast?"),
        (("set", "s1", "--remove-address", "10.9.9.9"), "does not have 10.9.9.9"),
        (("set", "a", "--remove-address", "10.0.0.1"), "would have no address"),
        (("set", "s1"), "nothing to change"),
        (("remove", "nobody"), "there is no subscriber nobody"),
        (("remove", "a", "s1"), "several files"),
        (("add", "s9", "--tariff", "home", "--address", "10.9.0.1", "--file", "/tmp/x.csv"), "no part of this policy"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_lost(config: Path, words: tuple[str, ...], says: str) -> None:
    assert says in do(config, *words, code=2)
    assert (config.read_text(), table(config).read_text()) == (POLICY + YAML, CSV)
    assert [each.name for each in table(config).parent.iterdir()] == ["list.csv"]


def test_a_column_that_is_missing_is_told_or_added() -> None:
    text = "id,tariff,ipv4\r\ns1,home,10.0.0.1"
    new = edited(text, Path("x.csv"), {"s2": Entry("home", ("10.0.0.2",), "mast")})
    assert new == "id,tariff,ipv4,parent\r\ns1,home,10.0.0.1\r\ns2,home,10.0.0.2,mast\r\n"
    with pytest.raises(Exception, match=r"x\.csv:1: there is no column for 2001:db8::1"):
        edited(text, Path("x.csv"), {"s2": Entry("home", ("2001:db8::1",))})


# Whole lists

NEW = """\
id;tariff;ipv4;ipv6;parent
s1;plain;10.1.0.1;2001:db8:1::/56;mast
s2;plain;10.1.0.3 10.1.0.2;;
s5;home;10.1.0.5;;mast
"""


def source(config: Path, text: str, name: str = "export.csv") -> Path:
    path = config.parent / name
    path.write_text(text)
    return path


def test_an_import_says_what_changes_and_puts_the_list_in_place(config: Path) -> None:
    new = source(config, NEW)
    before = table(config).read_text()
    said_ = do(config, "import", new, "--into", "list.csv", "--dry-run")
    assert table(config).read_text() == before
    assert said_.splitlines() == [
        "subscribers: +1 -1 ~1, 4 as before",
        "+ s5: home, 10.1.0.5, behind mast",
        "- s3: plain, 10.1.0.4, behind north",
        "~ s1: tariff home → plain",
    ]
    told = json.loads(do(config, "import", new, "--into", table(config), "--json"))
    assert (list(told["added"]), list(told["removed"]), list(told["changed"]), told["kept"]) == (
        ["s5"],
        ["s3"],
        ["s1"],
        4,
    )
    assert table(config).read_text() == NEW
    again = do(config, "import", new, "--into", table(config))
    assert again == "subscribers: +0 -0 ~0, 6 as before\n"


def test_a_merge_removes_nobody_and_keeps_the_lists_comments(config: Path) -> None:
    do(config, "import", source(config, NEW), "--into", "list.csv", "--merge")
    assert table(config).read_text() == CSV.replace("s1;home", "s1;plain") + "s5;home;10.1.0.5;;mast\n"
    yaml = "subscribers:\n  entries:\n    s1: {tariff: home, address: [10.1.0.1, '2001:db8:1::/56'], parent: mast}\n"
    do(config, "import", source(config, yaml, "one.yaml"), "--into", "list.csv", "--merge")
    assert table(config).read_text() == CSV + "s5;home;10.1.0.5;;mast\n"


def test_a_list_changes_its_format_on_the_way(config: Path) -> None:
    table(config).unlink()
    config.write_text(POLICY)
    do(
        config,
        "import",
        source(config, YAML.replace("  default: plain   # all others\n", ""), "x.yaml"),
        "--into",
        "a.csv",
    )
    made = (config.parent / "policy.d" / "a.csv").read_text()
    assert made == (
        "id,tariff,address,parent\na,home,10.0.0.1,mast\nb,plain,10.0.0.2 10.0.0.3,\n"
        "c,plain,10.0.0.4 2001:db8:c::/64,north\n"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (NEW.replace("home", "hom"), "export.csv:4:4: subscribers.entries.s5.tariff: there is no tariff hom; did you"),
        (
            NEW.replace("10.1.0.5", "10.0.0.1"),
            "export.csv:4:9: subscribers.entries.s5.address[0]: 10.0.0.1 is a's already",
        ),
        (NEW.replace("s5", "s1"), "export.csv:4:1: `s1` stands here a second time; first at line 2"),
        (NEW.replace("s5", "a"), "export.csv:4:1: subscribers.entries.a: already said at"),
        (
            NEW.replace("10.1.0.5", "10.1.0.5/8"),
            "export.csv:4:9: subscribers.entries.s5.address[0]: 10.1.0.5/8 has host",
        ),
        (NEW.replace("ipv4", "ip4"), "export.csv:1:11: no column is called 'ip4'"),
        ("id;tariff;address\n", "3 of the 3 subscribers in"),
        ("", "export.csv"),
    ],
)
def test_a_list_that_is_wrong_is_told_at_its_place_and_nothing_changes(config: Path, text: str, says: str) -> None:
    new = source(config, text)
    if text:
        assert says in do(config, "import", new, "--into", "list.csv", code=2)
    else:
        do(config, "import", new, "--into", "list.csv", code=2)
    assert table(config).read_text() == CSV
    assert [each.name for each in table(config).parent.iterdir()] == ["list.csv"]


def test_what_is_no_list_is_refused(config: Path) -> None:
    words = ("import", source(config, "subscribers: {entries: {}}\nrules: {}\n", "x.yaml"))
    assert "x.yaml:2:1: a list holds `subscribers: {entries: …}` and nothing else" in do(config, *words, code=2)
    assert "neither .csv nor .yaml" in do(config, "import", source(config, "", "x.txt"), code=2)
    assert "cannot be read" in do(config, "import", config.parent / "none.csv", code=2)
    assert "is that list itself" in do(config, "import", table(config), "--into", "list.csv", code=2)


def test_most_of_a_list_goes_only_by_force(config: Path) -> None:
    short = source(config, "id,tariff,address\ns1,home,10.1.0.1\n")
    assert "2 of the 3 subscribers" in do(config, "import", short, "--into", "list.csv", code=2)
    assert table(config).read_text() == CSV
    do(config, "import", short, "--into", "list.csv", "--force")
    assert listed(config) == ["a", "b", "c", "s1"]


@pytest.mark.parametrize("at", ["fsync", "rename"])
def test_killed_in_the_middle_of_an_import_the_list_is_as_it_was(config: Path, at: str) -> None:
    new = source(config, NEW)
    child = os.fork()
    if child == 0:

        def die(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        setattr(os if at == "fsync" else Path, at, die)
        do(config, "import", new, "--into", "list.csv")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert table(config).read_text() == CSV
    assert listed(config) == ["a", "b", "c", "s1", "s2", "s3"], "what is left of it is no list"
    do(config, "import", new, "--into", "list.csv")
    assert table(config).read_text() == NEW


def test_devices_and_vlans_in_a_csv(config: Path) -> None:
    do(config, "add", "s5", "--tariff", "home", "--mac", "02-11-22-33-44-55", "--mac", "0211.2233.4456")
    do(config, "set", "s2", "--add-vlan", "7", "--remove-address", "10.1.0.3")
    assert table(config).read_text() == (
        "# from billing, by night\n"
        "id;tariff;ipv4;ipv6;parent;mac;vlan\n"
        "s1;home;10.1.0.1;2001:db8:1::/56;mast\n"
        "\n"
        "# the hill\n"
        's2 ; "plain" ;10.1.0.2;;;;7\n'
        "s3;plain;10.1.0.4;;north\n"
        "s5;home;;;;02-11-22-33-44-55 0211.2233.4456\n"
    )
    assert listed(config, "--address", "02:11:22:33:44:56") == ["s5"]
    assert "mac      02:11:22:33:44:55 02:11:22:33:44:56" in do(config, "show", "s5")
    do(config, "set", "s5", "--remove-mac", "02:11:22:33:44:55", "--add-mac", "02:11:22:33:44:77")
    assert "s5;home;;;;0211.2233.4456 02:11:22:33:44:77\n" in table(config).read_text()
    assert "does not have 02:11:22:33:44:01" in do(config, "set", "s5", "--remove-mac", "02:11:22:33:44:01", code=2)
    assert "known by what?" in do(config, "add", "s6", "--tariff", "home", code=2)
    assert "02:11 is no MAC" in do(config, "add", "s6", "--tariff", "home", "--mac", "02:11", code=2).replace("'", "")


def test_devices_and_vlans_in_yaml(config: Path) -> None:
    place = ("--file", str(config))
    do(config, "add", "d", "--tariff", "home", "--vlan", "9", *place)
    do(config, "set", "a", "--mac", "02:11:22:33:44:55", "--remove-address", "10.0.0.1")
    do(
        config,
        "set",
        "b",
        "--add-mac",
        "02:11:22:33:44:66",
        "--remove-address",
        "10.0.0.2",
        "--remove-address",
        "10.0.0.3",
    )
    do(config, "set", "c", "--add-vlan", "7", "--add-vlan", "8")
    text = config.read_text()
    assert "    d: {tariff: home, vlan: 9}\n" in text
    assert '    a: {tariff: home, parent: mast, mac: "02:11:22:33:44:55"}   # since 2019\n' in text
    assert '    b:\n      mac: "02:11:22:33:44:66"\n      tariff: plain\n\n    c:\n' in text
    assert "    c:\n      vlan: [7, 8]\n      address: [10.0.0.4" in text
    do(config, "set", "a", "--remove-mac", "02:11:22:33:44:55", "--vlan", "5")
    assert "    a: {tariff: home, parent: mast, vlan: 5}   # since 2019\n" in config.read_text()
    assert "would have no address, MAC address or VLAN" in do(config, "set", "a", "--remove-vlan", "5", code=2)


def test_an_import_says_which_keys_come_and_go(config: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text(
        "id,tariff,address,mac,vlan\ns1,home,10.1.0.1,02:11:22:33:44:55,\ns2,plain,,,7\ns3,plain,10.1.0.4,,\n"
    )
    said_ = do(config, "import", new, "--into", "list.csv", "--dry-run")
    assert "~ s1: -2001:db8:1::/56, +02:11:22:33:44:55, behind mast → link" in said_
    assert "~ s2: -10.1.0.2, -10.1.0.3, +VLAN 7" in said_
    do(config, "import", new, "--into", "list.csv", "--merge")
    assert listed(config, "--address", "02:11:22:33:44:55") == ["s1"]
