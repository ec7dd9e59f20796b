"""Subscribers of a daemon that runs: shown with what they used, changed by command, explained."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from appliances import POLICY, until

from dpi.lab.appliance import Appliance, curl
from dpi.lab.lab import Lab

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

STEAM = "http://cache1-fra2.steamcontent.com/bytes/300000"
TARIFFS = """\
tariffs:
  home: {rate: {down: 20mbit, up: 5mbit}, classes: {slow: {rate: 20%, ceil: 50%}}}
  basic: {rate: 4mbit}
sites:
  mast: {rate: 40mbit}
subscribers:
  default: basic
"""
LIVE = "  entries: {S1: {tariff: basic, address: [10.77.0.11, 'fd77::b'], parent: mast}}\n"
LIST = "id,tariff,address,parent\n# north\nS1,home,10.77.0.11 fd77::b,mast\ns2,basic,10.77.0.12,\n"


@pytest.fixture
def policy(lab: Lab, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY.replace("RECORDS", str(tmp_path / "flows.jsonl")).replace("cdn0]}", "cdn0]}\n") + TARIFFS)
    (tmp_path / "policy.d").mkdir()
    (tmp_path / "policy.d" / "list.csv").write_text(LIST)
    yield path


def test_the_commands_on_a_daemon_that_runs(lab: Lab, box: Appliance, policy: Path) -> None:
    def do(*words: str, code: int = 0) -> str:
        done = box.cli(*words)
        assert done.returncode == code, done.stderr
        return done.stdout

    def shown(name: str, class_: str, direction: str = "down") -> dict[str, Any]:
        told = json.loads(do("subscribers", "show", name, "--config", str(policy), "--json"))
        return next(c for c in told["classes"] if (c["name"], c["direction"]) == (class_, direction))

    def get() -> dict[str, Any]:
        return curl(lab, STEAM, "-4", "--interface", "10.77.0.11")

    # What is counted, by the kernel and by the flows' times
    assert get()["bytes"] == 300_000
    used = until(lambda: (c := shown("S1", "slow")["counters"]) and c["last_hit"] and c["bytes"] > 250_000 and c)
    assert (used["packets"] > 100, used["drops"] >= 0) == (True, True)
    assert shown("S1", "mast")["counters"]["bytes"] >= used["bytes"], "a site counts what is behind it"
    assert shown("s2", "s2")["counters"]["last_hit"] is None
    table = do("subscribers", "show", "S1", "--config", str(policy))
    assert "behind   mast" in table and " ago" in table

    # Why
    said = do("why", "S1")
    assert "S1: subscriber S1, tariff home, at 10.77.0.11/32 fd77::b/128, behind mast" in said
    assert "slow (down): rate 4mbit, ceil 10mbit" in said and "flow tcp:10.77.0.11" in said
    by_address = json.loads(do("why", "10.77.0.11", "--json"))
    assert by_address["flows"][0]["subscriber"] == "S1"
    kinds = [(c["kind"], c["name"]) for c in by_address["flows"][0]["class_path"] if c["direction"] == "down"]
    assert kinds[-2:] == [("subscriber", "S1"), ("site", "mast")]

    # What another tariff would do to what flows now
    basic = policy.with_name("basic.yaml")
    basic.write_text(policy.read_text() + LIVE)
    told = json.loads(do("policy", "simulate", "--live", "--json", str(basic)))
    assert ("slow of home", "basic") in {(c["before"]["words"], c["after"]["words"]) for c in told["changes"]}
    assert [each["name"] for each in told["changes"][0]["top_subscribers"]] == ["S1"]

    # A change of a tariff, in the file and then in force; nobody else's class is made anew
    other = shown("s2", "s2")
    do("subscribers", "set", "S1", "--tariff", "basic", "--config", str(policy))
    until(lambda: json.loads(do("why", "S1", "--json"))["names"][0]["says"].startswith("subscriber S1, tariff basic"))
    assert box.call("subscriber", id="S1")["classes"][0]["ceil"] == 4_000_000
    assert shown("s2", "s2")["rate"] == other["rate"]
    assert "# north" in (policy.parent / "policy.d" / "list.csv").read_text()

    # A list in the place of another
    new = policy.parent / "export.csv"
    new.write_text("id,tariff,address,parent\nS1,home,10.77.0.11,mast\ns2,basic,10.77.0.12,\ns3,home,10.77.0.13,\n")
    words = ("subscribers", "import", str(new), "--into", "list.csv", "--config", str(policy))
    assert do(*words, "--dry-run").startswith("subscribers: +1 -0 ~1, 1 as before\n+ s3: home")
    assert box.cli("why", "s3").stdout.startswith("s3: no signature names it")
    do(*words)
    until(lambda: "tariff home" in box.cli("why", "s3").stdout)
    new.write_text("id,tariff,address,parent\nS1,hom,10.77.0.11,mast\n")
    done = box.cli(*words)
    assert done.returncode == 2 and f"{new}:2:4: subscribers.entries.S1.tariff: there is no tariff hom" in done.stderr
    assert "tariff home" in box.cli("why", "S1").stdout
