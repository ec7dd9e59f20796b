"""What the doctor reads off the text of somebody else's rules."""

from __future__ import annotations

import pytest

from dpi.enforce.doctor.others import flowtables, mark_clashes, parse_nft, touched_bits

WHOLE = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("rule", "bits"),
    [
        ("tcp dport 22 accept", 0),
        ("meta mark set 0x00000005", WHOLE),
        ("meta mark 0x00000005 accept", WHOLE),
        ("meta mark != 0x00000005 accept", WHOLE),
        ("meta mark & 0x000000ff == 0x00000005 accept", 0xFF),
        ("ct mark and 0xff0000 == 0x10000 accept", 0xFF0000),
        ("meta mark set meta mark & 0xffffff00 | 0x00000005", 0xFF),
        ("ct mark set ct mark | 0x00000001", 0x1),
        ("meta mark set ct mark", WHOLE),
        ("ct mark set meta mark", WHOLE),
        ("meta mark set ct mark & 0x000000ff", WHOLE),
        ("meta mark & 0x0000000f == 0x3 ct mark set ct mark | 0x00000100", 0x10F),
        ("meta mark vmap { 0x1 : accept }", WHOLE),
        ("-A PREROUTING -j MARK --set-xmark 0x5/0xffffffff", WHOLE),
        ("-A PREROUTING -j MARK --set-xmark 0x5/0xff", 0xFF),
        ("-A PREROUTING -m mark --mark 0x5/0xff -j ACCEPT", 0xFF),
        ("-A PREROUTING -m mark --mark 0x5 -j ACCEPT", WHOLE),
        ("-A PREROUTING -j MARK --or-mark 0x100", 0x100),
        ("-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", 0xFF),
        ("-A PREROUTING -j CONNMARK --save-mark", WHOLE),
    ],
)
def test_the_bits_that_a_rule_touches_are_read_off_its_text(rule: str, bits: int) -> None:
    assert touched_bits(rule) == bits


def test_only_overlaps_with_our_bits_are_found_each_once() -> None:
    rules = [("nft inet x y", "meta mark & 0x000000ff == 5"), ("nft inet x y", "meta mark & 0x00ff0000 == 5")] * 2
    found = list(mark_clashes(0x7FFF0000, rules))
    assert [f.what for f in found] == ["nft inet x y: `meta mark & 0x00ff0000 == 5` uses bits 0x00ff0000 of ours"]


def test_our_own_table_is_not_somebody_elses() -> None:
    listing = (
        "table inet dpi {\n\tchain a {\n\t\tmeta mark set 5\n\t}\n}\ntable ip x {\n\tchain b {\n\t\taccept\n\t}\n}\n"
    )
    assert parse_nft(listing) == [("nft ip x b", "accept")]


def test_a_flowtable_on_our_interfaces_is_told_and_one_on_others_is_not() -> None:
    listing = """table inet filter {
	flowtable fast {
		hook ingress priority filter
		devices = { "eth0", "eth1" }
	}
}
"""
    assert ["past all hooks" in f.what for f in flowtables(None, listing)] == [True]
    assert "eth0, eth1" in next(flowtables(None, listing)).what
