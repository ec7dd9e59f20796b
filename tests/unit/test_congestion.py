"""Congestion: when it begins and ends, what a check finds, and what that makes of rules."""

from __future__ import annotations

from pathlib import Path

from policy_texts import CLASSES, findings, planned

from dpi.daemon.conditions import ConditionWatch
from dpi.daemon.congestion import Congestions
from dpi.policy.conditions import Holding, absent
from dpi.policy.plan import Direction, PlannedCongestion
from dpi.policy.show import words

BUSY = PlannedCongestion("busy", "f:1", "video", "down", 8000, 0.9, 0.5, 3.0, "")  # 1,000 bytes a second
VIDEO: tuple[Direction, str] = ("down", "video")
RULE = "rules:\n  r: {match: {app: netflix, congested: busy}, shape: rest}\n  v: {match: {app: zoom}, shape: video}\n"


def seen(*rates: int) -> list[bool]:
    """Whether the class is congested after each second, at so many bytes in it."""
    congestions, sent, found = Congestions(), 5000, []
    congestions.use((BUSY,))
    congestions.look(0.0, {VIDEO: sent})
    for second, rate in enumerate(rates, 1):
        sent += rate
        congestions.look(float(second), {VIDEO: sent})
        found.append(congestions.holding == {"busy"})
    return found


def test_it_begins_and_ends_after_its_time_and_not_between_its_thresholds() -> None:
    assert seen(1000, 1000, 1000) == [False, False, True]
    assert seen(1000, 1000, 800, 1000, 1000) == [False] * 5
    assert seen(1000, 1000, 1000, 600, 600, 600, 600) == [False, False, *[True] * 5]
    assert seen(1000, 1000, 1000, 400, 400, 600, 400, 400, 400, 950) == [False, False, *[True] * 6, False, False]


def test_counters_that_begin_anew_and_classes_that_are_away_say_nothing() -> None:
    congestions = Congestions()
    congestions.use((BUSY,))
    for second, sent in enumerate(({VIDEO: 9000}, {VIDEO: 10}, {}, {VIDEO: 90_000})):
        congestions.look(float(second), sent)
    assert not congestions.holding
    congestions.look(2.0, {VIDEO: 99_000})  # no time has passed
    assert not congestions.holding


def test_what_stays_the_same_keeps_its_state() -> None:
    congestions = Congestions()
    congestions.use((BUSY,))
    for second in range(5):
        congestions.look(float(second), {VIDEO: 1000 * second})
    other = PlannedCongestion("other", "f:2", "video", "up", 8000, 0.9, 0.5, 3.0, "")
    congestions.use((other, BUSY))
    assert congestions.holding == {"busy"}
    congestions.use((other,))
    assert not congestions.holding
    assert congestions.told(BUSY)["words"].startswith("not congested")


def test_a_rule_is_there_while_a_class_is_congested(tmp_path: Path) -> None:
    plan = planned(tmp_path, CLASSES + "congestion: {busy: {class: video, above: 90%, for: 1min}}\n" + RULE)
    (congestion,) = plan.conditions.congestion
    assert (congestion.rate, congestion.below, congestion.lasting) == (20_000_000, 0.9 * 0.8, 60.0)
    assert "congestion busy: video down over 90% of 20mbit for 1min, until under 72%" in words(plan)
    match = plan.engine.rules[0].match
    assert absent(match, Holding())
    assert not absent(match, Holding(congestion=frozenset(["busy"])))


def test_the_daemon_hears_of_it(tmp_path: Path) -> None:
    conditions = planned(
        tmp_path, CLASSES + "congestion: {busy: {class: video, above: 90%, for: 2s}}\n" + RULE
    ).conditions

    watch = ConditionWatch(lambda: 1_700_000_000.0)
    watch.use(conditions, watch.look(conditions))
    assert not watch.changed()
    for second in range(4):
        watch.congestion.look(float(second), {VIDEO: 3_000_000 * second})
    before = watch.holding
    assert watch.changed()
    watch.use(conditions, watch.look(conditions))
    assert watch.words(before) == "congestion busy begins"
    assert not watch.changed()


def test_a_check_finds_what_is_wrong_with_congestion(tmp_path: Path) -> None:
    text = CLASSES + (
        "congestion:\n"
        "  a: {class: vido, above: 90%}\n"
        "  b: {class: video, above: 90%, below: 95%}\n"
        "  c: {class: video, above: much}\n"
        "rules:\n"
        "  r: {match: {congested: [a, x]}, shape: video}\n"
    )
    found = "\n".join(findings(tmp_path, text))
    for says in (
        "congestion.a.class: there is no class vido; did you mean video?",
        "congestion.b.below: must be less than `above`",
        "congestion.b: warning: no rule asks for it",
        "congestion.c.above: 'much' is no share",
        "rules.r.match.congested[1]: there is none x",
    ):
        assert says in found, found
