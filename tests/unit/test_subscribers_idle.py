"""Which subscribers' classes are made and taken away, where that is on demand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_texts import LINK, WORDS, planned, write

from dpi.daemon.idle import Idle
from dpi.enforce.asleep import asleep
from dpi.enforce.nft.host_chains import NOISE, text
from dpi.enforce.nft.host_maps import ASLEEP, branch_number, hosts, kernel_number
from dpi.enforce.nft.host_table import HostTable
from dpi.enforce.nft.view import Facts
from dpi.enforce.on_demand import Sent
from dpi.enforce.probe import Features
from dpi.enforce.qdisc.branch import BranchClasses
from dpi.enforce.resource import State, state_of
from dpi.enforce.subscribers import Branches
from dpi.policy.check import inspect
from dpi.policy.diff import diff
from dpi.policy.plan import KernelPlan, Plan
from dpi.policy.show import words

POLICY = (
    LINK
    + "classes: {rest: {rate: 50%, ceil: 100%, default: true}, video: {rate: 20%, ceil: 100%}}\n"
    + "tariffs: {home: {rate: 40mbit, classes: {video: {rate: 50%}}}, plain: {rate: 10mbit}}\n"
    + "sites: {mast: {rate: 60mbit}}\n"
    + "rules: {video: {match: {app: netflix}, shape: video}}\n"
)
THREE = (
    "a: {tariff: home, address: 10.0.0.1, parent: mast}, b: {tariff: plain, address: 10.0.0.2}, "
    "c: {tariff: home, address: 10.0.0.3}"
)


def policy(folder: Path, settings: str, tariff: str = "plain") -> Plan:
    return planned(folder, f"{POLICY}subscribers: {{{settings}default: {tariff}, entries: {{{THREE}}}}}\n")


def kernel(folder: Path) -> KernelPlan:
    return policy(folder, "queues: on-demand, ").kernel


FEATURES = Features(bfifo=True, htb=True)


def classes(plan: KernelPlan, *names: str, direction: str = "down") -> list[BranchClasses]:
    assert plan.subscribers
    made = Branches("down" if direction == "down" else "up", "lan0", plan, FEATURES)
    return [made.of(b) for b in plan.subscribers.branches if b.name in names]


@pytest.mark.parametrize(
    ("settings", "count", "idle"),
    [
        ("", 1_000, None),
        ("", 1_001, 600.0),
        ("queues: on-demand, idle: 90s, ", 3, 90.0),
        ("queues: all, ", 1_001, None),
    ],
)
def test_many_have_queues_on_demand_few_from_the_start(
    tmp_path: Path, settings: str, count: int, idle: float | None
) -> None:
    rows = [f"s{n},plain,10.9{n >> 8}.{n & 255}.1,\n" for n in range(count - 3)]
    if rows:
        write(tmp_path / "policy.d", "id,tariff,address,parent\n" + "".join(rows), "list.csv")
    subscribers = policy(tmp_path, settings).kernel.subscribers
    assert subscribers and subscribers.idle == idle


def test_a_time_that_is_none_for_this_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, f"{POLICY}subscribers: {{idle: 1s, entries: {{{THREE}}}}}\n")
    _, findings = inspect(path, names=lambda _: WORDS)
    assert f"{path}:8:21: subscribers.idle: is between 5s and 7d" in map(str, findings)


def test_it_is_told_and_a_change_of_it_too(tmp_path: Path) -> None:
    before, after = policy(tmp_path, ""), policy(tmp_path, "queues: on-demand, idle: 1h, ")
    assert "on demand, away after 1h idle" in words(after)
    assert [str(change) for change in diff(before, after)] == [
        "~ queues of subscribers: none → on demand, away after 1h idle"
    ]


def test_only_of_whom_the_kernel_has_nothing_is_nothing_missed(tmp_path: Path) -> None:
    plan = kernel(tmp_path)
    assert plan.subscribers
    assert asleep(plan.subscribers, {}) == {"a", "b", "c"}
    assert asleep(plan.subscribers, state_of(classes(plan, "a"))) == {"b", "c"}
    assert asleep(plan.subscribers, state_of(classes(plan, "b", direction="up"))) == {"a", "c"}
    given_to_c: State = state_of([HostTable("inet", "", hosts(plan, {"a", "b"}))])
    assert asleep(plan.subscribers, given_to_c) == {"a", "b"}
    assert asleep(replace(plan.subscribers, idle=None), {}) == frozenset()


def test_who_comes_to_another_tariff_is_the_same_with_shares_and_without(tmp_path: Path) -> None:
    plan = kernel(tmp_path)
    other = policy(tmp_path, "queues: on-demand, ", "home").kernel
    assert plan.subscribers and other.subscribers
    plain = replace(
        plan.subscribers,
        branches=tuple(replace(b, number=b.number | 7) if b.name == "a" else b for b in plan.subscribers.branches),
    )
    assert asleep(plain, state_of(classes(plan, "a"))) == {"b", "c"}


def test_a_number_says_whether_there_are_classes(tmp_path: Path) -> None:
    for number in (0x400, 0x7FFF, 3 << 16 | 0xFDF8, 127 << 16 | 0x408):
        for each in (number, number | ASLEEP):
            assert branch_number(kernel_number(each)) == each
    assert kernel_number(1 << 16 | 0x400 | ASLEEP) == 0x01FF0400


def test_traffic_of_who_has_no_classes_keeps_the_links(tmp_path: Path) -> None:
    found = text(kernel(tmp_path), Facts())
    assert "meta priority & 0x00ff0000 == 0x00ff0000 goto asleep_up" in found
    down = found[found.index("chain asleep_down") : found.index("chain down {")]
    assert down.count("update @wanted { meta priority }") == 2 and "limit rate over" in down
    assert "direction original" not in down
    assert "asleep" not in text(policy(tmp_path, "").kernel, Facts())


# Idle


def test_who_sends_is_used_and_what_the_internet_sends_is_not() -> None:
    idle = Idle()
    idle.these(["a"], 0.0)
    assert idle.due(5.0, 10.0, 9) == [] and idle.due(10.0, 10.0, 9) == ["a"]
    assert idle.saw("a", Sent(5, 5), 10.0) == 0.0, "what it was before is not known"
    assert idle.saw("a", Sent(NOISE * 10, 5), 20.0) == 10.0, "a scan"
    assert idle.saw("a", Sent(NOISE * 10, 40), 30.0) == 0.0
    assert idle.saw("a", Sent(NOISE * 21, 40), 40.0) == 0.0, "more than scans"
    assert idle.saw("a", Sent(NOISE * 21, 40), 50.0) == 10.0


def test_the_longest_not_looked_at_come_first_and_not_too_many() -> None:
    idle = Idle()
    for n, name in enumerate("abcd"):
        idle.add(name, float(n))
    assert idle.due(100.0, 10.0, 2) == ["a", "b"]
    idle.saw("a", Sent(0, 0), 100.0)
    idle.remove("c")
    idle.these([*"abd", "e"], 101.0)
    assert idle.due(109.0, 10.0, 9) == ["b", "d"]
    assert (len(idle), "c" in idle) == (4, False)


LOOKS = st.lists(st.tuples(st.floats(0.5, 30.0), st.integers(0, 3) | st.just(-1), st.booleans()), max_size=30)


@given(LOOKS)
def test_nobody_is_idle_for_longer_than_since_their_last_packet(looks: list[tuple[float, int, bool]]) -> None:
    """Packets are sent between two looks; -1: they were made anew."""
    idle, now, up, last = Idle(), 0.0, 0, 0.0
    idle.add("a", 0.0)
    for wait, packets, again in looks:
        now += wait
        if again:
            idle.these(["a"], now)
        if packets < 0:
            idle.remove("a")
            idle.add("a", now)
            up, last = 0, now
        elif packets:
            up, last = up + packets, now
        assert idle.saw("a", Sent(0, up), now) <= now - last
