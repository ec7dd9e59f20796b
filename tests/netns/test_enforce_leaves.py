"""Leaf qdiscs: the best that the kernel has, or the one asked for, or a clear refusal."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from rates import drain
from world import MBIT, SERVER4, World, final, plan, shaped

from dpi import enforce
from dpi.enforce.probe import Features, probe
from dpi.errors import KernelError
from dpi.policy.plan import KernelPlan, Leaf, Tree

pytestmark = pytest.mark.netns


@pytest.fixture(scope="module")
def features(state: Path) -> Features:
    return probe(state)


def with_leaf(leaf: Leaf, rate: int = 20 * MBIT) -> KernelPlan:
    classes = (shaped("video", 10, rate, leaf=leaf),)
    trees = tuple(Tree(t.device, t.direction, 200 * MBIT, classes, "video") for t in plan().trees)
    return plan(trees=trees, routes=(), dispositions=plan().dispositions[:1])


@pytest.mark.guest
@pytest.mark.parametrize("leaf", ["auto", "cake", "fq_codel", "bfifo"])
def test_every_kind_of_leaf_is_made_and_read_back_or_refused_by_name(
    world: World, state: Path, features: Features, leaf: Leaf
) -> None:
    if leaf != "auto" and leaf not in features.leaves():
        with pytest.raises(KernelError, match=f"class video: this kernel has no {leaf} qdisc"):
            enforce.apply(with_leaf(leaf), state_dir=state)
        return
    for rate in (256_000, 20 * MBIT, 5000 * MBIT):
        enforce.apply(with_leaf(leaf, rate), state_dir=state)
        assert enforce.apply(with_leaf(leaf, rate), state_dir=state).operations == ()
    kind = features.leaves()[0] if leaf == "auto" else leaf
    assert f"qdisc {kind} " in world.box.run("tc", "qdisc", "show", "dev", "lan0")
    if kind == "cake":
        assert "dual-dsthost nat" in world.box.run("tc", "qdisc", "show", "dev", "lan0")
        assert "dual-srchost nat" in world.box.run("tc", "qdisc", "show", "dev", "wan0")


@pytest.mark.guest
def test_a_leaf_of_another_kind_takes_the_place_of_the_old_one(world: World, state: Path, features: Features) -> None:
    kinds: list[Leaf] = [*features.leaves(), *features.leaves()[:1]]
    for kind in kinds:
        enforce.apply(with_leaf(kind), state_dir=state)
        listed = world.box.run("tc", "qdisc", "show", "dev", "wan0")
        assert listed.count("parent d2:a") == 1 and f"qdisc {kind} " in listed


def test_rates_beyond_32_bits_of_bytes_are_kept(world: World, state: Path) -> None:
    enforce.apply(with_leaf("bfifo", 100_000 * MBIT), state_dir=state)
    assert enforce.apply(with_leaf("bfifo", 100_000 * MBIT), state_dir=state).operations == ()
    assert "rate 100Gbit" in world.box.run("tc", "class", "show", "dev", "lan0")


@pytest.mark.guest
@pytest.mark.parametrize(("rate", "limit"), [(MBIT, 24_224), (20 * MBIT, 125_000)])
def test_a_bfifo_holds_50_ms_of_its_rate_however_large_packets_are(
    world: World, state: Path, rate: int, limit: int
) -> None:
    """Where the path has no delay TCP hands over as much as 64 kB at once: of a limit in packets that were seconds."""
    enforce.apply(with_leaf("bfifo", rate), state_dir=state)
    world.decide(lambda _: final(2))
    world.serve(world.inet, 80, source=1 << 30)
    for _ in range(2):
        threading.Thread(target=drain, args=(world.connect(SERVER4, 80),), daemon=True).start()
    seen = []
    for _ in range(100):
        listed = json.loads(world.box.run("tc", "-j", "-s", "qdisc", "show", "dev", "lan0"))
        seen += [each["backlog"] for each in listed if each["kind"] == "bfifo"]
        time.sleep(0.03)
    assert limit / 2 < max(seen) <= limit
