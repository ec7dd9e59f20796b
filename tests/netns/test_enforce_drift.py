"""What somebody else removes of ours is put back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from world import CACHE, SITE4, World, plan

from dpi import enforce
from dpi.enforce import drift
from dpi.policy.plan import KernelPlan

pytestmark = pytest.mark.netns


@contextlib.asynccontextmanager
async def kept(
    wanted: KernelPlan, state: Path, changing: asyncio.Lock | None = None
) -> AsyncIterator[asyncio.Queue[enforce.Report]]:
    """While it is looked after; the queue has what was repaired."""
    repaired: asyncio.Queue[enforce.Report] = asyncio.Queue()
    keeping = asyncio.create_task(
        drift.keep(lambda: wanted, state_dir=state, changing=changing or asyncio.Lock(), repaired=repaired.put_nowait)
    )
    await asyncio.sleep(0.5)
    assert repaired.empty()
    try:
        yield repaired
    finally:
        keeping.cancel()


DAMAGES = {
    "the whole ruleset": "nft flush ruleset",
    "a chain's rules": "nft flush chain inet dpi forward",
    "a rule of policy routing": "ip rule del pref 20901",
    "a tree": "tc qdisc del dev lan0 root",
    "a class": "tc qdisc del dev wan0 parent d2:a; tc class del dev wan0 classid d2:a",
    "a device's carrier for a moment": "ip link set cdn0 down; ip link set cdn0 up",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_somebody_else_removes_is_put_back(
    world: World, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "SETTLE", 0.2)
    wanted = plan(routes=(replace(CACHE, next_hop6=None, prefixes=("198.18.64.0/24",)),))
    world.serve(world.cache, 80, banner=b"cache")
    enforce.apply(wanted, state_dir=tmp_path)

    async def scene() -> enforce.Report:
        async with kept(wanted, tmp_path) as repaired:
            world.box.run("sh", "-c", DAMAGES[damage])
            return await asyncio.wait_for(repaired.get(), 60)

    assert asyncio.run(scene()).changed
    assert enforce.plan_operations(wanted, state_dir=tmp_path) == []
    assert world.banner(SITE4, 80) == b"cache"


def test_our_own_changes_are_no_reason_to_repair(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "SETTLE", 0.2)
    wanted = plan()
    enforce.apply(wanted, state_dir=tmp_path)

    async def scene() -> bool:
        changing = asyncio.Lock()
        async with kept(wanted, tmp_path, changing) as repaired:
            async with changing:
                await asyncio.to_thread(enforce.apply, plan(routes=()), state_dir=tmp_path)
                await asyncio.to_thread(enforce.apply, wanted, state_dir=tmp_path)
            await asyncio.sleep(2)
            return repaired.empty()

    assert asyncio.run(scene())


def test_devices_that_come_and_go_all_the_time_do_not_keep_it_from_looking(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "SETTLE", 0.2)
    monkeypatch.setattr(drift, "RESTLESS", 5)
    wanted = plan()
    enforce.apply(wanted, state_dir=tmp_path)

    async def scene() -> enforce.Report:
        async with kept(wanted, tmp_path) as repaired:
            world.box.run("nft", "flush", "ruleset")
            lengths = itertools.cycle(("500", "1000"))
            async with asyncio.timeout(60):
                while repaired.empty():
                    world.box.run("ip", "link", "set", "lan0", "txqueuelen", next(lengths))
                    await asyncio.sleep(0.05)
            return repaired.get_nowait()

    assert asyncio.run(scene()).changed
    assert enforce.plan_operations(wanted, state_dir=tmp_path) == []
