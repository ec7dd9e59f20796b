"""Kinds of devices: what tells them, and rules that ask for them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from policy_texts import HEAD
from test_policy_cli import run, said

from dpi.daemon import devices as table
from dpi.daemon.conditions import ConditionWatch
from dpi.daemon.devices import Devices
from dpi.dissect.dhcp import Shown
from dpi.errors import FindingsError
from dpi.match.devices import Found
from dpi.match.signatures import load
from dpi.policy.conditions import Holding
from dpi.policy.explain import Facts, failures
from dpi.policy.plan import Conditions, EnginePlan, MarkLayout, Match, PlannedRule
from dpi.rule_tables import ask, tables
from tests.dhcp_messages import IPHONE

ONE, TWO = "02:00:00:00:00:01", "02:00:00:00:00:02"
OWN = """\
devices:
  lamp: {name: Lamps, dhcp: "1,3,28,6", vendor: [acme lamp]}
  ios: {dhcp: "1,3,7"}
  tv: {vendor: android-dhcp-9}
"""


def kind(found: Found | None) -> tuple[str, str] | None:
    return (found.kind, found.by) if found else None


# What tells them


@pytest.mark.parametrize(
    ("vendor", "dhcp", "expected"),
    [
        ("MSFT 5.0", "", ("windows", "vendor")),
        ("msft 5.0", "", ("windows", "vendor")),
        ("", IPHONE, ("ios", "dhcp")),
        ("", f"{IPHONE},95,44,46", ("macos", "dhcp")),
        ("", "1,121,3,6", None),
        ("android-dhcp-14", "1,3,6", ("android", "vendor")),
        ("XBOX 1.0", "1,3,6,15,31,33,43,44,46,47,119,121,249,252", ("xbox", "vendor")),
        ("udhcp 1.36.1", "1,3,6,12,15,28,42,125", ("tv", "dhcp")),
        ("udhcp 1.36.1", "1,3,6", ("embedded", "program")),
        ("dhcpcd-9.4.1:Linux-6.1.0:x86_64:GenuineIntel", "1,3", ("linux", "program")),
        ("", "", None),
    ],
)
def test_a_kind_is_told_by_vendor_class_then_by_the_list_then_by_the_program(
    vendor: str, dhcp: str, expected: tuple[str, str] | None
) -> None:
    assert kind(load().devices.find(vendor, dhcp, "")) == expected


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "signatures").mkdir()
    (tmp_path / "signatures" / "devices.yaml").write_text(OWN)
    return tmp_path / "signatures"


def test_files_of_ones_own_add_kinds_and_come_before_the_built_in_ones(own: Path) -> None:
    known = load([own]).devices
    assert kind(known.find("", "1,3,28,6", "")) == ("lamp", "dhcp")
    assert kind(known.find("ACME lamp 7", "", "")) == ("lamp", "vendor")
    assert kind(known.find("", "1,3,7", "")) == ("ios", "dhcp") == kind(known.find("", IPHONE, ""))
    assert kind(known.find("android-dhcp-9", "", "")) == ("tv", "vendor")  # the longest beginning
    (own / "devices.yaml").write_text(
        "devices: {ios: {replace: true, dhcp6: '23,24'}, lamp: {dhcp: '1,3,6,15,119,252'}}"
    )
    known = load([own]).devices
    assert known.find("", IPHONE, "") is None and kind(known.find("", "", "23,24")) == ("ios", "dhcp6")
    assert kind(known.find("", "1,3,6,15,119,252", "")) == ("lamp", "dhcp")


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ('devices: {lamp: {dhcp: "1,3 x,6"}}', "1:29: devices.lamp.dhcp: x,6: numbers of options"),
        ("devices: {lamp: {vendor: a}}", "1:26: devices.lamp.vendor: 2 to 64 characters"),
        ("devices: {lamp: {dhcp4: a}}", "1:18: devices.lamp: unknown key 'dhcp4'"),
        ("devices: {lamp: {vendor: {a: b}}}", "1:26: devices.lamp.vendor: a list is needed"),
        ("devices: {Lamp: {vendor: abc}}", "1:11: devices.Lamp: a slug"),
        ("devices: [lamp]", "1:10: devices: a mapping"),
        ("devices: {a: {vendor: abc}, b: {vendor: ABC}}", "1:41: devices.b.vendor: ABC is already listed under a"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(own: Path, text: str, finding: str) -> None:
    (own / "devices.yaml").write_text(text)
    with pytest.raises(FindingsError) as caught:
        load([own])
    assert f"{own / 'devices.yaml'}:{finding}" in str(caught.value)


# What is known


@pytest.fixture
def clock() -> list[float]:
    return [1_000_000_000.0]


@pytest.fixture
def devices(tmp_path: Path, clock: list[float]) -> Devices:
    found = Devices(tmp_path / "devices.json", lambda: clock[0])
    found.use(load().devices)
    return found


PHONE, LAPTOP = Shown(4, IPHONE, "", "phone"), Shown(4, "1,3", "MSFT 5.0", "")


def test_what_a_device_shows_adds_up_and_the_newest_counts(devices: Devices) -> None:
    devices.hear(ONE, Shown(6, "23,24", "", "phone"))
    assert devices.known(("ios",)) == frozenset()
    devices.hear(ONE, Shown(4, IPHONE, "", ""))
    assert devices.known(("ios", "tv")) == {("ios", ONE)}
    row = devices.told({ONE: ["10.0.0.1"]})[0]
    assert (row["name"], row["dhcp"], row["dhcp6"], row["kind"]) == ("phone", IPHONE, "23,24", "ios")
    assert row["addresses"] == ["10.0.0.1"] and row["by"] == "DHCP options"
    devices.hear(ONE, Shown(4, "1,3", "PXEClient:Arch:00000", ""))
    devices.hear(ONE, Shown(4, "1,3,6", "", ""))
    assert devices.told({})[0]["kind"] is None and "1,3,6" in devices.words(ONE)


def test_devices_are_forgotten_after_a_long_lease_and_where_there_are_too_many(
    devices: Devices, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    devices.hear(ONE, PHONE)
    clock[0] += table.FORGET_SECONDS + 1
    devices.hear(TWO, LAPTOP)
    devices.forget()
    assert [row["mac"] for row in devices.told({})] == [TWO]
    monkeypatch.setattr(table, "MOST", 5)
    for number in range(10):
        devices.hear(f"02:00:00:00:01:{number:02x}", PHONE)
    assert len(devices.told({})) == 5 and len(devices.known(("ios",))) == 5


def test_a_flood_does_not_change_the_rules_all_the_time(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    assert devices.known(("ios",)) == frozenset()
    devices.hear(ONE, PHONE)
    monkeypatch.setattr(table, "TELL_SECONDS", 1000.0)
    assert devices.known(("ios",)) == frozenset()
    monkeypatch.setattr(table, "TELL_SECONDS", 0.0)
    assert devices.known(("ios",)) == {("ios", ONE)}


def test_devices_outlive_the_daemon_and_a_damaged_file_is_as_good_as_none(devices: Devices, tmp_path: Path) -> None:
    devices.hear(ONE, PHONE)
    devices.close()
    again = Devices(tmp_path / "devices.json")
    again.use(load().devices)
    assert again.known(("ios",)) == {("ios", ONE)} and again.told({}) == devices.told({})
    rows = ["7", '{"a": {"heard": 1}}', f'{{"{ONE}": {{}}}}', f'{{"{ONE}": {{"heard": 1, "more": 2}}}}']
    for text in ["", "[]", *(f'{{"devices": {row}}}' for row in rows)]:
        (tmp_path / "devices.json").write_text(text)
        assert Devices(tmp_path / "devices.json").told({}) == []


def test_what_cannot_be_heard_or_kept_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    devices = Devices(tmp_path / "file" / "devices.json")
    devices.listen(["nothere0"])
    devices.hear(ONE, PHONE)
    devices.read()
    devices.close()
    assert devices.errors.keys() == {"nothere0", str(tmp_path / "file" / "devices.json")}
    assert devices.errors["nothere0"] == "nothere0: No such device"


# Rules


def test_a_change_of_devices_is_a_change_of_what_holds() -> None:
    there: set[tuple[str, str]] = set()

    watch = ConditionWatch(devices=lambda kinds: frozenset(each for each in there if each[0] in kinds))
    conditions = Conditions(devices=("ios",))
    watch.use(conditions, watch.look(conditions))
    there.add(("tv", TWO))
    assert not watch.changed()
    there.add(("ios", ONE))
    assert watch.changed()
    before = watch.holding
    watch.use(conditions, watch.look(conditions))
    assert watch.words(before) == "devices known to be ios: 1" and not watch.changed()


def test_why_a_rule_for_devices_does_not_hold_is_said() -> None:
    match = Match(devices=("ios", "tv"))
    assert list(failures(match, Facts(mac=ONE))) == ["no device is known to be ios or tv"]
    holding = Holding(devices=frozenset({("tv", TWO), ("windows", ONE)}))
    assert list(failures(match, Facts(mac=ONE), holding)) == [f"{ONE} is not known to be ios or tv"]
    assert list(failures(match, Facts(), holding)) == ["the device is not known to be ios or tv"]
    assert not list(failures(match, Facts(mac=TWO), holding))


def test_of_two_conditions_on_the_lans_side_what_is_of_both_is_left_and_where_that_is_nothing_the_rule_is_absent() -> (
    None
):
    signatures = load()
    holding = Holding(over=frozenset({("month", "10.0.0.5/32")}), devices=frozenset({("tv", ONE)}))

    def asked(match: Match, local: str, mac: str) -> bool:
        plan = EnginePlan((PlannedRule("rule", "f:1", match, 2, None, False),), ("lan0",), MarkLayout(), 1024)
        rules, _ = tables(plan, {}, signatures, holding)
        return ask(rules, Facts(local=local, remote="192.0.2.7", mac=mac), signatures) is not None

    for match, found in (
        (Match(devices=("tv",), macs=("02:00:00:00:00:00/24",)), True),
        (Match(devices=("tv",), macs=(f"{TWO}/48",)), False),
        (Match(over=("month",), local=("10.0.0.0/8",)), True),
        (Match(over=("month",), local=("10.1.0.0/16",)), False),
        (Match(over=("month",), devices=("tv",)), True),
        (Match(over=("month",), devices=("ios",)), False),
    ):
        assert asked(match, "10.0.0.5", ONE) == found, match
        assert not asked(match, "10.1.0.5", TWO), match


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(HEAD + "rules:\n  phones: {match: {device: [ios, android]}, block: drop}\n")
    return path


def test_a_kind_that_is_not_there_is_a_finding_with_its_place(policy: Path, own: Path) -> None:
    said(run("policy", "check", policy))
    policy.write_text(policy.read_text().replace("android", "androit"))
    line = 1 + HEAD.count("\n") + 1
    told = run("policy", "check", policy, code=2).output
    assert f"policy.yaml:{line}:34: rules.phones.match.device[1]: there is no kind of device androit; did you" in told
    policy.write_text(HEAD + "signatures: signatures\nrules: {lamps: {match: {device: lamp}, block: drop}}\n")
    said(run("policy", "check", policy))


def test_a_policy_shows_the_kinds_and_what_is_assumed_of_them(policy: Path, tmp_path: Path) -> None:
    assert "device ios or android" in said(run("policy", "show", policy))
    capture = tmp_path / "empty.pcap"
    capture.write_bytes(bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000"))
    told = json.loads(said(run("policy", "simulate", policy, "--capture", capture, "--json")))
    assert told["assumed"] == ["devices: of none is the kind known"]
