"""Conditions that hold at times: that what rules name exists, and that it ever comes to be."""

from __future__ import annotations

from dpi.policy.checks.case import Case
from dpi.policy.findings import near
from dpi.policy.load import Path_
from dpi.policy.model.conditions import Schedule
from dpi.policy.schedule import WEEK, without


def check(case: Case) -> None:
    schedules = case.policy.schedules
    never = {name for name, schedule in schedules.items() if _schedule(case, ("schedules", name), schedule)}
    used: set[str] = set()
    known = case.named("schedules")
    for name, rule in case.policy.rules.items():
        path: Path_ = ("rules", name, "match", "during")
        for i, schedule in enumerate(rule.match.during):
            if schedule not in known:
                case.error((*path, i), f"there is no schedule {schedule}{near(schedule, known)}")
        if rule.match.during and never.issuperset(rule.match.during):
            case.warn(path, f"can never match: {' and '.join(rule.match.during)} will never be in force")
        if rule.match.during and rule.route is not None:
            message = "what is learnt of a cache's servers outlasts the schedule, by up to the cache's learn_ttl"
            case.warn(("rules", name, "route"), message)
        used.update(rule.match.during if rule.enabled else ())
    _quotas(case)
    _congestion(case)
    for name in schedules:
        if name not in used and "rules" not in case.broken:
            case.warn(("schedules", name), "no rule asks for this schedule", key=True)


def _congestion(case: Case) -> None:
    policy = case.policy
    known, used, classes = case.named("congestion"), set[str](), case.named("classes")
    for name, rule in policy.rules.items():
        for i, wanted in enumerate(rule.match.congested):
            if wanted not in known:
                case.error(("rules", name, "match", "congested", i), f"there is none {wanted}{near(wanted, known)}")
        used.update(rule.match.congested if rule.enabled else ())
    for name, given in policy.congestion.items():
        path: Path_ = ("congestion", name)
        if given.class_ not in classes:
            case.error((*path, "class"), f"there is no class {given.class_}{near(given.class_, classes)}")
        elif given.class_ in policy.classes and policy.classes[given.class_].rate.of(given.direction) is None:
            case.error((*path, "class"), f"{given.class_} has no rate for {given.direction}")
        if given.below is not None and given.below >= given.above:
            case.error((*path, "below"), "must be less than `above`, or it would begin and end all the time")
        if name not in used and "rules" not in case.broken:
            case.warn(path, "no rule asks for it", key=True)


def _quotas(case: Case) -> None:
    policy, words = case.policy, case.vocabulary
    known, used = case.named("quotas"), set[str]()
    for name, rule in policy.rules.items():
        for i, wanted in enumerate(rule.match.over):
            if wanted not in known:
                case.error(("rules", name, "match", "over", i), f"there is no quota {wanted}{near(wanted, known)}")
        used.update(rule.match.over if rule.enabled else ())
        if rule.match.over and rule.route is not None:
            message = "what is learnt is the destination, so new connections to it go to the cache for everyone"
            case.warn(("rules", name, "route"), message)
    for name, quota in policy.quotas.items():
        path: Path_ = ("quotas", name)
        if isinstance(quota.per, str) and (quota.zone or policy.zone) is None and "zone" not in case.broken:
            message = f"whose {quota.per}?  Add a `zone`, here or at the policy's top, as in zone: Europe/Berlin"
            case.error(path, message, key=True)
        if quota.each == "subscriber" and not policy.subscribers.entries and "subscribers" not in case.broken:
            case.warn((*path, "each"), "there are no subscribers: nothing is counted")
        for what, given, there in (
            ("app or protocol", quota.app, words and words.labels),
            ("category", quota.category, words and words.categories),
        ):
            for i, word in enumerate(given if there is not None else ()):
                if word not in (there or ()):
                    key = "app" if given is quota.app else "category"
                    case.error((*path, key, i), f"there is no {what} {word}{near(word, there or ())}")
        tariffs = case.named("tariffs")
        if quota.tariff is not None and quota.tariff not in tariffs:
            case.error((*path, "tariff"), f"there is no tariff {quota.tariff}{near(quota.tariff, tariffs)}")
        if quota.tariff is not None and quota.each == "host":
            case.error((*path, "tariff"), "hosts have none: only subscribers do")
        if name not in used and quota.tariff is None and "rules" not in case.broken:
            case.warn(path, "no rule asks for this quota: it is counted and warned of, and nothing else", key=True)


def _schedule(case: Case, path: Path_, schedule: Schedule) -> bool:
    """True where it will never be in force again."""
    if (schedule.zone or case.policy.zone) is None and "zone" not in case.broken:
        case.error(path, "needs a `zone`, here or at the policy's top, as in zone: Europe/Berlin", key=True)
    if not schedule.weekly and not schedule.dates:
        if path not in case.partial:
            case.error(path, "needs weekly windows or dates", key=True)
        return False
    ends = [window.end for window in schedule.dates]
    if not schedule.weekly and max(ends) < case.today:
        case.warn((*path, "dates"), f"is over: its last window ended {max(ends).replace('T', ' ')}")
        return True
    cuts = [(_seconds(window.begin), _seconds(window.end)) for window in schedule.without]
    left = without([(_seconds(window.begin), _seconds(window.end)) for window in schedule.dates], cuts)
    if not schedule.weekly and not left:
        case.warn((*path, "without"), "never occurs: `without` takes all of its dates")
        return True
    for i, window in enumerate(schedule.dates):
        if window.end < case.today and len(schedule.dates) > 1:
            case.warn((*path, "dates", i), "is over")
    spans = [span for window in schedule.weekly for span in window.spans]
    if spans and not without([(0, WEEK)], [*spans, *((a - WEEK, b - WEEK) for a, b in spans)]):
        case.warn((*path, "weekly"), "is the whole week: it is always in force")
    return False


def _seconds(wall: str) -> float:
    """A wall time on a line without zones, to be compared with others."""
    from datetime import datetime

    return (datetime.fromisoformat(wall) - datetime(2000, 1, 1)).total_seconds()
