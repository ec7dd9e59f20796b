"""A policy that changes on real traffic: what stays, what moves, what is refused."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from appliances import flow_of, until

from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

MBIT = 1_000_000


def test_an_established_connection_is_never_moved(lab: Lab, box: Appliance, policy: Path) -> None:
    text = policy.read_text()
    policy.write_text(text.replace("apps: netflix", "apps: spotify"))
    box.call("apply")
    with ThreadPoolExecutor(1) as pool:
        url = "http://www.netflix.com/bytes/6000000"  # six seconds in its class
        long = pool.submit(curl, lab, url, "-4", seconds=60)
        until(lambda: [f for f in box.call("flows", apps=["netflix"]) if f["dport"] == 80 and f["offloaded"]])
        policy.write_text(text)
        box.call("apply")
        moved = curl(lab, "https://www.netflix.com/", "-4")
        stayed = long.result()

    assert moved["server"] == "cache"
    assert (stayed["exit"], stayed["server"], stayed["bytes"]) == (0, "inet", 6_000_000)


def test_a_reload_keeps_flows_labels_and_counters(lab: Lab, box: Appliance, policy: Path) -> None:
    def slow() -> dict[str, Any]:
        return next(c for c in box.call("status")["classes"] if (c["name"], c["direction"]) == ("slow", "down"))

    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(curl, lab, "http://cache1-fra2.steamcontent.com/bytes/2500000", "-4", seconds=60)
        before = until(lambda: [f for f in box.call("flows", apps=["steam"]) if f["offloaded"]])[0]
        until(lambda: slow()["bytes"] > 300_000)
        counted = slow()["bytes"]
        policy.write_text(policy.read_text().replace("down: 3mbit", "down: 6mbit"))
        os.kill(box.process.pid if box.process else 0, signal.SIGHUP)  # the first in line, not the worker
        until(lambda: box.call("status")["reload"])
        after = flow_of(box, app="steam", sport=before["sport"])
        got = long.result()

    assert got["exit"] == 0
    assert slow()["rate"] == 6 * MBIT
    assert slow()["bytes"] > counted
    assert (after["method"], after["hostname"], after["start"]) == (
        before["method"],
        before["hostname"],
        before["start"],
    )
    assert box.call("apply")["operations"] == []  # and once more: nothing to do


def test_flows_that_a_reload_puts_elsewhere_are_moved(lab: Lab, box: Appliance, policy: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(curl, lab, "http://cache1-fra2.steamcontent.com/bytes/4000000", "-4", seconds=60)
        until(lambda: [f for f in box.call("flows", apps=["steam"]) if f["offloaded"]])
        rule = "  quick: {match: {app: steam}, shape: rest, before: slow}\n"
        policy.write_text(policy.read_text() + rule)
        assert box.call("apply")["flows_moved"] >= 1
        assert flow_of(box, app="steam")["rule"] == "quick"
        got = long.result()

    assert got["exit"] == 0
    assert got["bit_s"] > 4 * MBIT  # most of it at the default class's rate


def test_a_changed_drop_in_is_put_in_force_by_itself(lab: Lab, box: Appliance, policy: Path) -> None:
    folder = policy.with_suffix(".d")
    folder.mkdir()
    (folder / "10-more.yaml").write_text("rules: {wiki: {match: {host: wikipedia.org}, block: reject}}\n")
    until(lambda: (r := box.call("status")["reload"]) and r["ok"])

    assert curl(lab, "https://www.wikipedia.org/", "-4")["exit"] != 0


def test_a_wrong_policy_leaves_the_one_before_in_force(lab: Lab, box: Appliance, policy: Path) -> None:
    good = policy.read_text()
    kernel = lab.run("box", ["nft", "-s", "list", "ruleset"]).stdout
    policy.write_text(good.replace("shape: slow", "shape: slwo"))
    done = box.cli("policy", "apply")

    assert done.returncode == 2
    assert "policy.yaml:20:38: rules.slow.shape" in done.stderr and "slwo" in done.stderr
    assert lab.run("box", ["nft", "-s", "list", "ruleset"]).stdout == kernel
    assert curl(lab, "https://www.bet365.com/", "-4")["exit"] != 0


def test_a_policy_that_moves_the_records_is_followed(lab: Lab, policy: Path, tmp_path: Path) -> None:
    with Appliance(lab, policy) as box:
        policy.write_text(policy.read_text().replace("flows.jsonl", "elsewhere.jsonl"))
        box.call("apply")
        curl(lab, "https://www.wikipedia.org/", "-4")
    assert (tmp_path / "flows.jsonl").read_text() == ""
    assert "www.wikipedia.org" in (tmp_path / "elsewhere.jsonl").read_text()
