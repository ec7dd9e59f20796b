"""`dpi policy simulate`: what a policy would change, by the loop's own decisions on captures and records."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from policy_texts import planned
from test_policy_cli import run, said
from test_totals import record

from dpi.captures import Captures
from dpi.cli.policy import planned as of_file
from dpi.errors import CaptureError
from dpi.match.prefixes import Prefixes
from dpi.match.signatures import load
from dpi.record.reader import record_of, written
from dpi.simulate.changes import Changes, pairs
from dpi.simulate.destinations import Destinations
from dpi.simulate.outcome import Judge, Outcome
from dpi.simulate.traffic import of_capture, of_records
from tests.captures import packet, pcap, visit, write
from tests.cores import ACK, CLIENT, SERVER, SYN, TCP
from tests.handshakes import openssl_hello

POLICY = """\
version: 1
interfaces: {lan: lan0, wan: wan0}
link: {down: 100mbit, up: 20mbit}
classes:
  video: {rate: {down: 20mbit, up: 2mbit}}
  rest: {rate: {down: 50mbit, up: 10mbit}, ceil: 100%, default: true}
caches:
  oca: {next_hop: 198.18.1.2, apps: APPS, health: none}
rules:
  films: {match: {app: netflix}, SHAPE}
"""


def policy(folder: Path, name: str, shape: str = "shape: video", apps: str = "steam") -> Path:
    path = folder / name
    path.write_text(POLICY.replace("SHAPE", shape).replace("APPS", apps))
    return path


def visits(folder: Path) -> Path:
    """A film, and a page of somebody else's at the same address."""
    return write(folder / "visits.pcap", visit("www.netflix.com") + visit("www.wikipedia.org", sport=40001))


def simulated(folder: Path, new: Path, *words: str | Path) -> dict[str, Any]:
    shown = run("policy", "simulate", "--capture", visits(folder), "--json", *words, new)
    told: dict[str, Any] = json.loads(shown.stdout)
    return told


def test_flows_that_change_class_are_told_by_app_host_and_bytes(tmp_path: Path) -> None:
    old, new = policy(tmp_path, "old.yaml"), policy(tmp_path, "new.yaml", "shape: rest")
    told = simulated(tmp_path, new, "--against", old, "--flows", "9")
    assert told["seen"]["flows"] == 3  # two visits, and what asked for their names
    (change,) = told["changes"]
    assert (change["before"]["words"], change["after"]["words"]) == ("video", "rest")
    assert (change["flows"], change["hosts"]) == (1, 1)
    assert [each["name"] for each in change["top_apps"]] == ["netflix"]
    assert [each["name"] for each in change["top_hosts"]] == [CLIENT]
    (flow,) = told["flows"]
    assert (flow["hostname"], flow["bytes_up"]) == ("www.netflix.com", 40 + 40 + len(openssl_hello("www.netflix.com")))
    assert (flow["before"]["rule"], flow["after"]["rule"]) == ("films", "films")
    assert change["bytes_up"] + change["bytes_down"] == told["changed"]["bytes_up"] + told["changed"]["bytes_down"]
    assert told["collateral"] == []


def test_a_block_changes_the_verdict(tmp_path: Path) -> None:
    old, new = policy(tmp_path, "old.yaml"), policy(tmp_path, "new.yaml", "block: reject")
    (change,) = simulated(tmp_path, new, "--against", old)["changes"]
    assert (change["before"]["verdict"], change["after"]["verdict"]) == ("pass", "reject")
    assert change["after"]["class"] is None


def test_what_others_do_at_an_address_of_a_cache_is_collateral(tmp_path: Path) -> None:
    old, new = policy(tmp_path, "old.yaml"), policy(tmp_path, "new.yaml", apps="netflix")
    told = simulated(tmp_path, new, "--against", old)
    words = {(c["before"]["words"], c["after"]["words"]): c["flows"] for c in told["changes"]}
    assert words == {("video", "video, by cache oca"): 1, ("rest", "rest, by cache oca"): 1}
    (shared,) = told["collateral"]
    assert (shared["address"], shared["cache"], shared["learnt_for"]) == (SERVER, "oca", "www.netflix.com")
    assert (shared["by"], shared["change"], shared["flows"]) == ("dns", "to the cache", 1)
    assert [each["name"] for each in shared["top_names"]] == ["www.wikipedia.org"]
    back = simulated(tmp_path, old, "--against", new)
    assert [each["change"] for each in back["collateral"]] == ["from the cache"]


def test_a_connection_that_began_before_its_server_was_known_stays(tmp_path: Path) -> None:
    new = policy(tmp_path, "new.yaml", apps="netflix")
    silent = [each for each in visit("www.netflix.com") if each[9] == TCP]  # no DNS
    again = [
        packet(CLIENT, 40007, SERVER, 443, TCP, seq=99, flags=SYN),
        packet(SERVER, 443, CLIENT, 40007, TCP, seq=499, flags=SYN | ACK),
        packet(CLIENT, 40007, SERVER, 443, TCP, openssl_hello("www.netflix.com"), seq=100),
    ]
    capture = write(tmp_path / "silent.pcap", silent + again)
    plan = of_file(new)
    found = {each.record.sport: each.outcome.cache for each in of_capture(capture, plan, load())}
    assert found == {40000: None, 40007: "oca"}


def test_without_a_policy_before_all_that_it_does_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPI_SOCKET", str(tmp_path / "none"))
    told = simulated(tmp_path, policy(tmp_path, "new.yaml"))
    assert told["against"] is None
    assert {c["before"]["words"] for c in told["changes"]} == {"unshaped"}
    assert sum(c["flows"] for c in told["changes"]) == told["seen"]["flows"]


def test_of_a_subscriber_the_class_is_one_of_its_own(tmp_path: Path) -> None:
    """Another tariff changes its flows; one that has no such class puts them into that of all other traffic."""
    tariffs = (
        "tariffs:\n  home: {rate: 40mbit, classes: {video: {rate: 50%}}}\n  plain: {rate: 10mbit}\n"
        "  calls: {rate: 9mbit, classes: {rest: {rate: 50%}}}\n"
    )

    def with_tariff(name: str, tariff: str, default: str = "", address: str = CLIENT) -> Path:
        path = policy(tmp_path, name)
        listed = f"{{s1: {{tariff: {tariff}, address: {address}}}}}"
        path.write_text(path.read_text() + tariffs + f"subscribers: {{{default}entries: {listed}}}\n")
        return path

    def changes(old: Path, new: Path) -> dict[tuple[str, str], int]:
        told = simulated(tmp_path, new, "--against", old)
        return {(c["before"]["words"], c["after"]["words"]): c["flows"] for c in told["changes"]}

    none, home = policy(tmp_path, "none.yaml"), with_tariff("home.yaml", "home")
    assert changes(none, home) == {("video", "video of home"): 1, ("rest", "rest of home"): 2}
    told = simulated(tmp_path, with_tariff("plain.yaml", "plain"), "--against", home, "--flows", "9")
    assert {(c["before"]["words"], c["after"]["words"]) for c in told["changes"]} == {
        ("video of home", "plain"), ("rest of home", "plain"),
    }  # fmt: skip
    assert told["changed"]["subscribers"] == 1
    assert [each["name"] for each in told["changes"][0]["top_subscribers"]] == ["s1"]
    assert {(f["after"]["subscriber"], f["after"]["tariff"], f["after"]["class"]) for f in told["flows"]} == {
        ("s1", "plain", None)
    }
    assert changes(home, home) == {}
    assert changes(home, with_tariff("away.yaml", "home", "default: plain, ", "10.99.0.1")) == {
        ("video of home", "plain"): 1, ("rest of home", "plain"): 2,
    }  # fmt: skip
    words = ("policy", "simulate", "--capture", visits(tmp_path), "--against", none, home)
    assert "(hosts: 1, subscribers: 1)" in run(*words).output


def test_people_read_tables(tmp_path: Path) -> None:
    old, new = policy(tmp_path, "old.yaml"), policy(tmp_path, "new.yaml", "shape: rest", apps="netflix")
    words = ("policy", "simulate", "--capture", visits(tmp_path), "--against", old, "--flows", "3", new)
    shown = run(*words).output
    assert "change: 2 flows (hosts: 1)" in shown
    for word in ("rest, by cache oca", "collateral", "goes there", "www.wikipedia.org", f"{CLIENT}:40001"):
        assert word in shown
    same = run("policy", "simulate", "--capture", visits(tmp_path), "--against", old, old).output
    assert "nothing changes" in same


def test_wrong_usage_and_wrong_input_are_told(tmp_path: Path) -> None:
    new = policy(tmp_path, "new.yaml")
    capture = visits(tmp_path)
    assert "one of --capture, --live and --recent" in run("policy", "simulate", new, code=2).output
    run("policy", "simulate", "--live", "--capture", capture, new, code=2)
    assert f"{new}:10:" in said(
        run("policy", "simulate", "--capture", capture, policy(tmp_path, "new.yaml", "shape: x"), code=2)
    )
    policy(tmp_path, "new.yaml")
    missing = run("policy", "simulate", "--capture", tmp_path / "none.pcap", "--against", new, new, code=2)
    assert "none.pcap" in said(missing)
    run("policy", "simulate", "--recent", "soon", new, code=2)


def test_of_a_damaged_capture_what_can_be_read_counts(tmp_path: Path) -> None:
    old, new = policy(tmp_path, "old.yaml"), policy(tmp_path, "new.yaml", "shape: rest")
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(pcap(visit("www.netflix.com"))[:-3])
    shown = run("policy", "simulate", "--capture", cut, "--against", old, "--json", new, code=2)
    told = json.loads(shown.stdout)
    assert told["seen"]["flows"] == 2
    assert told["faults"][0].startswith(f"{cut}:")


# Records


def test_records_are_judged_by_the_same_table(tmp_path: Path) -> None:
    signatures = load()
    old, new = (of_file(policy(tmp_path, name, apps=apps)) for name, apps in (("a", "steam"), ("b", "netflix")))
    common = {
        "l4": "tcp", "sport": 40000, "dst": SERVER, "dport": 443, "vlan": 0, "dscp": 0, "protocol": "tls",
        "confidence": 0.99, "decided_at": 4, "start": 1.0, "end": 2.0, "bytes_down": 100,
    }  # fmt: skip
    flows = [
        record(**common | {"app": "netflix", "hostname": "www.netflix.com"}),
        record(**common | {"app": "wikipedia", "hostname": "www.wikipedia.org", "sport": 40001, "start": 1.5}),
        record(**common | {"app": "wikipedia", "hostname": "www.wikipedia.org", "sport": 40002, "start": 0.5}),
    ]
    changes = Changes()
    for before, after in pairs(of_records(flows, Judge(old, signatures)), of_records(flows, Judge(new, signatures))):
        changes.add(before, after)
    assert changes.changed.flows == 2
    assert [(each.total.flows, each.name) for each in changes.shared_by_size()] == [(1, "www.netflix.com")]


@pytest.mark.corpus
def test_a_record_is_judged_as_the_loop_judged_its_flow(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "version: 1\ninterfaces: {lan: lan0, wan: wan0, local: [10.0.0.0/8, 192.168.0.0/16]}\nrules:\n"
        "  a: {match: {app: [netflix, dns], port: [443, 53]}, log: true}\n"
        "  b: {match: {host: [google.com, '*.apple.com']}, log: true}\n"
        "  c: {match: {category: [video, socialnetwork], transport: udp}, log: true}\n"
        "  d: {match: {remote: 8.0.0.0/6, direction: out}, log: true}\n"
        "  e: {match: {protocol: [tls, http], direction: in}, log: true}\n"
        "  f: {match: {transport: icmp}, log: true}\n"
        "  g: {match: {category: [web, cloud]}, log: true}\n"
        "  h: {match: {local: 192.168.0.0/16}, log: true}\n"
    )
    plan, signatures = of_file(path), load()
    engine = Captures(signatures, max_flows=1 << 16)
    engine.load_rules(plan.engine, plan.kernel.targets)
    engine.local = Prefixes([(prefix, 1) for prefix in plan.kernel.local])
    judge = Judge(plan, signatures)
    seen = 0
    for capture in sorted((corpus / "pcap").iterdir())[::7]:
        try:
            for flow in engine.classify(capture):
                number = judge.rule(flow)
                assert (None if number is None else plan.engine.rules[number].name) == flow.rule, flow
                seen += flow.rule is not None
        except CaptureError:
            pass
    assert seen > 100


def test_records_are_read_back_and_what_is_none_is_passed_over(tmp_path: Path) -> None:
    now = time.time()
    told = record(l4="udp", protocol="dns", sport=5, dst="192.0.2.1", dport=53, start=now - 9, end=now - 5).as_dict()
    old = told | {"start": now - 9000, "end": now - 8000}
    file = tmp_path / "flows.jsonl"
    lines = [json.dumps(told | {"class": "rest"}), "{half", "[]", json.dumps(told | {"src": "nobody"}), json.dumps(old)]
    file.write_text("\n".join(lines) + "\n")
    file.with_name("flows.jsonl.1").write_text(json.dumps(told | {"sport": 6}) + "\n")
    assert [each.sport for each in written(file, now - 60)] == [5, 6]
    assert len(list(written(file))) == 3
    assert record_of(told | {"bytes_up": "many"}) is None


# What the kernel would know


def test_an_address_is_a_caches_for_as_long_as_the_answer_said(tmp_path: Path) -> None:
    plan = planned(
        tmp_path, POLICY.replace("SHAPE", "shape: video").replace("APPS", "netflix, prefixes: [192.0.2.64/26]")
    )
    there = Destinations(plan)
    route = there.cache(1)
    assert route is not None
    there.answered(route, "192.0.2.1", 100.0, 30, "a.example")
    there.answered(route, "192.0.2.2", 100.0, 1, "b.example")  # held to the least
    there.answered(route, "2001:db8::1", 100.0, 30, "c.example")  # no next hop of that family
    found = {
        (address, when): origin and (origin.by, origin.name)
        for address in ("192.0.2.1", "192.0.2.2", "192.0.2.70", "2001:db8::1")
        for when in (105.0, 120.0, 131.0)
        if (origin := there.find(CLIENT, address, when, plain=False)) or True
    }
    assert [found["192.0.2.1", when] for when in (105.0, 120.0, 131.0)] == [
        ("dns", "a.example"),
        ("dns", "a.example"),
        None,
    ]
    assert [found["192.0.2.2", when] for when in (105.0, 120.0)] == [("dns", "b.example"), None]
    assert found["192.0.2.70", 131.0] == ("prefix", "192.0.2.64/26")
    assert found["2001:db8::1", 105.0] is None
    assert there.find("198.18.1.2", "192.0.2.1", 105.0, plain=False) is None, (
        "what the cache asks for does not come back to it"
    )


def test_outcomes_say_themselves() -> None:
    assert str(Outcome("video", "oca", dscp=34)) == "video, dscp af41, by cache oca"
    assert [str(Outcome(None, None, verdict)) for verdict in ("pass", "reject", "drop")] == [
        "unshaped", "rejected", "dropped",
    ]  # fmt: skip
