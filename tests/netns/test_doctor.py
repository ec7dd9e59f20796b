"""The doctor finds nothing where all is well, and what is wrong with the daemon, its queues and its disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from doctors import errors, features, look, one, status, told, whole
from netfilterqueue import NetfilterQueue
from world import World, plan

from dpi import enforce
from dpi.enforce.doctor import Box, Diagnosis, examine
from dpi.policy.plan import RecordsPlan

pytestmark = pytest.mark.netns


@pytest.mark.guest
def test_a_box_in_order_has_no_errors_before_and_after_apply(world: World, state: Path) -> None:
    kernel = plan()
    assert errors(look(state, kernel)) == []
    enforce.apply(kernel, state_dir=state)
    try:
        after = look(state, kernel)
        assert errors(after) == []
        for check in ("marks", "priority", "flowtable", "untracked", "queue-rules", "qdisc"):
            assert [d.level for d in after if d.check == check] == ["ok"], check
        assert told(after, "accounting", "ok") == ["on"]
    finally:
        enforce.clean(state_dir=state)


def test_nothing_is_changed_by_looking(world: World, state: Path) -> None:
    look(state, plan())
    before = world.dump()
    look(state, plan())
    assert world.dump() == before


@pytest.mark.guest
def test_what_works_here_says_how_packets_are_queued_and_shaped(world: World, state: Path) -> None:
    box = Box(plan=whole(plan()), state_dir=state)
    found = examine(box)
    (step,) = [d for d in found if d.check == "queue-step"]
    (leaf,) = [d for d in found if d.check == "leaf"]
    assert ("nft's queue" if box.features.nft_queue else "iptables") in step.found
    assert leaf.found.startswith(box.features.leaves()[0])
    assert "htb" in told(found, "features", "ok")[0]


def test_a_queue_of_ours_that_somebody_else_reads_is_an_error(world: World, state: Path) -> None:
    queue = NetfilterQueue()
    queue.bind(0, lambda packet: packet.accept())
    try:
        one(look(state), "queues", "error", "queue 0 is bound by")
        running = look(state, status=status(queues=[{"queue": 0}]))
        assert told(running, "queues", "ok") == ["queue 0: ours, 0 waiting, nothing dropped"]
        lost = look(state, status=status(queues=[{"queue": 0}, {"queue": 1}]))
        one(lost, "queues", "error", "has lost its queues 1")
    finally:
        queue.unbind()


def test_a_daemon_in_trouble_says_so(state: Path) -> None:
    faults = status(
        reload={"time": 0, "ok": False, "message": "no class x"},
        flows=999,
        records={"lost": 7, "error": "No space left on device", "file": "/var/log/dpi/flows.jsonl"},
        routes=[{"name": "oca", "state": "down"}],
        queues=[{"queue": 3, "enobufs": 2, "truncated": 0}],
    )
    found = look(state, status=faults)
    one(found, "daemon", "error", "no class x")
    one(found, "daemon", "warning", "999 of 1000")
    one(found, "daemon", "warning", "7 records were lost")
    one(found, "daemon", "warning", "cache oca is down")
    one(found, "queue-faults", "warning", "queue 3: 2 the socket's buffer overflowed")
    one(look(state, status=status(policy_hash="x")), "daemon", "warning", "another policy")


def test_records_need_a_place(world: World, state: Path, tmp_path: Path) -> None:
    def records(file: str, rotate: int) -> list[Diagnosis]:
        box = Box(plan=whole(plan(), records=RecordsPlan(file, rotate, 5)), state_dir=state)
        box.features = features()
        return examine(box)

    assert told(records(f"{tmp_path}/log/flows.jsonl", 1 << 20), "records", "ok")
    one(records(f"{tmp_path}/flows.jsonl", 1 << 60), "records", "warning", "more than there is room for")
    one(records("/proc/flows.jsonl", 1 << 20), "records", "error", "")
