"""The daemon's sums by app, host and class."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from dpi.daemon import account
from dpi.daemon.account import OTHERS, Totals
from dpi.daemon.hits import Hits
from dpi.enforce import Count, Counters
from dpi.record.fields import FlowRecord


def record(**values: Any) -> FlowRecord:
    """One in which everything else is empty."""
    unset = {f.name: None for f in fields(FlowRecord) if f.default is MISSING and f.default_factory is MISSING}
    counted = {"bytes_down": 0, "bytes_up": 0, "src": "10.0.0.1", "direction": "out"}
    return FlowRecord(**(unset | counted | values))


def test_flows_that_ended_and_that_live_are_summed_by_name() -> None:
    totals = Totals()
    totals.ended(record(app="netflix", src="10.0.0.1", bytes_down=10, bytes_up=1), "video")
    copy = totals.copy()
    totals.ended(record(app="netflix", src="10.0.0.1", bytes_down=10, bytes_up=1), "video")
    read = copy.read([(record(app="netflix", src="10.0.0.2", bytes_down=5, bytes_up=2), "video")])
    assert read["apps"] == {"netflix": {"down": 15, "up": 3, "flows": 1}}
    assert read["hosts"]["10.0.0.2"] == {"down": 5, "up": 2, "flows": 1}


def test_to_ask_for_a_name_is_not_to_use_it() -> None:
    totals = Totals()
    totals.ended(record(app="netflix", protocol="dns"), "rest")
    assert list(totals.read([])["apps"]) == ["dns"]


def test_names_that_somebody_makes_up_cost_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "NAMES", 100)
    totals = Totals()
    totals.ended(record(src="10.0.0.1", bytes_down=1_000_000), "rest")
    for n in range(1000):
        totals.ended(record(src=f"10.1.{n // 250}.{n % 250}", bytes_down=1), "rest")
    hosts = totals.read([])["hosts"]
    assert len(hosts) <= 101
    assert hosts["10.0.0.1"]["down"] == 1_000_000
    assert sum(h["down"] for h in hosts.values()) == 1_001_000 and OTHERS in hosts


def test_ended_flows_are_counted_by_rule() -> None:
    totals = Totals()
    for rule in ("films", "films", None):
        totals.ended(record(rule=rule), "rest")
    assert totals.flows_ended("rules") == {"films": 2, "default": 1}
    assert totals.flows_ended("classes") == {"rest": 3}


def test_a_counter_that_rises_had_traffic_since_it_was_looked_at() -> None:
    hits = Hits()

    def look(packets: int, now: float) -> float | None:
        hits.look(Counters(rules={("down", "films"): Count(packets), ("up", "films"): Count(1)}), now)
        return hits.last("rule", "films")

    assert look(5, 10.0) is None, "counted by a daemon before this one"
    assert [look(6, 20.0), look(6, 30.0), look(2, 40.0), look(2, 50.0)] == [20.0, 20.0, 40.0, 40.0]
    assert hits.last("class", "films") is None
    hits.look(Counters(), 60.0)
    assert hits.last("rule", "films") is None, "it is gone"
