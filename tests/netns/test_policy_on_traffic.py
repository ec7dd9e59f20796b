"""What rules and classes did to real traffic, and what another policy would do to it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from appliances import flow_of, until

from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

STEAM = "http://cache1-fra2.steamcontent.com/bytes/100000"


def test_a_change_is_tried_on_what_flows_now_and_flowed_lately(lab: Lab, box: Appliance, policy: Path) -> None:
    other = policy.with_name("other.yaml")
    other.write_text(policy.read_text().replace("app: steam}, shape: slow", "app: steam}, block: drop"))

    def changes(*words: str) -> list[dict[str, Any]]:
        curl(lab, STEAM, "-4")
        done = box.cli("policy", "simulate", *words, "--json", "--flows", "5", str(other))
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert {flow["app"] for flow in told["flows"]} <= {"steam"}
        found: list[dict[str, Any]] = told["changes"]
        return found

    for words in (["--live"], ["--recent", "10min"]):
        (change,) = until(lambda words=words: changes(*words), 120)  # a machine that is away misses what lives
        assert (change["before"]["words"], change["after"]["words"]) == ("slow", "dropped")
        assert change["bytes_down"] > 0
    assert flow_of(box, app="steam")["class"] == "slow", "nothing was changed"


def test_rules_and_classes_count_flows_bytes_and_their_last_packet(lab: Lab, box: Appliance, policy: Path) -> None:
    begun = time.time()
    for _ in range(2):
        curl(lab, STEAM, "-4")
    film = curl(lab, "https://www.netflix.com/", "-4", seconds=60)  # by the copy of a rule that a cache's apps make
    until(lambda: rule(box, "slow")["bytes"] > 200_000)
    slow, video, silent = (rule(box, name) for name in ("slow", "video", "silent"))
    assert slow["flows_total"] == 2 and video["flows_total"] >= 1
    assert slow["bytes_down"] > 200_000 and slow["bytes"] == slow["bytes_down"] + slow["bytes_up"]
    assert begun < slow["last_hit"] <= time.time() + 1
    assert (silent["flows_total"], silent["packets"], silent["last_hit"]) == (0, 0, None)
    (down,) = [c for c in box.call("status")["classes"] if (c["name"], c["direction"]) == ("slow", "down")]
    assert down["flows_total"] == 2 and begun < down["last_hit"]

    listed = {r["name"]: r["counters"] for r in json.loads(rules_list(box, policy, "--json"))}
    assert listed["slow"]["flows_total"] == 2 and listed["silent"]["last_hit"] is None
    assert "ago" in rules_list(box, policy)
    other = policy.with_name("other.yaml")
    other.write_text(policy.read_text())
    assert {r["counters"] for r in json.loads(rules_list(box, other, "--json"))} == {None}, "not the one in force"
    assert "in all" in box.cli("status").stdout

    said = box.cli("why", "cache1-fra2.steamcontent.com", "--all").stdout
    for word in (
        "gambling: category is",
        "video: app is steam, not netflix or youtube",
        "slow: class slow",
        "2 in all",
    ):
        assert word in said, said
    asked = json.loads(box.cli("why", "cache1-fra2.steamcontent.com", "--json").stdout)
    assert [r["matched"] for r in asked["rules"]][-1] and asked["class_path"][0]["counters"]["flows_total"] == 2
    found = json.loads(box.cli("why", film["ip"], "--json").stdout)
    assert found["rules"][-1]["name"] == "video"


def rule(box: Appliance, name: str) -> dict[str, float]:
    (found,) = [r for r in box.call("status")["rules"] if r["name"] == name]
    return dict(found)


def rules_list(box: Appliance, config: Path, *words: str) -> str:
    done = box.cli("rules", "list", "--config", str(config), *words)
    assert done.returncode == 0, done.stderr
    return done.stdout
