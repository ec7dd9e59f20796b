"""Caches of several machines: which client goes where, draining, and what they serve."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from policy_texts import findings_with_apps

from dpi.daemon.drain import Drained
from dpi.daemon.offload import Offload
from dpi.enforce.conntrack import Connection, Tuple
from dpi.errors import DpiError
from dpi.policy.check import check
from dpi.policy.compile import compile_policy
from dpi.policy.diff import diff
from dpi.policy.names import Machine
from dpi.policy.plan import Plan
from dpi.policy.show import words
from dpi.policy.spread import SLOTS, TRIES, owners, shares

HEAD = "version: 1\ninterfaces: {lan: lan0, wan: wan0}\n"
TWO = (
    HEAD
    + """caches:
  oca:
    members:
      a: {next_hop: [198.18.1.2, "2001:db8:1::2"], weight: 2}
      b: {next_hop: 198.18.1.3, fills_from: 198.18.9.0/24}
    apps: netflix
    health: {check: tcp, port: 443}
"""
)


def planned(folder: Path, text: str = TWO) -> Plan:
    file = folder / "policy.yaml"
    file.write_text(text)
    return compile_policy(check(file), Machine(cores=1, interfaces=None))


@pytest.mark.parametrize("attempt", range(TRIES))
def test_each_machine_has_clients_by_its_weight(attempt: int) -> None:
    owned = owners((("a", 2), ("b", 1), ("c", 1)), attempt)
    assert len(owned) == SLOTS
    assert owned.count("a") / SLOTS == pytest.approx(0.5, abs=0.08)
    assert owned.count("b") / SLOTS == pytest.approx(0.25, abs=0.08)
    assert sum(shares([("a", 2), ("b", 1)]).values()) == 1


def test_a_machine_that_comes_or_goes_moves_no_client_between_the_others() -> None:
    two, three = owners((("a", 1), ("b", 1)), 0), owners((("a", 1), ("c", 1), ("b", 1)), 0)
    assert {after for before, after in zip(two, three, strict=True) if before != after} == {"c"}


def test_rules_name_the_cache_and_the_kernel_has_its_machines(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert [(r.name, r.number, r.cache, r.weight, r.table) for r in plan.kernel.routes] == [
        ("oca/a", 1, "oca", 2, 26001),
        ("oca/b", 2, "oca", 1, 26002),
    ]
    assert plan.kernel.targets == {"oca": 1}
    assert [rule.route for rule in plan.engine.rules] == ["oca"]
    assert plan.kernel.routes[1].own == ("198.18.1.3", "198.18.9.0/24")
    assert [r.health.target for r in plan.kernel.routes if r.health] == ["198.18.1.2", "198.18.1.3"]
    assert "cache oca: 2 machines, chosen by the client's address" in words(plan)
    assert "  oca/b, 3" in words(plan) and "  fetches from 198.18.9.0/24 too" in words(plan)


def test_another_weight_is_a_change_of_that_machine(tmp_path: Path) -> None:
    changes = diff(planned(tmp_path), planned(tmp_path, TWO.replace("weight: 2", "weight: 3")))
    assert [str(change) for change in changes] == ["~ cache oca/a weight: 2 → 3"]


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (("    apps:", "    next_hop: 10.0.0.1\n    apps:"), "8:5: caches.oca.next_hop: each of the members has"),
        (("port: 443", "port: 443, target: 10.0.0.1"), "9:45: caches.oca.health.target: each of the members is tried"),
        (("198.18.1.3", "198.18.1.2"), "7:21: caches.oca.members.b.next_hop[0]: 198.18.1.2 is a already"),
        (("next_hop: 198.18.1.3, ", ""), "7:7: caches.oca.members.b: needs a next_hop or a device"),
        (("weight: 2", "weight: 0"), "6:60: caches.oca.members.a.weight: 0: must be at least 1"),
        (
            ("b: {next_hop: 198.18.1.3, ", "b: {device: cdn0, "),
            "7:7: caches.oca.members.b: needs a next_hop to be tried",
        ),
        (("weight: 2}", "weight: 2, table: 254}"), "6:70: caches.oca.members.a.table: 254 is the kernel's table main"),
        (
            ("      b: {next_hop: 198.18.1.3, fills_from: 198.18.9.0/24}\n", ""),
            "5:5: caches.oca.members: warning: only one",
        ),
    ],
)
def test_what_is_wrong_with_members_is_told_where_it_stands(
    tmp_path: Path, change: tuple[str, str], finding: str
) -> None:
    said = findings_with_apps(tmp_path, TWO.replace(*change))
    assert any(line.startswith(finding) for line in said), said


def test_machines_count_as_caches(tmp_path: Path) -> None:
    more = "".join(f"      m{n}: {{next_hop: 10.0.0.{n}}}\n" for n in range(1, 6))
    text = TWO.replace("    apps:", f"{more}    apps:") + "  one: {next_hop: 10.0.1.1, apps: zoom}\n"
    assert findings_with_apps(tmp_path, text) == ["15:3: caches.one: more than 7 caches"]


def test_what_is_drained_is_so_for_the_next_daemon(tmp_path: Path) -> None:
    Drained(tmp_path).change("oca/a", drained=True)
    again = Drained(tmp_path)
    assert again.names == {"oca/a"}
    again.change("oca/a", drained=False)
    assert Drained(tmp_path).names == frozenset()
    (tmp_path / "drained.json").write_text("{damaged")
    assert Drained(tmp_path).names == frozenset()
    with pytest.raises(DpiError, match="no/such/drained"):
        Drained(tmp_path / "no/such").change("oca/a", drained=True)


def connection(mark: int, count: int) -> Connection:
    one = Tuple(bytes(4), bytes(4), 6, 1, 2)
    return Connection(socket.AF_INET, one, one, mark, 1, count, 1, count, 1, 0, 0, 0)


def test_what_caches_serve_is_told_by_app(tmp_path: Path) -> None:
    kernel = planned(tmp_path).kernel
    offload = Offload()
    offload.use(kernel)
    ended, live = connection(kernel.marks.route(1) | 0x10000, 100), connection(kernel.marks.route(2), 50)
    assert (offload.route(ended), offload.route(live), offload.route(connection(0, 1))) == ("oca/a", "oca/b", None)
    offload.ended("netflix", "oca/a", ended)
    for _ in range(2):  # what lives is not added up
        offload.live([("netflix", "oca/b", live)], {})
    totals: dict[str, Any] = {"netflix": {"down": 350, "up": 50}, "zoom": {"down": 1, "up": 1}}
    assert offload.by_app(totals, ["netflix", "steam"]) == [
        SimpleNamespace(
            app="netflix", on_net=300, off_net=100, offload_ratio=0.75, caches={"oca/a": 200, "oca/b": 100}
        ).__dict__,
        {"app": "steam", "on_net": 0, "off_net": 0, "offload_ratio": None, "caches": {}},
    ]
