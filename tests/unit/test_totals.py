"""The daemon's sums by app, host and class."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import pytest

from dpi.daemon import account
from dpi.daemon.account import OTHERS, Totals
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
