"""The table's text, golden.  `python tests/unit/test_enforce_nft_text.py` writes the files anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dpi.enforce.nft.table import parse, transaction
from dpi.enforce.nft.text import table_text
from dpi.enforce.nft.view import Facts
from dpi.policy.plan import (
    Disposition,
    Interface,
    KernelPlan,
    MarkLayout,
    Police,
    Route,
    ShapedClass,
    Tree,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "nft"
MBIT = 10**6
CLASSES = (
    ShapedClass("video", 10, None, 20 * MBIT, 20 * MBIT, 3, None, "auto"),
    ShapedClass("rest", 11, None, 50 * MBIT, 100 * MBIT, 4, None, "auto"),
)
HOME = KernelPlan(
    mode="router",
    interfaces=(Interface("lan0", "lan"), Interface("wan0", "wan")),
    marks=MarkLayout(),
    queues=2,
    queue_base=0,
    trees=(
        Tree("lan0", "down", 100 * MBIT, CLASSES, "rest"),
        Tree("wan0", "up", 20 * MBIT, CLASSES[1:], "rest"),
    ),
    dispositions=(
        Disposition(1, "default", None, None, None),
        Disposition(2, "video", "video", 34, None),
        Disposition(3, "no-games", None, None, "reject"),
        Disposition(7, "no-ads", None, None, "drop"),
    ),
    routes=(),
)
CACHE = Route(1, "cache", "198.18.1.2", "2001:db8:1::2", None, 26001, None, (), 3600)
ISP = replace(
    HOME,
    interfaces=(Interface("lan0", "lan"), Interface("lan1", "lan"), Interface("wan0", "wan")),
    routes=(
        replace(CACHE, prefixes=("198.51.100.0/25", "198.51.100.128/25", "203.0.113.7", "2001:db8:64::/48")),
        Route(2, "mirror", None, None, "cdn0", 26002, None, (), 600, "unreachable"),
    ),
)
OCA = replace(CACHE, member_of="oca", when_down="unreachable", learn_ttl=600)
GROUP = replace(
    HOME,
    routes=(
        replace(OCA, number=3, name="oca/a", weight=2, fills_from=("198.51.100.0/24", "2001:db8:1:f::/64")),
        replace(OCA, number=2, name="oca/b", next_hop4="198.18.1.3", next_hop6=None),
    ),
)
PLANS = {
    "home": (HOME, Facts(nft_queue=True)),
    "home-without-nft-queue": (HOME, Facts(nft_queue=False)),
    "isp-with-caches": (ISP, Facts(nft_queue=True, beyond=("cdn0",))),
    "cache-of-two-machines": (GROUP, Facts(nft_queue=True, beyond=("cdn0",), cache_on_lan=True)),
    "police-mirror-exempt-redirect": (
        replace(
            HOME,
            dispositions=(
                *HOME.dispositions[:2],
                Disposition(
                    4,
                    "held",
                    "video",
                    None,
                    None,
                    (Police("flow", MBIT, None), Police("host", 2 * MBIT, MBIT), Police("rule", 10 * MBIT, 5 * MBIT)),
                    mirror=5,
                ),
                Disposition(5, "backup", None, None, None, exempt=True),
                Disposition(6, "gone", None, None, None, redirect="portal"),
            ),
        ),
        Facts(nft_queue=False),
    ),
    "one-interface": (
        replace(
            HOME,
            interfaces=(Interface("eth0", "lan"), Interface("eth0", "wan")),
            trees=(HOME.trees[0], replace(HOME.trees[1], ifb="dpi-up")),
            local=("10.0.0.0/8", "fd00::/8"),
        ),
        Facts(nft_queue=True),
    ),
    "bridge": (replace(HOME, mode="bridge"), Facts(nft_queue=True)),
    "bridge-one-vlan": (
        replace(HOME, mode="bridge", interfaces=(Interface("lan0", "lan", 10), Interface("wan0", "wan"))),
        Facts(nft_queue=True),
    ),
    "other-mask-nothing-shaped": (
        replace(HOME, marks=MarkLayout(0x00FFF000), trees=(), dispositions=HOME.dispositions[:1], queues=1),
        Facts(nft_queue=True),
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_table_is_as_it_was_read_over(name: str) -> None:
    assert table_text(*PLANS[name]) == (GOLDEN / f"{name}.nft").read_text()


def test_other_bits_of_the_mark_are_kept_by_every_rule_that_sets_one() -> None:
    for name, (plan, facts) in PLANS.items():
        ours = plan.marks.mask
        for line in table_text(plan, facts).splitlines():
            words = line.split()
            if "mark set" not in line:
                continue
            assert " set ct mark " in line or " set meta mark " in line, f"{name}: {line}"
            kept = int(words[words.index("&", words.index("set")) + 1], 0) if "&" in words[words.index("set") :] else ~0
            ored = int(words[-1], 0) if words[-2] == "|" else 0
            assert ~kept & 0xFFFFFFFF & ~ours == 0 and ored & ~ours == 0, f"{name}: {line}"


LISTING = """table inet dpi {
	counter rule1_up {
		packets 3 bytes 180
	}

	map decided {
		type mark : verdict
		elements = { 0x00020000 : jump decide2, 0x00010000 : jump decide1,
				0x00030000 comment "a, b" : jump decide3 }
	}

	set route1_learnt4 {
		type ipv4_addr
		size 65536
		flags dynamic,timeout
		elements = { 192.0.2.1 timeout 1h expires 59m }
	}

	set route1_dead {
		type mark
		elements = { 0x10000000 }
	}

	chain forward {
		type filter hook forward priority mangle + 1; policy accept;
		iifname . oifname vmap @paths
	}
}
"""


def test_a_listing_is_read_into_blocks_and_what_happens_at_run_time_is_not_compared() -> None:
    blocks = parse(LISTING)
    assert blocks["map", "decided"].items == (
        "0x00010000 : jump decide1",
        "0x00020000 : jump decide2",
        '0x00030000 comment "a, b" : jump decide3',
    )
    assert blocks["chain", "forward"].head == ("type filter hook forward priority mangle + 1; policy accept;",)
    quiet = LISTING.replace("packets 3 bytes 180", "packets 0 bytes 0")
    quiet = quiet.replace("\t\telements = { 192.0.2.1 timeout 1h expires 59m }\n", "")
    quiet = quiet.replace("\t\telements = { 0x10000000 }\n", "")
    assert parse(quiet) == blocks
    assert transaction("inet", parse(quiet), blocks) == ""


def test_a_transaction_names_only_what_differs() -> None:
    before = parse(LISTING)
    after = parse(LISTING.replace("0x00020000 : jump decide2, ", ""))
    assert transaction("inet", before, after).splitlines() == [
        "add table inet dpi",
        "delete element inet dpi decided { 0x00020000 }",
    ]
    assert transaction("inet", after, before).splitlines() == [
        "add table inet dpi",
        "add element inet dpi decided { 0x00020000 : jump decide2 }",
    ]


def test_what_an_undo_brings_back_has_its_counts_and_learnt_elements() -> None:
    text = transaction("inet", {}, parse(LISTING))
    assert "packets 3 bytes 180" in text
    assert "192.0.2.1 timeout 1h expires 59m" in text


def test_a_set_of_another_kind_is_replaced_and_the_chains_that_use_it_filled_anew() -> None:
    text = "table inet dpi {\n\tset s {\n\t\ttype mark\n\t}\n\n\tchain c {\n\t\tct mark == @s drop\n\t}\n}\n"
    lines = transaction("inet", parse(text), parse(text.replace("type mark", "type ipv4_addr"))).splitlines()
    assert lines[1:3] == ["flush chain inet dpi c", "delete set inet dpi s"]
    assert "\t\tct mark == @s drop" in lines


def test_removing_the_table_is_one_command() -> None:
    assert transaction("inet", parse(LISTING), {}) == "delete table inet dpi\n"


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for each, (wanted, with_facts) in PLANS.items():
        (GOLDEN / f"{each}.nft").write_text(table_text(wanted, with_facts))
