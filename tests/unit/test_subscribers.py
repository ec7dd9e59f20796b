"""Tariffs, sites and subscribers: read from YAML and CSV, checked at once, numbered for good."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from policy_texts import LINK, WORDS, planned, write

from dpi.policy import branches, show
from dpi.policy.check import inspect
from dpi.policy.diff import diff
from dpi.policy.plan import Branch, Ids, SubscriberPlan

CLASSES = (
    "classes:\n"
    "  rest: {rate: 50%, ceil: 100%, default: true}\n"
    "  video: {rate: 20%, ceil: 100%}\n"
    "  voice: {rate: 10%, priority: 0}\n"
    "rules: {video: {match: {app: netflix}, shape: video}, voice: {match: {app: zoom}, shape: voice}}\n"
)
TARIFFS = (
    "tariffs:\n"
    "  home: {rate: {down: 40mbit, up: 8mbit}, classes: {video: {rate: 50%, ceil: 80%}}}\n"
    "  plain: {rate: 10mbit, ceil: 20mbit}\n"
    "sites:\n"
    "  north: {rate: 60mbit}\n"
    "  mast: {parent: north, rate: 30mbit}\n"
)
POLICY = LINK + CLASSES + TARIFFS
ONE = "subscribers: {default: plain, entries: {a: {tariff: home, address: 10.0.0.1, parent: mast}}}\n"


def found(folder: Path, policy: str, **tables: str) -> list[str]:
    for name, text in tables.items():
        write(folder / "policy.d", text, f"{name}.csv")
    path = write(folder, policy)
    _, findings = inspect(path, names=lambda _: WORDS)
    return [str(finding).removeprefix(f"{folder}/") for finding in findings]


def tree(folder: Path, policy: str, known: Ids | None = None) -> SubscriberPlan:
    subscribers = planned(folder, policy, known).kernel.subscribers
    assert subscribers
    return subscribers


def branch(subscribers: SubscriberPlan, name: str) -> Branch:
    return next(b for b in subscribers.branches if b.name == name)


def test_a_policy_without_subscribers_has_no_tree(tmp_path: Path) -> None:
    assert planned(tmp_path, POLICY).kernel.subscribers is None


def test_sites_come_before_what_is_behind_them_and_names_have_numbers(tmp_path: Path) -> None:
    subscribers = tree(tmp_path, POLICY + ONE)
    assert [b.name for b in subscribers.branches] == ["site/north", "site/mast", "a", "default/"]
    assert branch(subscribers, "a").parent == branch(subscribers, "site/mast").number
    assert branch(subscribers, "a").prefixes == ("10.0.0.1/32",)
    assert subscribers.trees == 0
    assert subscribers.default == branch(subscribers, "default/").number


def test_shares_are_of_the_tariff_and_the_default_class_has_what_is_left(tmp_path: Path) -> None:
    subscribers = tree(tmp_path, POLICY + ONE)
    shape = branch(subscribers, "a").down
    offsets = dict(subscribers.shares)
    by_offset = {share.offset: (share.rate, share.ceil) for share in shape.shares}
    assert subscribers.shares[0][0] == "rest"
    factor = shape.weight // shape.rate
    assert by_offset[offsets["video"]] == (20_000_000 // factor, 32_000_000)
    assert by_offset[offsets["rest"]] == (20_000_000 // factor, 40_000_000)


def test_a_tariff_without_shares_is_one_class_that_no_offset_changes(tmp_path: Path) -> None:
    subscribers = tree(tmp_path, POLICY + ONE)
    number = branch(subscribers, "default/").number
    assert all(number | offset == number for _, offset in subscribers.shares)


def test_where_more_is_sold_than_there_is_each_is_assured_of_the_same_part(tmp_path: Path) -> None:
    entries = "".join(f"  s{n}: {{tariff: plain, address: 10.0.0.{n}, parent: mast}}\n" for n in range(1, 10))
    subscribers = tree(tmp_path, POLICY + "subscribers:\n entries:\n" + entries.replace("  s", "   s"))
    down = branch(subscribers, "s1").down
    assert (down.rate, down.ceil, down.weight) == (2_500_000, 20_000_000, 10_000_000)
    total = sum(b.down.rate for b in subscribers.branches if not b.is_site)
    assert total <= branch(subscribers, "site/mast").down.rate == 30_000_000


def test_a_csv_of_the_drop_in_folder_adds_subscribers(tmp_path: Path) -> None:
    table = (
        'tariff;id;ipv4;ipv6;parent\nplain;b;"10.0.1.0/24 10.0.2.1";2001:db8:b::/48;\n# none\n\nhome;c;10.0.3.1;;mast\n'
    )
    write(tmp_path / "policy.d", table, "more.csv")
    subscribers = tree(tmp_path, POLICY + ONE)
    assert {b.name for b in subscribers.branches if not b.is_site} == {"a", "b", "c", "default/"}
    assert branch(subscribers, "b").prefixes == ("10.0.1.0/24", "10.0.2.1/32", "2001:db8:b::/48")


def test_everything_that_is_wrong_is_found_at_its_place(tmp_path: Path) -> None:
    table = "id,tariff,address,parent\nb,hom,10.0.0.1,\nc,home,10.0.0.5/24,mats\na,home,10.9.9.9,\nd,home\n"
    first = f"{tmp_path}/policy.yaml:15"
    assert [text for text in found(tmp_path, POLICY + ONE, more=table) if "warning" not in text] == [
        "policy.d/more.csv:2:3: subscribers.entries.b.tariff: there is no tariff hom; did you mean home?",
        f"policy.d/more.csv:2:7: subscribers.entries.b.address[0]: 10.0.0.1 is a's already, at {first}",
        "policy.d/more.csv:3:8: subscribers.entries.c.address[0]: 10.0.0.5/24 has host bits set; "
        "write 10.0.0.0/24 for the network, or the address alone",
        f"policy.d/more.csv:4:1: subscribers.entries.a: already said at {first}; to replace it, add `override: true`",
        "policy.d/more.csv:5:1: subscribers.entries.d: needs an address, a MAC address or a VLAN",
    ]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (
            "id,tarif,address\n",
            "1:4: no column is called 'tarif'; there are id, tariff, address, ipv4, ipv6, mac, vlan, parent",
        ),
        ("id,tariff\n", "1:1: the first line names the columns; address is missing"),
        ("id,tariff,address\n,home,10.0.0.1\n", "2:1: a subscriber without an id"),
        ("id,tariff,address\nx,home,10.0.0.1,y\n", "2:17: 4 cells, and 3 columns"),
        (
            "id,tariff,address\nx,home,10.0.0.2\nx,home,10.0.0.3\n",
            "3:1: `x` stands here a second time; first at line 2",
        ),
        ('id,tariff,address\nx,home,"10.0.0.2\n', "2:8: this quote does not end before the cell does"),
        (
            "id,tariff,address\nx,home,10.0.0.2\0\n",
            "2:8: subscribers.entries.x.address[0]: '10.0.0.2\\x00' is no address",
        ),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_its_line_and_column(tmp_path: Path, table: str, says: str) -> None:
    assert any(f"policy.d/t.csv:{says}" in text for text in found(tmp_path, POLICY + ONE, t=table))


def test_a_table_that_is_no_text_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "t.csv").write_bytes(b"id,tariff,address\nx,\xff\xfe\n")
    assert any("policy.d/t.csv:2:3: not UTF-8: byte 0xff" in text for text in found(tmp_path, POLICY + ONE))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("parent: north", "parent: mast"), "sites.mast.parent: a site cannot be behind itself: mast → mast"),
        (("parent: north", "parent: south"), "sites.mast.parent: there is no site south; did you mean north?"),
        (
            ("classes: {video", "classes: {vdeo"),
            "tariffs.home.classes.vdeo: there is no class vdeo; did you mean video?",
        ),
        (("ceil: 20mbit", "ceil: 5mbit"), "tariffs.plain.ceil: down: 5mbit is under the rate of 10mbit"),
        (("rate: {down: 40mbit, up: 8mbit}", "rate: {down: 40mbit}"), "tariffs.home.rate: a rate for up is missing"),
        (("default: plain", "default: plan"), "subscribers.default: there is no tariff plan; did you mean plain?"),
        (("link: {down: 100mbit, up: 20mbit}\n", ""), "subscribers: `link` is missing: subscribers share it"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    assert any(says in text for text in found(tmp_path, (POLICY + ONE).replace(*change)))


def test_the_plan_tells_of_them_in_words_and_as_data(tmp_path: Path) -> None:
    plan = planned(tmp_path, POLICY + ONE)
    json.dumps(show.data(plan))
    assert "1 subscriber, 2 sites; all others: 10mbit to 20mbit down, 10mbit to 20mbit up" in show.words(plan)
    more = planned(tmp_path, POLICY + ONE.replace("tariff: home", "tariff: plain"), plan.ids)
    assert [str(change) for change in diff(plan, more) if change.kind == "subscriber"] == [
        "~ subscriber a down: 40mbit, 2 classes → 10mbit to 20mbit",
        "~ subscriber a up: 8mbit, 2 classes → 10mbit to 20mbit",
    ]


def test_numbers_stay_when_subscribers_come_and_go(tmp_path: Path) -> None:
    before = planned(tmp_path, POLICY + ONE)
    more = ONE.replace("entries: {", "entries: {b: {tariff: plain, address: 10.0.0.2}, ")
    after = planned(tmp_path, POLICY + more, before.ids)
    assert before.kernel.subscribers and after.kernel.subscribers
    was = {b.name: b.number for b in before.kernel.subscribers.branches}
    now = {b.name: b.number for b in after.kernel.subscribers.branches}
    assert was.items() <= now.items()
    assert len(set(now.values())) == len(now)


def test_sites_stay_whole_when_trees_are_many() -> None:
    groups = [[f"site/{n}", *(f"s{n}-{i}" for i in range(900))] for n in range(30)]
    numbers, trees = branches.numbered(groups, 3, {})
    assert trees > 1
    assert len(set(numbers.values())) == len(numbers) == 30 * 901
    assert all(len({numbers[name] >> 16 for name in group}) == 1 for group in groups)
    again, _ = branches.numbered(groups[1:], 3, numbers)
    assert all(again[name] == numbers[name] for group in groups[1:] for name in group)


def test_who_is_made_on_demand_is_spread_over_more_trees() -> None:
    groups = [[f"site{g}", *(f"s{g}-{n}" for n in range(99))] for g in range(200)]
    numbers, trees = branches.numbered(groups, 3, {}, 20)
    in_tree = Counter(number >> 16 for number in numbers.values())
    assert (trees, set(in_tree.values()), len(set(numbers.values()))) == (20, {1_000}, 20_000)
    again, _ = branches.numbered([*groups, ["new"]], 3, numbers, 20)
    assert {name: again[name] for name in numbers} == numbers and again["new"] >> 16 <= 20
    assert branches.numbered(groups[:5], 3, {}, 20)[1] == 0, "few are in the link's own tree"
    assert branches.numbered(groups, 3, numbers, 1)[0] == numbers


def test_no_number_is_the_links_own_nor_that_of_a_trees_root() -> None:
    numbers, trees = branches.numbered([[f"s{n}"] for n in range(100_000)], 0, {})
    assert trees == 2
    for number in numbers.values():
        tree_, minor = number >> 16, number & 0xFFFF
        assert branches.FIRST_MINOR <= minor <= branches.LAST_ALONE
        assert minor not in (tree_ << 8 | 0xD1, tree_ << 8 | 0xD2)


def test_the_schema_knows_the_words() -> None:
    from dpi.policy.schema import schema

    assert {"tariffs", "sites", "subscribers"} <= set(schema()["properties"])
    json.dumps(schema())
