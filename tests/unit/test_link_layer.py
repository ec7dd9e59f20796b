"""MAC addresses and VLANs in a policy: how they are spelled, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_texts import LINK, planned
from test_subscribers import POLICY, branch, found, tree

from dpi.policy import link_layer, names
from dpi.policy.check import check
from dpi.policy.compile import compile_policy
from dpi.policy.names import Machine

ENTRIES = "a: {tariff: home, mac: [02-11-22-33-44-55, 0211.2233.4466]}, b: {tariff: home, vlan: 7}"
ONE = f"subscribers: {{entries: {{{ENTRIES}}}}}\n"
RULES = LINK + "classes: {rest: {rate: 50%, default: true}}\nrules:\n"


@pytest.mark.parametrize("text", ["02:11:22:AA:bb:55", "02-11-22-aa-bb-55", "0211.22aa.bb55", " 02:11:22:aa:bb:55 "])
def test_a_mac_address_has_one_spelling(text: str) -> None:
    assert link_layer.mac(text) == "02:11:22:aa:bb:55"


@pytest.mark.parametrize(
    "text", ["", "02:11:22", "02:11:22:33:44:5g", "0211.2233", "02:11:22:33:44:55:66", 7, None, "é"]
)
def test_what_is_no_mac_address_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is no MAC address; write 02:11:22:33:44:55"):
        link_layer.mac(text)


@pytest.mark.parametrize("text", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "00:00:00:00:00:00"])
def test_what_is_no_devices_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be the MAC address of a device"):
        link_layer.mac(text)


@pytest.mark.parametrize(
    ("text", "canonical", "short"),
    [
        ("02:11:22:33:44:55", "02:11:22:33:44:55/48", "02:11:22:33:44:55"),
        ("02-11-22", "02:11:22:00:00:00/24", "02:11:22"),
        ("02:11:22:30:00:00/28", "02:11:22:30:00:00/28", "02:11:22:30:00:00/28"),
    ],
)
def test_the_beginning_of_one_has_a_length(text: str, canonical: str, short: str) -> None:
    assert link_layer.mac_prefix(text) == canonical
    assert link_layer.mac_text(canonical) == short


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("02:11", "is no MAC address"),
        ("02:11:22/24", "is no MAC address"),
        ("02:11:22:33:44:55/24", "has bits set behind the first 24"),
        ("02:11:22:33:44:55/49", "has 1 to 48 bits"),
        ("02:11:22:33:44:55/x", "is no MAC address"),
        ("03:11:22", "cannot be the MAC address of a device"),
    ],
)
def test_a_beginning_that_is_wrong_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        link_layer.mac_prefix(text)


def test_an_address_tells_the_mac_address_that_it_was_made_of() -> None:
    assert link_layer.made_of("2001:db8::11:22ff:fe33:4455/128") == "02:11:22:33:44:55"
    assert link_layer.made_of("2001:db8::1/128") is None
    assert link_layer.made_of("2001:db8::11:22ff:fe33:0/120") is None
    assert link_layer.made_of("10.0.0.1/32") is None


@pytest.mark.parametrize(
    ("device", "vlan"), [("eth0.100", 100), ("vlan7", 7), ("eth0.0007", 7), ("eth0", None), ("eth0.5000", None)]
)
def test_a_devices_name_may_say_its_vlan(device: str, vlan: int | None) -> None:
    assert link_layer.vlan_of(device) == vlan


def test_the_kernel_says_it_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = "VLAN Dev name    | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\ncust7          | 7  | eth0\n"
    monkeypatch.setattr(names.Path, "read_text", lambda _: table)
    assert Machine.here().vlans == {"cust7": 7}


def router(*lan: str) -> str:
    return POLICY.replace("lan: eth1", f"lan: [{', '.join(lan)}]")


def test_subscribers_by_mac_address_and_vlan(tmp_path: Path) -> None:
    plan = tree(tmp_path, router("lan0", "lan0.7") + ONE)
    assert branch(plan, "a").macs == ("02:11:22:33:44:55", "02:11:22:33:44:66")
    assert branch(plan, "b").vlans == (7,)
    assert planned(tmp_path, router("lan0", "lan0.7") + ONE).kernel.interfaces[1].vlan == 7


def test_a_device_of_another_name_is_the_vlan_that_the_kernel_says(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(router("cust") + ONE)
    machine = Machine(2, frozenset({"cust", "eth0"}), {"cust": 7})
    checked = check(path, machine=machine)
    assert not [f for f in checked.warnings if "VLAN" in f.message]
    assert compile_policy(checked, machine).kernel.interfaces[0].vlan == 7


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ("a: {tariff: home}", "15:25: subscribers.entries.a: needs an address, a MAC address or a VLAN"),
        ("a: {tariff: home, mac: 02:11}", "15:48: subscribers.entries.a.mac[0]: '02:11' is no MAC address"),
        (
            "a: {tariff: home, mac: '02:11:22:33:44:55'}, b: {tariff: home, mac: 02-11-22-33-44-55}",
            "15:93: subscribers.entries.b.mac[0]: 02:11:22:33:44:55 is a's already, at ",
        ),
        (
            "a: {tariff: home, vlan: 7}, b: {tariff: home, vlan: [8, 7]}",
            "subscribers.entries.b.vlan[1]: VLAN 7 is a's already, at ",
        ),
        ("a: {tariff: home, vlan: 4095}", "subscribers.entries.a.vlan[0]: 4095: must be at most 4094"),
        (
            "a: {tariff: home, vlan: 9}",
            "15:49: subscribers.entries.a.vlan[0]: warning: has no effect: no LAN interface is of VLAN 9; "
            "lan0.7 is VLAN 7, lan0.8 is VLAN 8",
        ),
        (
            "a: {tariff: home, mac: '02:11:22:33:44:55'}, b: {tariff: home, address: '2001:db8::11:22ff:fe33:4455'}",
            "subscribers.entries.b.address[0]: warning: 2001:db8::11:22ff:fe33:4455 is made of 02:11:22:33:44:55, "
            "which is a's, at ",
        ),
    ],
)
def test_what_is_wrong_with_keys_is_said_at_its_place(tmp_path: Path, entries: str, says: str) -> None:
    policy = router("lan0.7", "lan0.8") + f"subscribers: {{entries: {{{entries}}}}}\n"
    assert [text for text in found(tmp_path, policy) if says in text], found(tmp_path, policy)


@pytest.mark.parametrize(
    ("mode", "entries", "who"),
    [
        ("router", "a: {tariff: home, vlan: 7}, b: {tariff: home, mac: '02:11:22:33:44:55'}", "a: it"),
        ("bridge", "a: {tariff: home, vlan: 7}, b: {tariff: home, mac: '02:11:22:33:44:55'}", "a and 1 more: it"),
        ("router", "a: {tariff: home, vlan: 7, address: 10.0.0.1}", None),
    ],
)
def test_whom_a_used_up_quota_does_not_reach_is_said(tmp_path: Path, mode: str, entries: str, who: str | None) -> None:
    policy = POLICY.replace("lan: eth1", f"mode: {mode}, lan: eth1.7").replace(
        "rules: {", "quotas: {much: {volume: 1g, per: day}}\nrules: {late: {match: {over: much}, shape: voice}, "
    )
    texts = found(tmp_path, policy + f"subscribers: {{entries: {{{entries}}}}}\n")
    said = [text for text in texts if "never holds for" in text]
    assert len(said) == (who is not None), texts
    assert who is None or f"rules.late.match.over[0]: warning: never holds for {who} goes by address" in said[0]


def test_a_table_has_columns_for_them(tmp_path: Path) -> None:
    table = (
        "id,tariff,mac,vlan\nb,home,02:11:22:33:44:55 02:11:22:33:44:56,\nc,plain,,7 8\nd,plain,02:11,\ne,plain,,x\n"
    )
    texts = found(tmp_path, router("lan0.7", "lan0.8") + "\n", more=table)
    assert any("more.csv:4:9: subscribers.entries.d.mac[0]: '02:11' is no MAC address" in text for text in texts)
    assert any("more.csv:5:10: subscribers.entries.e.vlan[0]: expected a whole number" in text for text in texts)
    (tmp_path / "policy.d" / "more.csv").write_text(table.split("d,plain")[0])
    plan = tree(tmp_path, router("lan0.7", "lan0.8"))
    assert branch(plan, "b").macs == ("02:11:22:33:44:55", "02:11:22:33:44:56") and branch(plan, "c").vlans == (7, 8)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ("  a: {match: {mac: 02:11}, block: drop}\n", "rules.a.match.mac[0]: '02:11' is no MAC address"),
        ("  a: {match: {vlan: 9}, block: drop}\n", "rules.a.match.vlan[0]: warning: has no effect: no LAN interface"),
        (
            "  a: {match: {mac: '02:11:22'}, block: drop}\n  b: {match: {mac: '02:11:22:33:44:55'}, allow: true}\n",
            "rules.b: warning: can never match: shadowed by a at",
        ),
        (
            "  a: {match: {mac: ['02:11:22', '02:33:44']}, block: drop}\n"
            "  b: {match: {mac: ['02:33:44:55:00:00/32', '02:11:23']}, allow: true}\n",
            "rules.b.match.mac[0]: warning: can never match: shadowed by a at",
        ),
    ],
)
def test_what_is_wrong_with_rules_by_device_is_said(tmp_path: Path, rules: str, says: str) -> None:
    texts = found(tmp_path, RULES + rules)
    assert [text for text in texts if says in text], texts
