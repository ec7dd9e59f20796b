"""Subscribers in the kernel: each is held to its tariff, in the link's own tree and in trees of their own."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from branches import ONE, OTHER, UNKNOWN, with_subscribers
from rates import AT_ONCE, drain, rates
from world import MBIT, SERVER4, SERVER6, World, final, keep_busy, made

from dpi import enforce
from dpi.errors import KernelError

pytestmark = pytest.mark.netns


@pytest.fixture
def world() -> Iterator[World]:
    with made() as w, w.box:
        for address in (OTHER, UNKNOWN):
            w.client.run("ip", "addr", "add", f"{address}/24", "dev", "eth0")
        yield w


def download(world: World, source: str, port: int = 80) -> None:
    for _ in range(AT_ONCE):
        with world.client:
            sock = socket.create_connection((SERVER4, port), 15, (source, 0))
        keep_busy(sock)
        threading.Thread(target=drain, args=(sock,), daemon=True).start()


def in_order(world: World) -> dict[str, list[str]]:
    """All that the kernel says; classes and qdiscs by their own order, which is that of hashes."""
    return {name: sorted(text.splitlines()) for name, text in world.dump().items()}


@pytest.mark.parametrize("trees", [0, 2])
def test_two_subscribers_are_held_to_their_tariffs_within_five_percent(world: World, state: Path, trees: int) -> None:
    new = with_subscribers(trees)
    enforce.apply(new, state_dir=state)
    assert enforce.apply(new, state_dir=state).operations == (), "what was made is read back as it was meant"
    world.decide(lambda _: final(1))
    world.serve(world.inet, 80, source=1 << 30)
    download(world, ONE)
    download(world, OTHER)
    found = rates(world.client.run, ONE, OTHER)
    assert found[ONE] == pytest.approx(20 * MBIT, rel=0.05)
    assert found[OTHER] == pytest.approx(40 * MBIT, rel=0.05)
    enforce.clean(state_dir=state)
    assert "htb" not in world.box.run("tc", "qdisc", "show")
    assert "dpi" not in world.box.run("nft", "list", "tables")
    assert "dpi-" not in world.box.run("ip", "-o", "link")


def test_a_rules_class_is_the_subscribers_own(world: World, state: Path) -> None:
    enforce.apply(with_subscribers(), state_dir=state)
    world.decide(lambda _: final(2))  # video
    world.serve(world.inet, 80, source=1 << 30)
    download(world, OTHER)
    download(world, UNKNOWN)
    found = rates(world.client.run, OTHER, UNKNOWN)
    assert found[OTHER] == pytest.approx(10 * MBIT, rel=0.05)
    assert found[UNKNOWN] == pytest.approx(2 * MBIT, rel=0.07)


def test_without_a_default_tariff_other_hosts_have_the_links_classes(world: World, state: Path) -> None:
    new = with_subscribers(default=False)
    enforce.apply(new, state_dir=state)
    world.decide(lambda _: final(2))
    world.serve(world.inet, 80, source=1 << 30)
    download(world, UNKNOWN)
    time.sleep(3)
    assert enforce.counters(new).classes["down", "video"].bytes > MBIT
    assert enforce.counters(new).classes["down", "rest"].bytes < MBIT / 8


def test_ipv6_and_uploads_are_shaped_too(world: World, state: Path) -> None:
    enforce.apply(with_subscribers(one=8 * MBIT), state_dir=state)
    world.decide(lambda _: final(1))
    world.serve(world.inet, 80, banner=b"")
    with world.connect(SERVER6, 80) as sock:
        keep_busy(sock)
        begun, sent = time.monotonic(), 0
        while time.monotonic() < begun + 4:
            sent += sock.send(bytes(1 << 14))
    assert "backlog" in world.box.run("tc", "-s", "class", "show", "dev", "wan0", "classid", "d2:40f")
    octets = int(
        re.findall(r"Sent (\d+) bytes", world.box.run("tc", "-s", "class", "show", "dev", "wan0", "classid", "d2:40f"))[
            0
        ]
    )
    assert octets * 8 / 4 == pytest.approx(8 * MBIT, rel=0.15)
    assert sent * 8 / 4 < 16 * MBIT


def test_a_change_touches_one_subscriber_and_leaves_the_others_counters(world: World, state: Path) -> None:
    enforce.apply(with_subscribers(), state_dir=state)
    world.decide(lambda _: final(1))
    world.serve(world.inet, 80)
    with world.client, socket.create_connection((SERVER4, 80), 15, (OTHER, 0)) as sock:
        assert sock.recv(100)
    done = enforce.apply(with_subscribers(one=10 * MBIT), state_dir=state)
    assert [(o.verb, o.resource.title()) for o in done.operations] == [
        ("change", "subscriber one (d1:40f of lan0)"),
        ("change", "subscriber one (d2:40f of wan0)"),
    ]
    octets = re.findall(
        r"Sent (\d+) bytes", world.box.run("tc", "-s", "class", "show", "dev", "lan0", "classid", "d1:411")
    )
    assert int(octets[0]) > 100


def test_subscribers_that_come_and_go_change_maps_and_classes_of_their_own(world: World, state: Path) -> None:
    enforce.apply(with_subscribers(more=5), state_dir=state)
    done = enforce.apply(with_subscribers(more=3), state_dir=state)
    assert sorted({str(o.verb) for o in done.operations}) == ["change", "remove"]
    assert [o.resource.difference(o.before) for o in done.operations if o.before and o.verb == "change"] == [
        "IPv4 /32 +0 ~0 -2"
    ]
    assert str(done.operations[0]).startswith("change nft table"), "packets have no class that is gone"
    assert enforce.apply(with_subscribers(more=3), state_dir=state, look_again=True).operations == ()


def test_a_class_that_somebody_deleted_is_made_again(world: World, state: Path) -> None:
    enforce.apply(with_subscribers(), state_dir=state)
    world.box.run("tc", "class", "del", "dev", "lan0", "classid", "d1:412")
    done = enforce.apply(with_subscribers(), state_dir=state)
    assert [o.resource.title() for o in done.operations] == ["subscriber other (d1:410 of lan0)"]


def test_classes_of_a_subscriber_that_somebody_deleted_all_are_made_again(world: World, state: Path) -> None:
    enforce.apply(with_subscribers(), state_dir=state)
    before = in_order(world)
    for minor in ("411", "412"):
        world.box.run("tc", "class", "del", "dev", "lan0", "classid", f"d1:{minor}")
    enforce.apply(with_subscribers(), state_dir=state)
    assert in_order(world) == before
    world.box.run("tc", "class", "del", "dev", "lan0", "classid", "d1:411")
    world.box.run("tc", "class", "del", "dev", "lan0", "classid", "d1:412")
    enforce.clean(state_dir=state)
    assert "htb" not in world.box.run("tc", "qdisc", "show")


def test_a_step_that_fails_leaves_all_as_it_was(world: World, state: Path) -> None:
    enforce.apply(with_subscribers(), state_dir=state)
    before = in_order(world)
    with pytest.raises(KernelError, match="undone"):
        enforce.apply(with_subscribers(one=9 * MBIT, more=20), state_dir=state, fail_at=30)
    assert in_order(world) == before


@pytest.mark.parametrize("step", [1, 12, 25])
def test_killed_at_a_step_the_next_apply_makes_the_new_state(world: World, tmp_path: Path, step: int) -> None:
    enforce.apply(with_subscribers(), state_dir=tmp_path)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        steps = iter(range(1000))

        def die(_: object) -> None:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        enforce.apply(with_subscribers(one=9 * MBIT, more=12), state_dir=tmp_path, on_step=die)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    new = with_subscribers(one=9 * MBIT, more=12)
    left = len(enforce.apply(new, state_dir=tmp_path).operations)
    assert left == 27 - step
    assert enforce.apply(new, state_dir=tmp_path).operations == ()


def test_thousands_are_remembered_and_what_was_touched_is_read_back(world: World, state: Path) -> None:
    enforce.apply(with_subscribers(more=600), state_dir=state)
    begun = time.monotonic()
    done = enforce.apply(with_subscribers(more=606), state_dir=state)
    assert len(done.operations) == 13
    assert time.monotonic() - begun < 2
    world.box.run("tc", "class", "del", "dev", "lan0", "classid", "d1:447")
    assert enforce.apply(with_subscribers(more=606), state_dir=state).operations == (), "not looked at"
    assert len(enforce.apply(with_subscribers(more=606), state_dir=state, look_again=True).operations) == 1


def test_the_benchmark_of_policies_leaves_nothing_behind() -> None:
    from dpi.bench.policy import measure

    found = measure(10, 4, 1, 60.0)
    assert [row["subscribers"] for row in found["applied"]] == [4]
    assert {"compile_s", "apply_s", "reapply_1pct_s", "forward_ratio", "rule_lookup_us"} <= found.keys()
    assert found["rule_lookup_us"] == found["rule_lookups"]["10"] > 0
    assert found["forward_ratio"] > 0 and found["left_out"] is None
    (row,) = measure(10, 6, 1, 60.0, queues="on-demand", awake=2)["applied"]
    assert (row["queues"], row["awake"]) == ("on-demand", 2)
    assert 0 < row["wake_ms"] < 10_000 and row["make_s"] > 0
    assert not [name for name in Path("/run/netns").iterdir() if f"dpi-path-{os.getpid()}-" in name.name]
