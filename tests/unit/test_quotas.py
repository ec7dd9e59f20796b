"""Quotas: what counts, until when, what is told and kept, and what that makes of rules."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from policy_texts import CLASSES, findings, planned

from dpi.daemon.quotas import Quotas
from dpi.match import signatures
from dpi.policy.conditions import Holding
from dpi.policy.explain import Facts, explain
from dpi.policy.plan import PlannedQuota
from dpi.policy.quota import apart, oldest, period, slot, still
from dpi.policy.throttle import throttled
from dpi.policy.units import period as period_of
from dpi.policy.units import share, volume
from dpi.record.fields import FlowRecord
from dpi.rule_tables import ask, tables

BERLIN = ZoneInfo("Europe/Berlin")


def made(per: str = "month", rolling: float = 0.0, size: int = 1000, warn: tuple[float, ...] = (0.5,)) -> PlannedQuota:
    return PlannedQuota("q", "f:1", "host", (), (), size, per, rolling, "Europe/Berlin", warn, "", "")


def unix(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


def record(src: str = "10.0.0.1", sport: int = 1, **values: Any) -> FlowRecord:
    unset = {f.name: None for f in fields(FlowRecord) if f.default is MISSING and f.default_factory is MISSING}
    given = {"bytes_down": 0, "bytes_up": 0, "src": src, "sport": sport, "direction": "out", "protocol": "tls"}
    return FlowRecord(**(unset | given | values))


def test_periods_of_the_calendar_are_as_long_as_they_are() -> None:
    assert period(made("month"), unix("2028-02-29 12:00")) == (unix("2028-02-01 00:00"), unix("2028-03-01 00:00"))
    assert period(made("month"), unix("2026-12-31 23:59:59")) == (unix("2026-12-01 00:00"), unix("2027-01-01 00:00"))
    assert period(made("week"), unix("2026-11-22 23:00")) == (unix("2026-11-16 00:00"), unix("2026-11-23 00:00"))
    begin, end = period(made("day"), unix("2026-10-25 12:00"))
    assert end - begin == 25 * 3600


def test_a_window_that_rolls_forgets_in_steps() -> None:
    quota = made("", rolling=24 * 3600.0)
    slots = {slot(quota, 3600.0 * hour): 10 for hour in range(30)}
    assert sum(still(slots, oldest(quota, 3600.0 * 29)).values()) == 250
    left = still(slots, oldest(quota, 3600.0 * 40))
    assert sum(left.values()) == 140


class Box:
    """Quotas with a clock that is set by hand."""

    def __init__(self, file: Path, *quotas: PlannedQuota) -> None:
        self.now = unix("2026-11-20 12:00")
        self.told: list[dict[str, Any]] = []
        self.quotas = Quotas(
            file, lambda _, r: r.src, lambda r: (r.src.encode(), r.sport, b"", 0, 6), self.told.append, lambda: self.now
        )
        self.quotas.use(quotas or (made(),))

    def look(self, *live: FlowRecord) -> None:
        self.quotas.look(self.quotas.ended_so_far(), live)
        self.quotas.forget()

    def used(self, who: str = "10.0.0.1") -> int:
        return sum(row["used"] for row in self.quotas.told(who))


def test_flows_that_live_and_that_ended_count_once(tmp_path: Path) -> None:
    box = Box(tmp_path / "q.json")
    box.look(record(bytes_down=100), record(sport=2, bytes_up=10))
    assert box.used() == 110
    box.look(record(bytes_down=150), record(sport=2, bytes_up=10))
    assert box.used() == 160
    box.quotas.ended(record(bytes_down=170))
    box.look(record(sport=2, bytes_up=10))
    assert box.used() == 180
    box.look()  # a flow that is in neither sum for a moment
    box.look(record(sport=2, bytes_up=15))
    assert box.used() == 185
    assert box.used("10.0.0.2") == 0


def test_who_has_no_flow_any_more_costs_no_memory_but_for_what_was_used(tmp_path: Path) -> None:
    box = Box(tmp_path / "q.json")
    for n in range(100):
        box.look(record(f"10.0.0.{n}", bytes_down=100))
        box.quotas.ended(record(f"10.0.0.{n}", bytes_down=100))
    for _ in range(3):
        box.look()
    assert (box.quotas.ended_so_far(), box.quotas._seen) == ({}, {})
    box.look(record(bytes_down=30))
    assert (box.used(), box.used("10.0.0.99")) == (130, 100)


def test_thresholds_are_told_once_and_again_in_the_next_period(tmp_path: Path) -> None:
    box = Box(tmp_path / "q.json")
    for count in (400, 500, 600, 1000, 1200):
        box.look(record(bytes_down=count))
    assert [(e["threshold"], e["used"]) for e in box.told] == [(0.5, 500), (1.0, 1000)]
    assert {e["host"] for e in box.told} == {"10.0.0.1"}
    assert box.quotas.over == {"q": ["10.0.0.1"]}
    box.now = unix("2026-12-01 00:00")
    box.look(record(bytes_down=1200))
    assert box.quotas.over == {"q": []}
    box.look(record(bytes_down=1750))
    assert box.used() == 550
    assert [e["threshold"] for e in box.told] == [0.5, 1.0, 0.5]


def test_what_was_used_survives_a_kill_and_is_not_counted_twice(tmp_path: Path) -> None:
    file = tmp_path / "state" / "q.json"
    box = Box(file)
    box.look(record(bytes_down=900))
    box.quotas.save(now=True)
    again = Box(file)
    again.quotas.begin({(b"10.0.0.1", 1, b"", 0, 6): 950})  # 50 bytes more until the daemon was back
    again.look(record(bytes_down=950))
    assert again.used() == 900
    again.look(record(bytes_down=1060))
    assert again.used() == 1010
    assert again.quotas.over == {"q": ["10.0.0.1"]}
    again.quotas.ended(record(bytes_down=1060))
    again.look(record(bytes_down=30))  # another connection with the same ports
    assert again.used() == 1040
    assert [e["threshold"] for e in again.told] == [1.0], "that of half was told before"


def test_a_disk_that_is_full_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    box = Box(tmp_path / "file" / "q.json")
    for count in (100, 200):
        box.look(record(bytes_down=count))
        box.quotas.save(now=True)
    assert box.used() == 200
    assert "q.json" in box.quotas.error
    assert sum("cannot be kept" in r.getMessage() for r in caplog.records) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"quotas": {"q": 7}}', '{"quotas": {"q": {"a": [0, {"x": 1}]}}}'])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "q.json").write_text(text)
    box = Box(tmp_path / "q.json")
    box.look(record(bytes_down=100))
    box.quotas.save(now=True)
    assert json.loads((tmp_path / "q.json").read_text())["quotas"]["q"]["10.0.0.1"]


def test_what_was_used_can_be_forgotten(tmp_path: Path) -> None:
    box = Box(tmp_path / "q.json")
    box.look(record(bytes_down=1100), record("10.0.0.2", bytes_down=5))
    assert box.quotas.reset("10.0.0.1", "q") == 1
    assert (box.quotas.over, box.used(), box.used("10.0.0.2")) == ({"q": []}, 0, 5)
    box.look(record(bytes_down=1101), record("10.0.0.2", bytes_down=5))
    assert box.used() == 1
    assert box.quotas.reset(None, "other") == 0


def test_only_what_a_quota_is_of_counts(tmp_path: Path) -> None:
    text = CLASSES + "quotas: {q: {category: video, volume: 1k, per: 1h}}\n"
    box = Box(tmp_path / "q.json", *planned(tmp_path, text).conditions.quotas)
    box.look(
        record(app="netflix", category="streaming", bytes_down=1),  # within video
        record(app="zoom", category="voip", bytes_down=2),
        record(app="netflix", category="streaming", protocol="dns", bytes_down=4),
        record(category="web", bytes_down=8),
    )
    assert box.used() == 1


# In a policy


def test_a_rule_is_there_for_who_has_used_up_the_quota(tmp_path: Path) -> None:
    text = CLASSES + (
        "quotas: {q: {volume: 1g, per: 24h}}\n"
        "rules:\n"
        "  one: {match: {over: q, app: netflix}, shape: video}\n"
        "  two: {match: {over: q, local: 10.0.0.0/24}, block: drop}\n"
    )
    plan = planned(tmp_path, text)
    known = signatures.load()
    holding = Holding(over=frozenset({("q", "10.0.0.5/32"), ("q", "10.0.1.0/24"), ("other", "10.0.0.6/32")}))
    for local, app, number in (
        ("10.0.0.5", "netflix", 0),
        ("10.0.0.5", "youtube", 1),
        ("10.0.1.9", "netflix", 0),
        ("10.0.1.9", "youtube", None),
        ("10.0.0.6", "netflix", None),
    ):
        facts = Facts(app=app, protocol="tls", local=local, remote="192.0.2.1")
        assert ask(tables(plan.engine, {}, known, holding)[0], facts, known) == number
        matched = [i for i, verdict in enumerate(explain(plan.engine, facts, holding)) if verdict.matched]
        assert matched == ([] if number is None else [number])
    facts = Facts(app="netflix", local="10.0.0.6")
    assert explain(plan.engine, facts, holding)[0].reason == "10.0.0.6 has not used up q"
    assert explain(plan.engine, facts)[0].reason == "nobody has used up q"


def test_a_subscriber_within_the_prefix_of_another_has_a_quota_of_its_own() -> None:
    assert apart(["10.0.0.0/30"], ["10.0.0.1/32", "10.9.0.0/16"]) == ["10.0.0.2/31", "10.0.0.0/32"]
    assert apart(["10.0.0.1/32"], ["10.0.0.0/24"]) == ["10.0.0.1/32"]
    assert apart(["2001:db8::/32"], ["2001:db8::/33"]) == ["2001:db8:8000::/33"]
    assert apart(["10.0.0.0/24", "10.0.0.1/32"], ["10.0.0.0/25"]) == ["10.0.0.128/25", "10.0.0.1/32"]


def test_a_check_finds_what_is_wrong_with_quotas(tmp_path: Path) -> None:
    text = CLASSES + (
        "quotas:\n"
        "  a: {volume: 1g, per: month}\n"
        "  b: {volume: lots, per: fortnight, zone: UTC}\n"
        "  c: {volume: 1g, per: day, zone: UTC, app: netflicks, category: videos, each: subscriber, warn: 80}\n"
        "  d: {volume: 1g, per: 1h, app: netflicks, each: subscriber}\n"
        "rules:\n"
        "  r: {match: {over: [a, b, c, x]}, shape: video}\n"
    )
    found = "\n".join(findings(tmp_path, text))
    for says in (
        "quotas.a: whose month?  Add a `zone`",
        "quotas.b.volume: 'lots' is no volume",
        "quotas.b.per: 'fortnight' is no period",
        "quotas.c.warn[0]: 80 is no share",
        "quotas.d.app[0]: there is no app or protocol netflicks; did you mean netflix?",
        "quotas.d.each: warning: there are no subscribers",
        "rules.r.match.over[3]: there is no quota x",
    ):
        assert says in found, found


def test_volumes_shares_and_periods_are_spelled_so() -> None:
    assert (volume("1.5t"), volume("2gb"), volume(7)) == (3 << 39, 2 << 30, 7)
    assert (share("80%"), period_of("week"), period_of("7d")) == (0.8, "week", 604800.0)
    for wrong in ("0g", "-1g", True, None, "1e3"):
        with pytest.raises(ValueError, match=r"volume|between"):
            volume(wrong)


def test_who_has_used_up_a_quota_has_another_tariff_and_nobody_else(tmp_path: Path) -> None:
    text = CLASSES + (
        "tariffs:\n"
        "  fast: {rate: 20mbit, classes: {video: {rate: 40%}}}\n"
        "  slow: {rate: 1mbit}\n"
        "  shared: {rate: 2mbit, classes: {video: {rate: 10%}}}\n"
        "sites: {north: {rate: 50mbit}}\n"
        "subscribers:\n"
        "  entries:\n"
        "    a: {tariff: fast, address: 10.0.0.1, parent: north}\n"
        "    b: {tariff: fast, address: 10.0.0.2}\n"
        "quotas:\n"
        "  q: {volume: 1g, per: 24h, tariff: slow}\n"
        "  r: {volume: 1g, per: 24h, tariff: shared}\n"
    )
    plan = planned(tmp_path, text)
    for tariff in ("slow", "shared"):
        kernel = throttled(plan.kernel, {"a": tariff})
        assert kernel.subscribers is not None and plan.kernel.subscribers is not None
        now = {b.name: b for b in kernel.subscribers.branches}
        before = {b.name: b for b in plan.kernel.subscribers.branches}
        assert [name for name in now if now[name] != before[name]] == ["a"]
        always = planned(tmp_path, text.replace("a: {tariff: fast", f"a: {{tariff: {tariff}"), plan.ids)
        assert always.kernel.subscribers is not None
        (wanted,) = (b for b in always.kernel.subscribers.branches if b.name == "a")
        assert (now["a"].number, now["a"].tariff) == (wanted.number, tariff)
        assert now["a"].down.ceil == wanted.down.ceil
    assert throttled(plan.kernel, {}) is plan.kernel
    wrong = text.replace("tariff: slow}", "tariff: slwo}").replace("tariff: shared}", "tariff: slow, each: host}")
    found = "\n".join(findings(tmp_path, wrong))
    assert "quotas.q.tariff: there is no tariff slwo; did you mean slow?" in found
    assert "quotas.r.tariff: hosts have none" in found
