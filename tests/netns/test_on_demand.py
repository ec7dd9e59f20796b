"""Subscribers' queues on demand, of a daemon that runs: there while there is traffic of theirs, and only then."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from appliances import POLICY, until
from rates import FRAME, keeps

from dpi.errors import DpiError
from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

URL = "http://downloads.example/bytes/{}"
TARIFFS = """\
tariffs:
  home: {rate: {down: 20mbit, up: 5mbit}, burst: 250k, classes: {slow: {rate: 20%, ceil: 50%}}}
  more: {rate: {down: 30mbit, up: 5mbit}, burst: 250k, classes: {slow: {rate: 20%, ceil: 50%}}}
sites:
  mast: {rate: 60mbit}
subscribers: {idle: 6s}
"""
MANY = 1_200


@pytest.fixture
def policy(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("RECORDS", str(tmp_path / "flows.jsonl")).replace("cdn0]}", "cdn0]}\n") + TARIFFS)
    (tmp_path / "policy.d").mkdir()
    rows = ["id,tariff,address,parent", "S1,home,10.77.0.11 fd77::b,mast"]
    rows += [f"s{n},home,100.64.{n >> 8}.{n & 255},mast" for n in range(2, MANY + 1)]
    (tmp_path / "policy.d" / "list.csv").write_text("\n".join(rows) + "\n")
    yield path


def test_queues_come_with_traffic_and_go_without(lab: Lab, box: Appliance, policy: Path) -> None:
    def now() -> dict[str, Any]:
        told: dict[str, Any] = box.call("status")["subscribers"]
        return told["on_demand"] | {"count": told["count"]}

    def classes(device: str) -> int:
        listed = lab.run("box", ["tc", "class", "show", "dev", device]).stdout
        return sum(line.startswith("class htb") for line in listed.splitlines())

    def get(octets: int, seconds: float = 60.0) -> dict[str, Any]:
        return curl(lab, URL.format(octets), "-4", "--interface", "10.77.0.11", seconds=seconds)

    def why() -> str:
        return str(json.loads(box.cli("why", "S1", "--json").stdout)["names"][0]["says"])

    def another(worker: int) -> bool:
        try:
            return box.worker_pid() != worker
        except DpiError:
            return False

    # Nobody has any, and that is as it should be
    assert now() == {"count": MANY, "awake": 0, "asleep": MANY, "made": 0, "taken": 0, "error": None}
    without = classes("lan0"), classes("dpi-up")
    assert why().endswith("no queue now: it is made with the first packet")
    shown = box.cli("subscribers", "show", "S1", "--config", str(policy))
    assert "none now: it is made with the first packet" in shown.stdout
    assert f"subscribers {MANY}, on demand: 0 have queues now" in box.cli("status").stdout
    assert box.call("plan")["operations"] == []

    # The first packet makes those of whom it is, whatever passes meanwhile
    assert get(20_000)["bytes"] == 20_000
    until(lambda: now()["awake"] == 1, 10)
    assert (classes("lan0") - without[0], classes("dpi-up") - without[1]) == (3, 3), "nobody else's"
    assert "no queue" not in why()
    assert keeps(lab, URL.format(10**9), "10.77.0.11", 20e6)
    assert box.call("plan")["operations"] == []

    # A daemon that dies leaves them as they are, and the next one goes on with them
    results: list[dict[str, Any]] = []
    download = threading.Thread(target=lambda: results.append(get(20_000_000)))
    download.start()
    until(lambda: now()["awake"] == 1)
    worker = box.worker_pid()
    os.kill(worker, signal.SIGKILL)
    until(lambda: another(worker))
    assert (now()["awake"], now()["made"]) == (1, 0)
    download.join()
    assert results[0]["bytes"] == 20_000_000, results
    assert results[0]["bit_s"] * FRAME[4] < 20e6 * 1.06, "never unshaped"

    # Tariffs change for who has queues and who has none
    box.cli("subscribers", "set", "S1", "--tariff", "more", "--config", str(policy))
    box.cli("subscribers", "set", "s9", "--tariff", "more", "--config", str(policy))
    until(lambda: "tariff more" in why() and box.call("subscriber", id="s9")["tariff"] == "more")
    if now()["awake"]:
        assert box.call("subscriber", id="S1")["asleep"] is False

    # Without traffic they are taken away, which nobody takes for damage
    until(lambda: now()["awake"] == 0)
    assert (classes("lan0"), classes("dpi-up")) == without
    assert box.call("plan")["operations"] == []
    assert now()["taken"] == 1 and now()["error"] is None
    assert "put back" not in box.tail()

    # … until there is some again
    assert get(1_000_000)["bytes"] == 1_000_000
    until(lambda: now()["awake"] == 1, 10)
