"""A plan is what a policy comes to, and a reload renumbers nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from policy_texts import CLASSES, HEAD, LINK, planned

from dpi.policy.compile import number
from dpi.policy.plan import Disposition, Ids, Interface, Match
from dpi.policy.show import words


def test_rates_are_resolved_for_each_direction(tmp_path: Path) -> None:
    plan = planned(tmp_path, CLASSES + "  c: {rate: 10%, parent: rest, burst: 15k}\n".replace("rest", "big") + BIG)
    down, up = plan.kernel.trees
    assert (down.device, down.direction, down.rate, down.default) == ("eth1", "down", 100_000_000, "rest")
    assert (up.device, up.direction, up.rate) == ("eth0", "up", 20_000_000)
    by_name = {c.name: c for c in up.classes}
    assert (by_name["c"].rate, by_name["c"].ceil, by_name["c"].burst) == (2_000_000, 2_000_000, 15360)
    assert (by_name["rest"].rate, by_name["rest"].ceil) == (10_000_000, 20_000_000)
    assert by_name["big"].leaf is None
    assert by_name["c"].leaf == "auto"
    assert [c.name for c in up.classes].index("big") < [c.name for c in up.classes].index("c")


BIG = "  big: {rate: {down: 20mbit, up: 5mbit}}\n"


def test_a_class_may_be_shaped_in_one_direction_only(tmp_path: Path) -> None:
    text = CLASSES + "  only: {rate: {down: 5mbit}}\nrules: {a: {shape: only}}\n"
    down, up = planned(tmp_path, text).kernel.trees
    assert "only" in {c.name for c in down.classes}
    assert "only" not in {c.name for c in up.classes}


def test_several_interfaces_of_a_side_share_one_tree(tmp_path: Path) -> None:
    trees = planned(tmp_path, CLASSES.replace("lan: eth1", "lan: [eth1, eth2]")).kernel.trees
    assert [(t.device, t.direction, t.ifb) for t in trees] == [
        ("eth1", "down", "dpi-down"),
        ("eth2", "down", "dpi-down"),
        ("eth0", "up", None),
    ]
    assert trees[0].classes == trees[1].classes


def test_a_box_with_one_interface_shapes_down_on_an_ifb(tmp_path: Path) -> None:
    kernel = planned(tmp_path, CLASSES.replace("lan: eth1", "lan: eth0, local: 10.0.0.0/8")).kernel
    assert [(t.device, t.direction, t.ifb) for t in kernel.trees] == [
        ("eth0", "down", "dpi-down"),
        ("eth0", "up", None),
    ]
    assert kernel.local == ("10.0.0.0/8",)


def test_without_classes_there_are_no_trees(tmp_path: Path) -> None:
    plan = planned(tmp_path, HEAD + "rules: {a: {block: drop}}\n")
    assert plan.kernel.trees == ()
    assert plan.kernel.dispositions[1] == Disposition(2, "a", None, None, "drop")


def test_vlans_of_a_bridge_are_kept(tmp_path: Path) -> None:
    plan = planned(tmp_path, "version: 1\ninterfaces: {mode: bridge, lan: {device: a, vlan: 7}, wan: b}\n")
    assert plan.kernel.interfaces == (Interface("a", "lan", 7), Interface("b", "wan"))
    assert plan.kernel.mode == "bridge"


def test_rules_come_in_their_order_with_groups_resolved(tmp_path: Path) -> None:
    text = CLASSES + (
        "groups: {staff: [10.0.0.0/24, '2001:db8::/64']}\n"
        "rules:\n"
        "  a: {match: {local: [staff, 10.0.0.0/24, 192.0.2.1], port: [443, 8000-8100]}, shape: video, dscp: af41}\n"
        "  off: {enabled: false, block: drop}\n"
        "  b: {match: {direction: out, dscp: cs1, vlan: 7, transport: udp}, before: a, allow: true}\n"
    )
    plan = planned(tmp_path, text)
    b, a = plan.engine.rules
    assert (b.name, a.name) == ("b", "a")
    assert a.where == f"{tmp_path}/policy.yaml:9"
    assert a.match == Match(local=("10.0.0.0/24", "2001:db8::/64", "192.0.2.1/32"), ports=((443, 443), (8000, 8100)))
    assert b.match == Match(direction="out", dscp=(8,), vlans=(7,), transports=("udp",))
    named = {d.name: d for d in plan.kernel.dispositions}
    assert set(named) == {"default", "a", "b"}
    assert named["default"].number == 1
    assert (named["a"].class_, named["a"].dscp) == ("video", 34)
    assert b.disposition == named["b"].number


CACHED = LINK + (
    "classes: {rest: {rate: 10mbit, default: true}, video: {rate: 5mbit}}\n"
    "caches:\n  box: {next_hop: [10.9.0.1, '2001:db8::9'], apps: [netflix, youtube], learn_ttl: 90s}\n"
    "rules:\n"
    "  no: {match: {host: ads.example}, block: reject}\n"
    "  leave: {match: {local: 10.0.0.1}, allow: true}\n"
    "  voice: {match: {category: voip}, shape: video}\n"
    "  films: {match: {category: streaming}, shape: video, log: true}\n"
    "  one: {match: {app: [netflix, zoom]}, dscp: ef}\n"
)


def test_a_caches_apps_go_there_whatever_else_rules_say(tmp_path: Path) -> None:
    rules = [(r.name, r.match.apps, r.route) for r in planned(tmp_path, CACHED).engine.rules]
    assert rules == [
        ("no", (), None),
        ("leave", (), None),
        ("voice", (), None),
        ("films", ("netflix",), "box"),
        ("films", (), None),
        ("one", ("netflix",), "box"),
        ("one", ("netflix", "zoom"), None),
        ("default", ("netflix", "youtube"), "box"),
    ]


def test_the_copies_of_a_rule_do_what_it_does(tmp_path: Path) -> None:
    plan = planned(tmp_path, CACHED)
    copy, rule = (r for r in plan.engine.rules if r.name == "films")
    assert (copy.disposition, copy.log, copy.match.categories) == (rule.disposition, True, ("streaming",))
    assert plan.engine.rules[-1].disposition == 1


def test_a_cache_is_checked_at_its_next_hop_unless_told(tmp_path: Path) -> None:
    (route,) = planned(tmp_path, CACHED).kernel.routes
    assert (route.next_hop4, route.next_hop6, route.table, route.learn_ttl) == ("10.9.0.1", "2001:db8::9", 26001, 90)
    assert route.health is not None
    assert (route.health.kind, route.health.target, route.health.port) == ("icmp", "10.9.0.1", None)

    text = CACHED.replace("learn_ttl: 90s", "health: {check: http, path: /up}, when_down: unreachable")
    (route,) = planned(tmp_path, text).kernel.routes
    assert route.health is not None
    assert (route.health.kind, route.health.port, route.health.path) == ("http", 80, "/up")
    assert route.when_down == "unreachable"

    (route,) = planned(tmp_path, CACHED.replace("learn_ttl: 90s", "health: none")).kernel.routes
    assert route.health is None


def test_a_reload_keeps_numbers_and_gives_freed_ones_last(tmp_path: Path) -> None:
    first = planned(tmp_path, CLASSES + "rules: {a: {shape: video}, b: {shape: rest}}\n")
    second = planned(tmp_path, CLASSES + "rules: {c: {shape: video}, b: {shape: rest}}\n", first.ids)
    third = planned(tmp_path, CLASSES + "rules: {a: {shape: video}, c: {shape: rest}}\n", second.ids)
    numbers = [{d.name: d.number for d in plan.kernel.dispositions} for plan in (first, second, third)]
    assert numbers == [
        {"default": 1, "a": 2, "b": 3},
        {"default": 1, "c": 4, "b": 3},
        {"default": 1, "a": 2, "c": 4},
    ]


def test_when_numbers_run_out_the_one_longest_gone_is_given_again() -> None:
    known = number(["a", "b", "c"], {}, 1, 3)
    assert number(["c", "d"], known, 1, 3) == {"b": 2, "c": 3, "d": 1}
    assert number(["a"], {"a": 9}, 1, 3) == {"a": 1}  # what was given under another mask does not count
    assert sorted(number(["a", "b"], {"a": 2, "b": 2}, 1, 3).values()) == [1, 2]  # a damaged memory


def test_the_hash_is_of_the_meaning(tmp_path: Path) -> None:
    base = planned(tmp_path, CLASSES + "rules: {a: {match: {app: netflix}, shape: video}}\n").hash
    same = "# remark\n" + CLASSES + 'rules:\n  a:\n    match: {app: [netflix]}\n    shape: "video"\n'
    assert planned(tmp_path, same).hash == base
    assert planned(tmp_path, same.replace("{rate: {down: 20mbit", "{rate: {down: 20000kbit")).hash == base
    assert planned(tmp_path, same.replace("20mbit, up: 2", "21mbit, up: 2")).hash != base
    assert planned(tmp_path, same + "on_exit: keep\n").hash != base


def test_order_is_part_of_the_meaning(tmp_path: Path) -> None:
    rules = ["  a: {match: {port: 1}, allow: true}\n", "  b: {match: {port: 2}, log: true}\n"]
    forth = planned(tmp_path, HEAD + "rules:\n" + "".join(rules)).hash
    assert planned(tmp_path, HEAD + "rules:\n" + "".join(rules[::-1])).hash != forth
    turned = rules[::-1]
    turned[1] = turned[1].replace("{match", "{before: b, match", 1)
    assert planned(tmp_path, HEAD + "rules:\n" + "".join(turned)).engine.rules[0].name == "a"


@pytest.mark.parametrize("known", [Ids(), Ids(classes={"video": 700}, dispositions={"a": 9}, routes={"box": 5})])
def test_the_same_policy_and_numbers_give_the_same_plan(known: Ids, tmp_path: Path) -> None:
    text = CACHED
    assert planned(tmp_path, text, known) == planned(tmp_path, text, known)


def test_what_the_machine_has_decides_the_number_of_queues(tmp_path: Path) -> None:
    assert planned(tmp_path, HEAD).kernel.queues == 2
    plan = planned(tmp_path, HEAD + "queue: {count: 5, base: 10}\n")
    assert (plan.kernel.queues, plan.kernel.queue_base) == (5, 10)


def test_rates_and_exemption_are_dispositions_and_no_cache_has_what_is_exempt(tmp_path: Path) -> None:
    text = CACHED.partition("rules:")[0] + (
        "rules:\n"
        "  held: {match: {app: youtube}, per_flow: 1mbit, per_host: {down: 2mbit}, police: {up: 10%}, mirror: 7}\n"
        "  free: {match: {app: netflix}, exempt: true}\n"
    )
    plan = planned(tmp_path, text)
    _, held, free = plan.kernel.dispositions
    up = plan.kernel.trees[-1].rate // 10
    assert [(each.per, each.down, each.up) for each in held.police] == [
        ("flow", 10**6, 10**6),
        ("host", 2 * 10**6, None),
        ("rule", None, up),
    ]
    assert (held.mirror, free.exempt) == (7, True)
    assert [(rule.name, rule.route) for rule in plan.engine.rules if rule.name == "free"] == [("free", None)]
    said = words(plan)
    assert "at most 1mbit a flow, at most 2mbit down a host, at most" in said and "mirror to NFLOG group 7" in said
    assert "→ exempt" in said
