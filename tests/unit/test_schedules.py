"""Schedules: how they are spelled, when they are in force, what that makes of rules, and what a check finds."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from policy_texts import CLASSES, HEAD, checked, findings, planned

from dpi.captures import Captures
from dpi.daemon.conditions import ConditionWatch
from dpi.match import signatures
from dpi.policy.compile import compile_policy
from dpi.policy.conditions import NOTHING, Holding, at
from dpi.policy.diff import diff
from dpi.policy.explain import Facts, explain
from dpi.policy.names import Machine
from dpi.policy.plan import PlannedSchedule
from dpi.policy.schedule import dates, state, told, weekly
from dpi.policy.show import words
from dpi.rule_tables import ask, tables
from dpi.simulate.traffic import of_capture
from tests.captures import FIRST, packet, pcap
from tests.cores import UDP

BERLIN = ZoneInfo("Europe/Berlin")
EVENING = "zone: Europe/Berlin\nschedules:\n  evening: {weekly: mon-fri 18:00-23:00}\n"
FILMS = "rules:\n  films: {match: {app: netflix, during: evening}, shape: video}\n"


def made(
    *hours: str, on: tuple[str, ...] = (), but: tuple[str, ...] = (), zone: str = "Europe/Berlin"
) -> PlannedSchedule:
    spans = sorted(span for text in hours for span in weekly(text).spans)
    given, cut = ([(d.begin, d.end) for d in map(dates, texts)] for texts in (on, but))
    return PlannedSchedule("s", "f:1", zone, tuple(spans), tuple(given), tuple(cut), "")


def unix(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def holds(schedule: PlannedSchedule, text: str, fold: int = 0) -> bool:
    return state(schedule, unix(text, fold=fold)).holds


def test_hours_of_days_are_in_force_from_their_second_to_their_last() -> None:
    evening = made("mon-fri 18:00-23:00")
    assert not holds(evening, "2026-11-20 17:59:59")  # a Friday
    assert state(evening, unix("2026-11-20 18:00")) == (True, unix("2026-11-20 18:00"), unix("2026-11-20 23:00"))
    assert holds(evening, "2026-11-20 22:59:59")
    assert state(evening, unix("2026-11-20 23:00")) == (False, unix("2026-11-20 23:00"), unix("2026-11-23 18:00"))


def test_hours_go_over_midnight_and_over_the_week_and_touching_ones_are_one() -> None:
    night = made("sun 22:00-06:00")
    assert holds(night, "2026-11-22 23:00")
    assert holds(night, "2026-11-23 05:59")
    assert not holds(night, "2026-11-23 06:00")
    joined = made("fri 18:00-24:00", "sat-mon", "tue 00:00-06:00")
    assert state(joined, unix("2026-11-21 00:00"))[1:] == (unix("2026-11-20 18:00"), unix("2026-11-24 06:00"))
    assert holds(made("sat-tue 12:00-13:00"), "2026-11-23 12:30")
    assert not holds(made("sat-tue 12:00-13:00"), "2026-11-25 12:30")
    assert state(made("mon-sun"), unix("2026-11-21 00:00")) == (True, None, None)


def test_where_clocks_are_set_back_a_window_is_not_interrupted() -> None:
    late = made("sun 02:30-05:00")
    day = "2026-10-25 "
    assert holds(late, day + "02:45")
    assert holds(late, day + "02:15", fold=1)  # the clock shows a quarter past for the second time
    assert state(late, unix(day + "02:45")).until == unix(day + "05:00")
    half = made("sun 02:15-02:45")
    assert (holds(half, day + "02:30"), holds(half, day + "02:30", fold=1)) == (True, False)
    whole = state(made("sun"), unix(day + "12:00"))
    assert whole.until is not None and whole.since is not None
    assert whole.until - whole.since == 25 * 3600


def test_an_hour_that_is_left_out_is_as_long_as_it_was() -> None:
    jump = unix("2026-03-29 03:00")
    assert state(made("sun 02:30-04:00"), jump - 1) == (False, unix("2026-03-22 04:00"), jump)
    assert state(made("sun 01:00-02:30"), jump - 1).until == jump
    assert not state(made(on=("2026-03-29 02:10..2026-03-29 02:50",)), jump).holds


def test_dates_hold_once_and_others_are_taken_away() -> None:
    feast = made(on=("2026-12-24..2026-12-26", "2026-12-31 18:00..2027-01-01 06:00", "2026-12-28 22:00-02:00"))
    assert not holds(feast, "2026-12-23 23:59:59")
    assert state(feast, unix("2026-12-25 12:00"))[1:] == (unix("2026-12-24 00:00"), unix("2026-12-27 00:00"))
    assert holds(feast, "2026-12-29 01:59")
    assert state(feast, unix("2027-01-01 06:00")) == (False, unix("2027-01-01 06:00"), None)
    office = made("mon-fri 08:00-17:00", but=("2026-12-24..2026-12-25", "2026-12-28 12:00-13:00"))
    assert state(office, unix("2026-12-23 18:00")).until == unix("2026-12-28 08:00")
    assert not holds(office, "2026-12-24 09:00")
    assert state(office, unix("2026-12-28 08:30")).until == unix("2026-12-28 12:00")


def test_zones_differ() -> None:
    night = made("00:00-06:00", zone="Asia/Kolkata")
    assert state(night, unix("2026-11-20 18:30", ZoneInfo("UTC"))).holds
    assert not state(night, unix("2026-11-20 18:29:59", ZoneInfo("UTC"))).holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mon-fry 10:00-11:00", "fry is no day"),
        ("10:00-10:00", "is empty"),
        ("24:00-06:00", "is empty"),
        ("mon 25:00-26:00", "25:00 is no time of a day"),
        ("mon 10:60-11:00", "10:60 is no time of a day"),
        ("mon 24:01-25:00", "24:01 is no time of a day"),
        ("evening", "no hours of a week"),
        (1800, "no hours of a week"),
    ],
)
def test_wrong_hours_are_told(text: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        weekly(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-02-30", "there is no date 2026-02-30"),
        ("2026-12-26..2026-12-24", "ends before it begins"),
        ("1999-12-31", "is not between 2000 and 2199"),
        ("24.12.2026", "is no date"),
        (20261224, "is no date"),
    ],
)
def test_wrong_dates_are_told(text: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        dates(text)


def test_what_is_told_is_as_short_as_it_can_be() -> None:
    evening = made("mon-fri 18:00-23:00")
    assert told(evening, unix("2026-11-20 17:00")) == "not in force; begins 18:00"
    assert told(evening, unix("2026-11-20 19:00")) == "in force until 23:00"
    assert told(evening, unix("2026-11-20 23:00")) == "not in force; begins Mon 18:00"
    feast = made(on=("2026-12-24",))
    assert told(feast, unix("2026-11-20 23:00")) == "not in force; begins 2026-12-24 00:00"
    assert told(feast, unix("2026-12-26 23:00")) == "not in force; over"


# In a policy


def test_a_check_finds_what_is_wrong_with_schedules(tmp_path: Path) -> None:
    text = HEAD + (
        "schedules:\n"
        "  nowhere: {weekly: mon}\n"
        "  empty: {zone: UTC}\n"
        "  strange: {zone: Europe/Berlim, weekly: mon}\n"
        "  past: {zone: UTC, dates: 2020-12-24}\n"
        "  cut: {zone: UTC, dates: 2199-12-24, without: 2199-12-01..2199-12-31}\n"
        "  always: {zone: UTC, weekly: mon-sun}\n"
        "  hours: {zone: UTC, weekly: [mon 9-17]}\n"
        "rules:\n"
        "  a: {match: {during: [nowhere, empty, strange, hours, always]}, allow: true}\n"
        "  b: {match: {during: [past, cut]}, allow: true}\n"
        "  c: {match: {during: past-times}, allow: true}\n"
    )
    found = "\n".join(findings(tmp_path, text))
    for says in (
        "4:3: schedules.nowhere: needs a `zone`",
        "5:3: schedules.empty: needs weekly windows or dates",
        "6:19: schedules.strange.zone: there is no time zone Europe/Berlim; did you mean Europe/Berlin?",
        "7:28: schedules.past.dates: warning: is over: its last window ended 2020-12-25 00:00:00",
        "8:48: schedules.cut.without: warning: never occurs",
        "9:31: schedules.always.weekly: warning: is the whole week",
        "10:31: schedules.hours.weekly[0]: 'mon 9-17' are no hours of a week",
        "13:23: rules.b.match.during: warning: can never match: past and cut will never be in force",
        "14:23: rules.c.match.during[0]: there is no schedule past-times",
    ):
        assert says in found, found


def test_a_rule_is_shadowed_only_by_what_is_there_at_the_same_time(tmp_path: Path) -> None:
    text = (
        CLASSES
        + EVENING
        + (
            "  night: {weekly: 23:00-06:00}\n"
            "rules:\n"
            "  one: {match: {app: netflix, during: evening}, shape: video}\n"
            "  two: {match: {app: netflix, during: night}, block: drop}\n"
            "  three: {match: {app: netflix, during: [night, evening]}, allow: true}\n"
            "  four: {match: {app: netflix}, shape: video}\n"
        )
    )
    found = findings(tmp_path, text)
    assert len(found) == 1
    assert "rules.three: warning: can never match: shadowed by two at" in found[0]


def test_a_rule_outside_of_its_schedule_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    plan = planned(tmp_path, CLASSES + EVENING + FILMS + "  rest: {match: {app: netflix}, block: drop}\n")
    known = signatures.load()
    holding = Holding(frozenset(["evening"]))
    facts = Facts(app="netflix", protocol="tls")
    for now, number in ((holding, 0), (NOTHING, 1)):
        assert ask(tables(plan.engine, {}, known, now)[0], facts, known) == number
        assert [v.matched for v in explain(plan.engine, facts, now)].index(True) == number
    assert explain(plan.engine, facts)[0].reason == "evening is not in force"


def test_a_plan_tells_its_schedules_and_their_changes(tmp_path: Path) -> None:
    plan = planned(tmp_path, CLASSES + EVENING + FILMS)
    assert "schedule evening: mon-fri 18:00-23:00 (Europe/Berlin): in force until 23:00" in words(
        plan, unix("2026-11-20 19:00")
    )
    later = planned(tmp_path, CLASSES + EVENING.replace("18:00", "19:00") + FILMS)
    assert [str(change) for change in diff(plan, later)] == [
        "~ schedule evening: mon-fri 18:00-23:00 (Europe/Berlin) → mon-fri 19:00-23:00 (Europe/Berlin)"
    ]
    assert plan.hash != later.hash


def test_a_time_of_the_schedule_is_good_until_it_says(tmp_path: Path) -> None:
    conditions = planned(tmp_path, CLASSES + EVENING + FILMS).conditions
    moment = at(conditions, unix("2026-11-20 19:00"))
    assert moment == (Holding(frozenset(["evening"])), unix("2026-11-20 18:00"), unix("2026-11-20 23:00"))


def test_the_daemon_switches_at_the_second_also_when_the_clock_is_set(tmp_path: Path) -> None:
    conditions = planned(tmp_path, CLASSES + EVENING + FILMS).conditions
    now = [unix("2026-11-20 17:59:59.7")]
    seen: list[tuple[float, bool]] = []

    async def switch() -> None:
        watch.use(conditions, watch.look(conditions))
        seen.append((now[0], "evening" in watch.holding.schedules))

    async def until(count: int) -> None:
        while len(seen) < count:
            await asyncio.sleep(0.01)
            now[0] += 0.01

    async def run() -> None:
        task = asyncio.ensure_future(watch.run(switch))
        try:
            await asyncio.wait_for(until(1), 20)
            now[0] = unix("2026-11-20 23:00:05")  # somebody sets it
            await asyncio.wait_for(until(2), 20)
            now[0] = unix("2026-11-20 20:00")  # and back
            await asyncio.wait_for(until(3), 20)
        finally:
            task.cancel()

    watch = ConditionWatch(lambda: now[0])
    watch.use(conditions, watch.look(conditions))
    asyncio.run(run())
    assert [on for _, on in seen] == [True, False, True]
    assert unix("2026-11-20 18:00") <= seen[0][0] < unix("2026-11-20 18:00:01")


def test_a_capture_is_decided_by_the_schedules_of_its_time(tmp_path: Path) -> None:
    path = tmp_path / "two.pcap"
    packets = [packet("10.0.0.5", 40000 + n, "192.0.2.7", 4000, UDP, b"x") for n in range(50)]
    path.write_bytes(pcap(packets, apart=4_000_000))
    begin, end = (datetime.fromtimestamp(FIRST + seconds, BERLIN) for seconds in (6, 199))
    window = f"{begin:%Y-%m-%d %H:%M:%S}..{end:%Y-%m-%d %H:%M:%S}"
    text = CLASSES + f"zone: Europe/Berlin\nschedules: {{then: {{dates: {window}}}}}\n"
    text += "rules:\n  all: {match: {during: then}, shape: video}\n"
    plan = compile_policy(checked(tmp_path, text), Machine(cores=1))
    engine = Captures(max_flows=1024)
    engine.follow(plan)
    decided = {record.sport - 40000: record.rule for record in engine.classify(path)}
    assert [decided[n] for n in (34, 48)] == ["all", "all"]  # rules change between batches of 32 packets
    judged = {each.record.sport - 40000: each.rule for each in of_capture(path, plan, signatures.load())}
    assert [judged[n] for n in (0, 1, 2, 48, 49)] == ["default", "default", "all", "all", "all"]
