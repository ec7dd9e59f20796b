"""The doctor's checks: each is described, none keeps another from running, and what is read is read right."""

from __future__ import annotations

import dis
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from dpi.enforce.doctor import CHECKS, Box, conntrack, ethtool, examine, kernel, queues, worst
from dpi.enforce.doctor import check as form
from dpi.enforce.doctor.box import CannotLookError
from dpi.enforce.doctor.check import Check, Found
from dpi.enforce.doctor.host import stolen
from dpi.enforce.doctor.links import offloaded
from dpi.enforce.probe import Features
from dpi.policy.plan import Interface, KernelPlan, MarkLayout, Route, Tree

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "doctor.md").read_text()
SECTIONS = re.findall(r"^### (\S+)\n(.*?)(?=^##|\Z)", TEXT, re.S | re.M)
LEVELS = {form.ok: "ok", form.note: "note", form.warning: "warning", form.error: "error"}


# ── the reference ─────────────────────────────────────────────────────────────────────────────────────────────


def test_every_check_is_described_in_the_order_of_the_report() -> None:
    assert [name for name, _ in SECTIONS] == list(CHECKS)


@pytest.mark.parametrize(("name", "section"), SECTIONS)
def test_a_check_is_described_as_it_describes_itself(name: str, section: str) -> None:
    check = CHECKS[name]
    plain = " ".join(section.split())
    assert f"Looks at: {check.looks_at}. Why: {check.why}." in plain
    assert ("Needs a policy." in plain) == check.needs_policy


@pytest.mark.parametrize(("name", "section"), SECTIONS)
def test_the_levels_that_a_check_can_find_are_the_ones_described(name: str, section: str) -> None:
    described = re.findall(r"^\* (\w+): ", section, re.M)
    assert set(described) == levels(CHECKS[name].look, set()) - {"ok"}
    assert described == sorted(described, key=["error", "warning", "note"].index)


def levels(function: Any, seen: set[Any]) -> set[str]:
    """The levels that a function of the doctor, and those that it calls, can give."""
    found, codes = set(), [function.__code__]
    while codes:
        code = codes.pop()
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for name in {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}:
            value = function.__globals__.get(name)
            if isinstance(value, FunctionType) and value in LEVELS:
                found.add(LEVELS[value])
            elif isinstance(value, FunctionType) and "enforce.doctor" in value.__module__ and value not in seen:
                seen.add(value)
                found |= levels(value, seen)
    return found


# ── how checks are run ────────────────────────────────────────────────────────────────────────────────────────


def ran(fault: Exception) -> list[tuple[str, str]]:
    def look(box: Box) -> Iterator[Found]:
        yield form.ok("so far")
        raise fault

    return [(d.level, d.found) for d in Check("c", "this", "because", look, False).run(Box())]


def test_a_check_that_may_not_or_cannot_look_says_so() -> None:
    assert ran(CannotLookError("root is needed")) == [("note", "not looked at: root is needed")]
    assert ran(PermissionError(13, "Permission denied")) == [
        ("note", "could not be looked at: [Errno 13] Permission denied")
    ]
    assert ran(KeyError("x")) == [("warning", "the check itself failed: KeyError: 'x'")]


def test_without_a_policy_the_checks_that_need_one_are_named_in_one_note(tmp_path: Path) -> None:
    found = examine(Box(state_dir=tmp_path / "none"))
    (left,) = [d for d in found if d.found.startswith("not looked at without a policy")]
    names = left.found.removeprefix("not looked at without a policy: ").split(", ")
    assert names == [check.name for check in CHECKS.values() if check.needs_policy]
    assert not any("check itself failed" in d.found for d in found)


def test_the_worst_level_decides() -> None:
    assert worst([]) == "ok"
    found = [d for name in ("ok", "error", "note") for d in one(name)]
    assert worst(found) == "error"


def one(level: Any) -> list[Any]:
    return Check("c", "", "", lambda box: iter([Found(level, "")]), False).run(Box())


# ── what is read ──────────────────────────────────────────────────────────────────────────────────────────────


def test_conntracks_counters_are_hexadecimal_and_summed_over_cpus() -> None:
    text = "entries  drop early_drop\n0000000a  00000001 00000010\n0000000a  0000000f 00000000\n"
    assert conntrack.counters(text) == {"entries": 20, "drop": 16, "early_drop": 16}
    assert conntrack.counters("") == {}


def test_stolen_time_is_a_share_of_what_was_not_idle() -> None:
    assert stolen("cpu  60 0 10 900 50 5 5 20 7 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n") == pytest.approx(0.2)
    assert stolen("cpu  0 0 0 900 0 0 0 0 0 0\n") == 0


def test_a_line_of_the_kernels_queues_is_read() -> None:
    text = "    0   4711     3 2   256     5     7     1200  1\n"
    assert queues.parse(text) == [queues.Queue(number=0, port=4711, waiting=3, dropped=5, user_dropped=7)]
    assert queues.parse("1 2 3\n") == []


def test_features_of_a_driver_are_read_from_blocks_of_32() -> None:
    names = [f"f{i}" for i in range(40)]
    strings = b"".join(name.encode().ljust(32, b"\0") for name in names)
    blocks = struct.pack("=4I", 0, 0, 1 << 3, 0) + struct.pack("=4I", 0, 0, 1 << 7, 0)
    found = ethtool.decode(strings, blocks, 40)
    assert [name for name, on in found.items() if on] == ["f3", "f39"]
    assert len(found) == 40


def test_only_what_hides_packets_is_told_of_offloads() -> None:
    assert [f.level for f in offloaded("eth0", {"rx-lro": True, "rx-gro": True, "tx-tcp-segmentation": True})] == [
        "error"
    ]
    assert [f.fix for f in offloaded("eth0", {"rx-gro": False, "hw-tc-offload": True})] == [
        "ethtool -K eth0 gro on",
        "ethtool -K eth0 hw-tc-offload off",
    ]
    assert list(offloaded("eth0", {})) == []


def test_the_loopback_device_tells_its_features_and_has_no_speed() -> None:
    features = ethtool.features("lo")
    assert features["rx-lro"] is False and "tx-scatter-gather" in features
    assert ethtool.speed("lo") is None
    with pytest.raises(OSError):
        ethtool.features("no-such-device")


def test_modules_that_are_installed_are_found_however_they_are_packed(tmp_path: Path) -> None:
    (tmp_path / "modules.dep").write_text(
        "kernel/net/sched/sch-none-such.ko.xz:\nkernel/net/other.ko: kernel/net/sched/sch-none-such.ko.xz\n"
    )
    assert kernel.available(("sch_none_such", "sch_cake_none"), tmp_path) == ("sch_none_such",)
    assert kernel.available(("x",), tmp_path / "none") is None


def policy(**changes: Any) -> KernelPlan:
    values: dict[str, Any] = {
        "mode": "router",
        "interfaces": (Interface("lan0", "lan"), Interface("wan0", "wan")),
        "marks": MarkLayout(),
        "queues": 1,
        "queue_base": 0,
        "trees": (),
        "dispositions": (),
        "routes": (),
    }
    return KernelPlan(**{**values, **changes})


def test_what_a_policy_does_not_use_is_not_missed() -> None:
    nothing = Features()
    assert set(kernel.needed(nothing, policy())) == {"nft", "conntrack_events", "iptables_queue", "ip6tables_queue"}
    assert kernel.wanted(nothing, policy()) == {"accounting", "nft_queue"}
    assert "iptables_queue" not in kernel.needed(Features(nft_queue=True), policy())
    shaped = policy(trees=(Tree("lan0", "down", 1, (), "rest"),))
    assert "htb" in kernel.needed(nothing, shaped) and "ifb" not in kernel.needed(nothing, shaped)
    assert {"cake", "fq_codel"} <= kernel.wanted(nothing, shaped)
    assert "fq_codel" not in kernel.wanted(Features(cake=True), shaped)
    shared = policy(trees=(Tree("lan0", "down", 1, (), "rest", ifb="dpi-down"),))
    assert {"ifb", "redirect"} <= set(kernel.needed(nothing, shared))
    route = Route(1, "c", "192.0.2.1", None, None, 26001, None, (), 60)
    assert "policy_routing" in kernel.needed(nothing, policy(routes=(route,)))
    bridge = kernel.needed(nothing, policy(mode="bridge"))
    assert "nft_bridge" in bridge and "iptables_queue" not in bridge


def test_every_feature_that_may_be_missed_has_words_and_is_probed() -> None:
    every = {*kernel.needed(Features(), policy(mode="bridge")), *kernel.wanted(Features(), None)}
    assert every <= set(kernel.NEEDS)
    for name in kernel.NEEDS:
        assert hasattr(Features(), name)
