"""When a schedule is in force, by the clock on the wall of its time zone.

A window begins when that clock first shows its beginning and ends when it first shows its end.  So where clocks are set
back a window is not interrupted, and what is named of an hour that is left out begins when the hour after it does.
Everything here is a function of the time that it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dpi.policy.plan import PlannedSchedule

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = 86400
WEEK = 7 * DAY
WEEKS = 4  # looked ahead; what changes later is found when time gets there
YEARS = range(2000, 2200)
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?"
_DAYS = r"[a-z]{3}(?:-[a-z]{3})?(?:,[a-z]{3}(?:-[a-z]{3})?)*"
_TIMES = rf"{_CLOCK}-{_CLOCK}(?:,{_CLOCK}-{_CLOCK})*"
WEEKLY = re.compile(rf"(?:({_DAYS})(?: ({_TIMES}))?|({_TIMES}))")
_DATE = r"\d{4}-\d\d-\d\d"
DATES = re.compile(rf"({_DATE})(?: ({_CLOCK}))?\.\.({_DATE})(?: ({_CLOCK}))?|({_DATE})(?: ({_CLOCK})-({_CLOCK}))?")

Span = tuple[float, float]  # Unix time: from, and until but without


@dataclass(frozen=True)
class Weekly:
    """Windows of every week, in seconds from Monday 00:00; the last may end in the week after."""

    text: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Dates:
    """One window of the calendar, ISO 8601 without a zone."""

    text: str
    begin: str
    end: str


class State(NamedTuple):
    """Whether a schedule is in force, and since and until when (Unix time; None: no such moment within weeks)."""

    holds: bool
    since: float | None
    until: float | None


def weekly(value: object) -> Weekly:
    """`mon-fri 18:00-23:00`, `sat,sun`, `22:00-06:00`."""
    text = " ".join(value.lower().split()).replace(", ", ",") if isinstance(value, str) else ""
    found = WEEKLY.fullmatch(text)
    if found is None:
        raise ValueError(f"{value!r} are no hours of a week; write mon-fri 18:00-23:00, sat,sun or 22:00-06:00")
    spans = []
    for day in _days(found[1]) if found[1] else range(7):
        for begin, end in _times(found[2] or found[3]):
            spans.append((day * DAY + begin, day * DAY + end))
    return Weekly(text, tuple(sorted(spans)))


def _days(text: str) -> Iterable[int]:
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        for day in (first, last or first):
            if day not in DAYS:
                raise ValueError(f"{day} is no day; they are {', '.join(DAYS)}")
        a, b = DAYS.index(first), DAYS.index(last or first)
        found |= {day % 7 for day in range(a, b + 1 + (7 if b < a else 0))}
    return sorted(found)


def _times(text: str | None) -> Iterable[tuple[int, int]]:
    if not text:
        return [(0, DAY)]
    found = []
    for part in text.split(","):
        begin, end = (_seconds(clock) for clock in part.split("-"))
        if begin in (end, DAY):
            raise ValueError(f"{part} is empty; a whole day is 00:00-24:00")
        found.append((begin, end if end > begin else end + DAY))
    return found


def _seconds(clock: str) -> int:
    hours, minutes, *rest = map(int, clock.split(":"))
    seconds = hours * 3600 + minutes * 60 + sum(rest)
    if minutes > 59 or sum(rest) > 59 or seconds > DAY:
        raise ValueError(f"{clock} is no time of a day; they go from 00:00 to 24:00")
    return seconds


def dates(value: object) -> Dates:
    """`2026-12-24`, `2026-12-24 18:00-23:00`, `2026-12-24..2026-12-26` (with both days),
    `2026-12-31 18:00..2027-01-01 06:00`."""
    text = " ".join(value.split()).replace(" ..", "..").replace(".. ", "..") if isinstance(value, str) else ""
    found = DATES.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{value!r} is no date; write 2026-12-24, 2026-12-24..2026-12-26 or 2026-12-31 18:00..2027-01-01 06:00"
        )
    if found[5]:
        first = last = _date(found[5])
        begin, end = _seconds(found[6] or "0:00"), _seconds(found[7] or "24:00")
        end += DAY if found[6] and end <= begin else 0
    else:
        first, last = _date(found[1]), _date(found[3])
        begin, end = _seconds(found[2] or "0:00"), _seconds(found[4] or "24:00")
    a, b = (datetime(d.year, d.month, d.day) + timedelta(seconds=s) for d, s in ((first, begin), (last, end)))
    if b <= a:
        raise ValueError(f"{text} ends before it begins")
    return Dates(text, a.isoformat(), b.isoformat())


def _date(text: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"there is no date {text}") from None
    if found.year not in YEARS:
        raise ValueError(f"{text} is not between {YEARS[0]} and {YEARS[-1]}")
    return found


def state(schedule: PlannedSchedule, now: float) -> State:
    """How it is with a schedule at a time."""
    zone = zone_of(schedule.zone)
    here = datetime.fromtimestamp(now, zone)
    monday = datetime(here.year, here.month, here.day) - timedelta(days=here.weekday())
    spans = [_instants(zone, a, b) for a, b in schedule.dates]
    for week in range(-WEEKS, WEEKS) if schedule.weekly else ():
        start = monday + timedelta(weeks=week)
        for first, last in schedule.weekly:
            spans.append(
                (
                    instant(zone, start + timedelta(seconds=first)),
                    instant(zone, start + timedelta(seconds=last)),
                )
            )
    seen: Span = instant(zone, monday - timedelta(weeks=WEEKS)), instant(zone, monday + timedelta(weeks=WEEKS))
    spans = without(union(spans), [_instants(zone, a, b) for a, b in schedule.without])
    last_end: float | None = None
    for begin, until in spans:
        if now < begin:
            return State(False, last_end, begin)
        if now < until:
            bounded = schedule.weekly == () or seen[0] < begin, schedule.weekly == () or until < seen[1]
            return State(True, begin if bounded[0] else None, until if bounded[1] else None)
        last_end = until
    return State(False, last_end, None)


def _instants(zone: ZoneInfo, begin: str, end: str) -> Span:
    return instant(zone, datetime.fromisoformat(begin)), instant(zone, datetime.fromisoformat(end))


def instant(zone: ZoneInfo, wall: datetime) -> float:
    """When the clock on the wall first shows this time or, where it leaves it out, jumps over it."""
    first = wall.replace(tzinfo=zone).timestamp()
    if datetime.fromtimestamp(first, zone).replace(tzinfo=None) == wall:
        return first
    before, after = int(wall.replace(tzinfo=zone, fold=1).timestamp()), int(first)
    while after - before > 1:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, zone).replace(tzinfo=None) < wall:
            before = middle
        else:
            after = middle
    return float(after)


def union(spans: Iterable[Span]) -> list[Span]:
    """In order, none empty, those that touch as one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if begin >= end:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((begin, end))
    return found


def without(spans: Sequence[Span], cuts: Iterable[Span]) -> list[Span]:
    """What is left of ordered spans."""
    for a, b in union(cuts):
        spans = [
            part for begin, end in spans for part in ((begin, min(end, a)), (max(begin, b), end)) if part[0] < part[1]
        ]
    return list(spans)


@cache
def zone_of(name: str) -> ZoneInfo:
    """ZoneInfoNotFoundError where there is none of that name."""
    return ZoneInfo(name)


def clock(when: float, zone: str, now: float) -> str:
    """`23:00`, `Fri 23:00`, `2026-12-24 18:00`: the shortest that cannot be mistaken `now`, in the schedule's zone."""
    there, here = (datetime.fromtimestamp(t, zone_of(zone)) for t in (when, now))
    time = there.strftime("%H:%M:%S" if there.second else "%H:%M")
    if there.date() == here.date():
        return time
    if abs(when - now) < 6 * DAY:
        return f"{DAYS[there.weekday()].capitalize()} {time}"
    return f"{there.date()} {time}"


def told(schedule: PlannedSchedule, now: float) -> str:
    """`in force until Fri 23:00`, `not in force; begins 18:00`."""
    found = state(schedule, now)
    if found.holds:
        return "in force" + (f" until {clock(found.until, schedule.zone, now)}" if found.until else "")
    if found.until:
        return f"not in force; begins {clock(found.until, schedule.zone, now)}"
    return "not in force" + ("; over" if not schedule.weekly else "")
