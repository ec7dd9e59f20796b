"""Applying by difference: what is equal is left alone, what fails is undone, what is foreign stays."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from world import CACHE, CLASSES, DISPOSITIONS, MBIT, World, plan, shaped

from dpi import enforce
from dpi.errors import KernelError
from dpi.policy.plan import Disposition, KernelPlan, Tree

pytestmark = pytest.mark.netns


def words(report: enforce.Report) -> list[str]:
    return [str(operation) for operation in report.operations]


FOREIGN = """
table inet firewall {
	chain input { type filter hook input priority 0; policy accept; tcp dport 22 accept; }
	chain forward { type filter hook forward priority 0; policy accept; ct mark set ct mark | 0x1; }
}
"""


def add_foreign(world: World) -> None:
    world.box.run("sh", "-c", f"printf '%s' '{FOREIGN}' | nft -f -")
    world.box.run("iptables", "-t", "mangle", "-A", "FORWARD", "-j", "MARK", "--set-mark", "0x5/0xff")
    world.box.run("ip", "rule", "add", "fwmark", "0x7/0xff", "lookup", "77", "pref", "700")
    world.box.run("ip", "route", "add", "default", "via", "198.18.0.2", "table", "77")
    world.box.run("tc", "qdisc", "add", "dev", "cdn0", "root", "handle", "5:", "htb")


@pytest.mark.guest
def test_the_second_apply_has_nothing_to_do(world: World, state: Path) -> None:
    first = enforce.apply(plan(), state_dir=state)
    assert first.changed
    assert words(enforce.apply(plan(), state_dir=state)) == []
    assert enforce.plan_operations(plan(), state_dir=state) == []


def test_the_plan_says_what_apply_does_and_does_nothing(world: World, state: Path) -> None:
    before = world.dump()
    operations = enforce.plan_operations(plan(), state_dir=state)
    assert world.dump() == before
    assert [str(o) for o in operations] == words(enforce.apply(plan(), state_dir=state))
    assert all(set(o.to_json()) == {"kind", "verb", "what", "words"} for o in operations)


@pytest.mark.guest
def test_a_changed_rate_touches_that_class_alone_and_keeps_all_counters(world: World, state: Path) -> None:
    enforce.apply(plan(), state_dir=state)
    world.serve(world.inet, 80)
    assert world.banner("198.18.0.2", 80) == b"hello"
    before = at_rest(plan())
    assert before.classes["down", "rest"].packets and before.undecided["up"].packets
    faster = tuple(replace(c, rate=25 * MBIT, ceil=25 * MBIT) if c.name == "video" else c for c in CLASSES)
    trees = (Tree("lan0", "down", 200 * MBIT, faster, "rest"), plan().trees[1])
    new = plan(trees=trees)
    assert words(enforce.apply(new, state_dir=state)) == [
        "change class d1:a of lan0: rate 20mbit, ceil 20mbit, priority 3, leaf "
        f"{leaf()} -> rate 25mbit, ceil 25mbit, priority 3, leaf {leaf()}"
    ]
    assert enforce.counters(new) == before


def at_rest(counted: KernelPlan) -> enforce.Counters:
    """What the kernel has counted when a connection's last packets are through: nothing more for half a second."""
    before, now = None, enforce.counters(counted)
    while now != before:
        time.sleep(0.5)
        before, now = now, enforce.counters(counted)
    return now


def leaf() -> str:
    from dpi.enforce.probe import probe

    return probe().leaves()[0]


@pytest.mark.guest
def test_an_added_rule_keeps_counters_learnt_servers_and_the_state_of_routes(world: World, state: Path) -> None:
    enforce.apply(plan(), state_dir=state)
    world.serve(world.inet, 80)
    world.banner("198.18.0.2", 80)
    learner = enforce.Learner(plan())
    assert learner.learn("cache", [("192.0.2.1", 600), ("2001:db8:9::1", 600)]) == 2
    enforce.set_route_state(plan(), "cache", up=False)
    before = enforce.counters(plan())
    new = plan(dispositions=(*DISPOSITIONS, Disposition(6, "games", "mail", 46, None)))
    report = enforce.apply(new, state_dir=state)
    assert [(o.verb, o.resource.kind) for o in report.operations] == [("change", "nft")]
    after = enforce.counters(new)
    assert before.undecided["up"].packets and after.undecided == before.undecided
    listed = world.box.run("nft", "list", "table", "inet", "dpi")
    assert "192.0.2.1 timeout" in listed and "2001:db8:9::1 timeout" in listed
    assert "elements = { 0x10000000 }" in world.box.run("nft", "list", "set", "inet", "dpi", "route1_dead")
    assert words(enforce.apply(new, state_dir=state)) == []


CHANGES = {
    "a rule less": {"dispositions": DISPOSITIONS[:3]},
    "a block more": {"dispositions": (*DISPOSITIONS, Disposition(7, "more", None, None, "drop"))},
    "no route": {"routes": ()},
    "two routes": {
        "routes": (
            replace(CACHE, prefixes=("198.18.64.0/24", "198.18.65.0/24", "2001:db8:64::/64")),
            replace(CACHE, number=2, name="other", table=26002, next_hop6=None, when_down="unreachable"),
        )
    },
    "a class moved": {
        "trees": (
            Tree(
                "lan0",
                "down",
                200 * MBIT,
                (*CLASSES[:2], shaped("mail", 12, 10 * MBIT, parent="video"), CLASSES[3]),
                "rest",
            ),
            plan().trees[1],
        )
    },
    "a class split": {
        "trees": tuple(
            Tree(t.device, t.direction, t.rate, (*CLASSES, shaped("low", 20, MBIT, parent="mail")), "rest")
            for t in plan().trees
        )
    },
    "one direction": {"trees": plan().trees[:1]},
    "nothing shaped": {"trees": ()},
    "both on one ifb": {"trees": (replace(plan().trees[0], ifb="dpi-down"), plan().trees[1])},
    "more queues": {"queues": 4, "queue_base": 10},
    "other marks": {"marks": replace(plan().marks, mask=0x0FFF0000)},
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_comes_to_the_same_as_a_fresh_start(world: World, tmp_path: Path, change: str) -> None:
    new = plan(**CHANGES[change])
    enforce.apply(new, state_dir=tmp_path)
    fresh = world.dump()
    enforce.clean(state_dir=tmp_path)
    enforce.apply(plan(), state_dir=tmp_path)
    base = world.dump()
    assert enforce.apply(new, state_dir=tmp_path).changed
    assert sorted_dump(world.dump()) == sorted_dump(fresh)
    enforce.apply(plan(), state_dir=tmp_path)
    assert sorted_dump(world.dump()) == sorted_dump(base)


def sorted_dump(dump: dict[str, str]) -> dict[str, list[str]]:
    """Order of objects in a table and of classes is of no meaning; rules keep theirs within each line's chain."""
    return {name: sorted(elements(text).splitlines()) for name, text in dump.items() if name != "link"}


def elements(text: str) -> str:
    """Elements of hashed sets come in any order."""
    import re

    def sort(match: re.Match[str]) -> str:
        return "elements = { " + ", ".join(sorted(e.strip() for e in match[1].split(","))) + " }"

    return re.sub(r"elements = \{([^}]*)\}", sort, text)


@pytest.mark.guest
def test_what_is_foreign_is_untouched_and_clean_leaves_nothing(world: World, state: Path) -> None:
    add_foreign(world)
    before = world.dump()
    enforce.apply(plan(), state_dir=state)
    during = world.dump()
    assert "table inet firewall" in during["nft"] and "htb 5:" in during["qdisc"]
    enforce.apply(plan(routes=(), dispositions=DISPOSITIONS[:2]), state_dir=state)
    assert enforce.clean(state_dir=state).changed
    assert world.dump() == before
    assert not enforce.clean(state_dir=state).changed


def test_clean_leaves_not_even_the_table_that_iptables_made(world: World, state: Path) -> None:
    before = world.dump()
    enforce.apply(plan(), state_dir=state)
    enforce.clean(state_dir=state)
    assert world.dump() == before
    assert not (state / "kernel.json").exists()


def test_a_daemon_that_was_killed_is_cleaned_up_after_without_its_state_file(world: World, tmp_path: Path) -> None:
    before = world.dump()
    enforce.apply(plan(), state_dir=tmp_path / "lost")
    enforce.clean(state_dir=tmp_path / "other")
    after = world.dump()
    assert {k: v for k, v in after.items() if k not in ("sysctl", "iptables", "ip6tables", "nft")} == {
        k: v for k, v in before.items() if k not in ("sysctl", "iptables", "ip6tables", "nft")
    }
    assert "dpi" not in after["nft"].lower()


def test_a_failure_at_any_step_leaves_the_kernel_as_it_was(world: World, state: Path) -> None:
    add_foreign(world)
    enforce.apply(plan(), state_dir=state)
    enforce.Learner(plan()).learn("cache", [("192.0.2.1", 600)])
    target = plan(**CHANGES["a class moved"], **CHANGES["two routes"], dispositions=DISPOSITIONS[:3], queues=2)
    before = sorted_dump(world.dump())
    steps = len(enforce.plan_operations(target, state_dir=state))
    assert steps > 5
    for step in range(steps):
        with pytest.raises(KernelError, match=rf"^step {step + 1} of {steps} failed: .*made to fail"):
            enforce.apply(target, state_dir=state, fail_at=step)
        assert sorted_dump(world.dump()) == before, f"after a failure at step {step + 1}"
        assert enforce.apply(plan(), state_dir=state).operations == ()


def test_a_failure_at_any_step_of_the_first_apply_leaves_nothing(world: World, state: Path) -> None:
    before = world.dump()
    steps = len(enforce.plan_operations(plan(), state_dir=state))
    for step in range(steps):
        with pytest.raises(KernelError, match="made to fail"):
            enforce.apply(plan(), state_dir=state, fail_at=step)
        assert world.dump() == before, f"after a failure at step {step + 1}"


def test_a_root_qdisc_that_is_not_ours_is_refused_by_name(world: World, state: Path) -> None:
    world.box.run("tc", "qdisc", "add", "dev", "lan0", "root", "handle", "7:", "htb")
    before = world.dump()
    with pytest.raises(KernelError, match=r"lan0 already has a root qdisc \(htb 7:\) that is not ours"):
        enforce.apply(plan(), state_dir=state)
    assert world.dump() == before


def test_an_interface_that_is_not_there_is_named_and_the_rest_is_put_in_force(world: World, state: Path) -> None:
    trees = (replace(plan().trees[0], device="lan9"), plan().trees[1])
    interfaces = (replace(plan().interfaces[0], name="lan9"), plan().interfaces[1])
    report = enforce.apply(plan(trees=trees, interfaces=interfaces), state_dir=state)
    assert "lan9 is not there now: nothing is shaped on it until it comes" in report.notes
    assert "htb" in world.box.run("tc", "qdisc", "show", "dev", "wan0")


def test_a_next_hop_that_is_not_connected_is_noted_and_has_no_route(world: World, state: Path) -> None:
    routes = (replace(CACHE, next_hop4="203.0.113.5", next_hop6=None),)
    report = enforce.apply(plan(routes=routes), state_dir=state)
    assert any("203.0.113.5 is not on a network that this box is connected to now" in n for n in report.notes)
    assert "26001" not in world.box.run("ip", "route", "show", "table", "all")
    assert not enforce.apply(plan(routes=routes), state_dir=state).changed


def test_strict_reverse_path_filtering_is_loosened_where_a_cache_answers_and_put_back(
    world: World, state: Path
) -> None:
    files = {d: Path(f"/proc/sys/net/ipv4/conf/{d}/rp_filter") for d in ("all", "lan0", "wan0", "cdn0")}
    files["all"].write_text("1")
    before = {d: f.read_text().strip() for d, f in files.items()}
    enforce.apply(plan(), state_dir=state)
    assert {d: f.read_text().strip() for d, f in files.items()} == {**before, "wan0": "2", "cdn0": "2"}
    assert not enforce.apply(plan(), state_dir=state).changed
    enforce.clean(state_dir=state)
    assert {d: f.read_text().strip() for d, f in files.items()} == before


def test_two_of_us_do_not_act_at_once(world: World, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dpi.enforce.state import locked

    monkeypatch.setattr("dpi.enforce.state.PATIENCE", 0.2)
    with locked(state), pytest.raises(KernelError, match="another dpi"):
        enforce.apply(plan(), state_dir=state)


def test_a_name_that_nft_would_take_for_a_pattern_and_too_many_rules_are_refused(world: World, state: Path) -> None:
    world.box.run("ip", "link", "add", "lan*", "type", "ifb")
    interfaces = (replace(plan().interfaces[0], name="lan*"), plan().interfaces[1])
    with pytest.raises(KernelError, match=r"lan\*: nft and iptables would take this name for a pattern"):
        enforce.apply(plan(interfaces=interfaces), state_dir=state)
    with pytest.raises(KernelError, match=r"rule number 3000 does not fit the mark"):
        enforce.apply(plan(dispositions=(Disposition(3000, "x", None, None, None),)), state_dir=state)
