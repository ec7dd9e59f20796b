"""Rules that are there at times, on real traffic: flows that the kernel has alone change class with them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from appliances import flow_of, until
from rates import keeps, queues_are_empty

from dpi.errors import DpiError
from dpi.lab.appliance import Appliance
from dpi.lab.lab import Lab
from dpi.lab.topology import CLIENTS4

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]

URL = "http://cache1-fra2.steamcontent.com/bytes/{}"


@pytest.fixture
def scheduled(policy: Path) -> float:
    """In force from a few seconds after the start on, for ten."""
    begin = int(time.time()) + 25
    window = "..".join(datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d %H:%M:%S") for t in (begin, begin + 10))
    text = policy.read_text().replace("rules:\n", "rules:\n  soon: {match: {app: steam, during: soon}, shape: video}\n")
    policy.write_text(f"{text}schedules:\n  soon: {{zone: UTC, dates: {window}}}\n")
    return begin


def test_a_flow_of_the_kernel_changes_class_with_its_schedule(lab: Lab, scheduled: float, box: Appliance) -> None:
    with download(lab, 100_000_000):
        flow = until(lambda: decided(box))
        assert (flow["rule"], flow["class"], flow["offloaded"]) == ("slow", "slow", True)
        version = box.call("status")["policy_hash"]
        until(lambda: flow_of(box, app="steam")["rule"] == "soon", 60)
        switched = time.time()
        assert scheduled <= switched < scheduled + 8
        assert flow_of(box, app="steam")["class"] == "video"
        before = carried(box, "soon")
        until(lambda: carried(box, "soon") > before + 100_000, 10)  # by the kernel's own counter
        assert "soon" in box.cli("why", "cache1-fra2.steamcontent.com", "--all").stdout
        until(lambda: flow_of(box, app="steam")["rule"] == "slow", 60)
        assert time.time() >= scheduled + 10
        status = box.call("status")
        (condition,) = status["conditions"]
        assert (condition["holds"], condition["until"], condition["rules"]) == (False, None, ["soon"])
        assert next(r["waits"] for r in status["rules"] if r["name"] == "soon") == "soon is not in force"
        assert status["policy_hash"] == version
        assert len(box.call("history")) == 1


def decided(box: Appliance) -> dict[str, object] | None:
    flows = [f for f in box.call("flows") if f["app"] == "steam" and f["protocol"] == "http" and f["offloaded"]]
    return flows[0] if flows else None


def carried(box: Appliance, rule: str) -> int:
    """Bytes by the kernel's counter."""
    return next(int(r["bytes"]) for r in box.call("status")["rules"] if r["name"] == rule)


class download:
    """One that goes on meanwhile."""

    def __init__(self, lab: Lab, size: int) -> None:
        command = ["curl", "-4s", "-o", "/dev/null", "-m", "300", URL.format(size)]
        self._process = lab.start("client", command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def test_who_has_used_up_a_quota_is_slower_and_stays_so_after_a_kill(lab: Lab, policy: Path) -> None:
    (lab.directory / "quotas.json").unlink(missing_ok=True)
    rule = "rules:\n  used-up: {match: {over: some, app: steam}, shape: slow}\n"
    text = policy.read_text().replace("rules:\n", rule).replace("  slow: {match: {app: steam}, shape: slow}\n", "")
    policy.write_text(f"{text}quotas:\n  some: {{app: steam, volume: 5m, per: 24h, warn: 50%}}\n")
    with Appliance(lab, policy) as box:
        with download(lab, 200_000_000):
            assert until(lambda: decided(box))["class"] == "rest"
            flow = until(lambda: (f := flow_of(box, app="steam", protocol="http"))["rule"] == "used-up" and f, 60)
            assert (flow["class"], flow["offloaded"]) == ("slow", True)  # while it flows, and the kernel has it
            (account,) = box.call("quotas")["accounts"]
            assert account["over"]
            assert account["account"] == flow["src"]
        assert "some, " in box.cli("why", flow["src"]).stdout
        assert "has used 50 %" in box.log.read_text() or "quota some" in box.log.read_text()
        until(lambda: (lab.directory / "quotas.json").exists(), 30)
        worker = box.worker_pid()
        os.kill(worker, signal.SIGKILL)
        until(lambda: alive(box) not in (None, worker), 60)
        with download(lab, 200_000_000):
            assert until(lambda: decided(box))["class"] == "slow"
            assert box.cli("quotas", "reset", flow["src"]).returncode == 0
            until(lambda: flow_of(box, app="steam", protocol="http")["class"] == "rest", 30)
            assert box.cli("quotas", "list").returncode == 0


def alive(box: Appliance) -> int | None:
    try:
        return box.worker_pid()
    except DpiError:
        return None


def test_a_rule_is_there_while_a_class_is_congested(lab: Lab, policy: Path) -> None:
    rule = "rules:\n  busy: {match: {app: youtube, congested: busy}, shape: slow}\n"
    text = policy.read_text().replace("rules:\n", rule)
    policy.write_text(f"{text}congestion:\n  busy: {{class: slow, above: 60%, for: 2s, below: 10%}}\n")
    with Appliance(lab, policy) as box:
        assert not congested(box)
        with download(lab, 200_000_000):
            until(lambda: congested(box), 60)
            assert "congestion busy congested" in box.cli("why", "www.youtube.com", "--all").stdout
        until(lambda: not congested(box), 60)


def congested(box: Appliance) -> bool:
    return bool(box.call("status")["conditions"][0]["holds"])


def test_a_subscriber_who_has_used_up_a_quota_has_another_tariff(lab: Lab, policy: Path) -> None:
    (lab.directory / "quotas.json").unlink(missing_ok=True)
    policy.write_text(
        policy.read_text().replace("  slow: {match: {app: steam}, shape: slow}\n", "")
        + "tariffs: {fast: {rate: 20mbit}, less: {rate: 2mbit}}\n"
        + "subscribers: {entries: {one: {tariff: fast, address: 10.77.0.0/24}}}\n"
        + "quotas: {some: {volume: 5m, per: 24h, tariff: less}}\n"
    )
    with Appliance(lab, policy) as box:
        assert box.call("subscriber", id="one")["tariff"] == "fast"
        with download(lab, 200_000_000):
            until(lambda: box.call("subscriber", id="one")["tariff"] == "less", 60)
        queues_are_empty(lab)
        assert keeps(lab, URL.format(200_000_000), CLIENTS4[0], 2e6)
        assert box.cli("quotas", "reset", "--all").returncode == 0
        assert box.call("subscriber", id="one")["tariff"] == "fast"
