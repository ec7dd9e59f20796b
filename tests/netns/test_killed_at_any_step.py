"""kill -9 before and after each thing that an apply does to the kernel or to a file: the next one makes it whole.

A child applies, counts what it does by the interpreter's own tracing of calls, and kills itself at the one that is
asked for.  What it left is then taken over as a restart does: the old policy, the new one, or everything taken away.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import FrameType

import pytest
from branches import with_subscribers
from test_enforce_apply import add_foreign, elements
from world import CACHE, CLASSES, DISPOSITIONS, MARKS, MBIT, SERVER4, SERVER6, World, made, plan, shaped, wait_for

from dpi import enforce
from dpi.enforce import conntrack
from dpi.enforce.on_demand import OnDemand
from dpi.policy.plan import Disposition, KernelPlan, MarkLayout, Police, Tree

pytestmark = [pytest.mark.netns, pytest.mark.timeout(1200)]

FILES = {"rename", "unlink", "write"}
ACTS = {"fork_exec", "send", "sendmsg", "sendto", *FILES}
STARTED = {"fork_exec": "c_return"}
CHANGES = {"make", "set_marks", "take", "transition"}
READ = {"counted", "get_filters", "has_clsact", "index", "qdisc", "_read", "_table_exists"}
THEIRS, OURS = 0x80001234, 0x00050000  # bits of a connection's mark
LEARNT = "192.0.2.1"


def old_plan() -> KernelPlan:
    """Down on an IFB, subscribers in the link's tree, a cache of its own network, and each kind of rule."""
    dispositions = (
        *DISPOSITIONS,
        Disposition(6, "policed", "video", None, None, (Police("host", 4 * MBIT, MBIT), Police("rule", MBIT, None))),
        Disposition(7, "seen", None, None, None, mirror=5),
        Disposition(8, "copied", None, None, None, copy="spy0"),
    )
    down, up = plan().trees
    subscribers = with_subscribers(more=1).subscribers
    trees = (replace(down, ifb="dpi-down"), up)
    return plan(dispositions=dispositions, trees=trees, subscribers=subscribers)


def new_plan() -> KernelPlan:
    """Subscribers in trees of their own, the cache elsewhere, other classes, rules, queues and marks."""
    classes = (*CLASSES[:2], shaped("mail", 12, 10 * MBIT, parent="video"), shaped("rest", 13, 12 * MBIT))
    return plan(
        dispositions=(
            *DISPOSITIONS[:3],
            Disposition(6, "policed", "mail", 10, None, (Police("flow", 2 * MBIT, MBIT),)),
            Disposition(9, "free", None, None, None, exempt=True),
        ),
        trees=(
            Tree("lan0", "down", 150 * MBIT, classes, "rest"),
            Tree("wan0", "up", 200 * MBIT, classes, "rest"),
        ),
        routes=(
            replace(CACHE, next_hop4=SERVER4, next_hop6=SERVER6),
            replace(
                CACHE,
                number=2,
                name="other",
                table=26002,
                next_hop4="198.18.0.9",
                next_hop6=None,
                when_down="unreachable",
            ),
        ),
        marks=MarkLayout(0x0FFF0000),
        queues=2,
        queue_base=3,
        subscribers=with_subscribers(2, one=9 * MBIT, more=2).subscribers,
    )


@pytest.fixture
def world() -> Iterator[World]:
    with made() as w, w.box:
        w.box.run("ip", "link", "add", "spy0", "type", "veth", "peer", "name", "spy1")
        for device in ("spy0", "spy1"):
            Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6").write_text("1")
            w.box.run("ip", "link", "set", device, "up")
        add_foreign(w)
        for device in ("all", "cdn0"):
            Path(f"/proc/sys/net/ipv4/conf/{device}/rp_filter").write_text("1")
        w.serve(w.inet, 80)
        w.connect(SERVER4, 80)
        yield w


def everything(world: World) -> dict[str, list[str]]:
    """The kernel's state by its meaning: without the order of hashes, and what is counted on from device to device."""
    found = {name: elements(text).splitlines() for name, text in world.dump().items()}
    found["link"] = [re.sub(r"^\d+: |link/ether \S+|@if\d+", "", line) for line in found["link"]]
    found["filter"] = [re.sub(r"\bindex \d+", "", line) for line in found["filter"]]
    found["nft"] = [line for line in found["nft"] if LEARNT not in line]
    return {name: sorted(lines) for name, lines in found.items()}


def other(found: dict[str, list[str]], wanted: dict[str, list[str]]) -> dict[str, tuple[list[str], list[str]]]:
    """What there is too much and too little, by kind."""
    lines = {name: (Counter(found[name]), Counter(wanted[name])) for name in wanted}
    return {name: ([*(a - b).elements()], [*(b - a).elements()]) for name, (a, b) in lines.items() if a != b}


class Dying:
    """Ends this process by SIGKILL at the act of a number: before it, and for a program also once it was started."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, frame: FrameType, event: str, called: object) -> None:
        name = getattr(called, "__name__", "")
        if name in ACTS and event in ("c_call", STARTED.get(name)) and (name in FILES or self.changes(frame)):
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)
            self.left -= 1

    @staticmethod
    def changes(frame: FrameType | None) -> bool:
        """Called for an operation, and not to read."""
        while frame and frame.f_code.co_name not in READ:
            if frame.f_code.co_name in CHANGES:
                return True
            frame = frame.f_back
        return False


def forked(act: Callable[[], object]) -> int:
    """The process id of a child that does this."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return child


def died(child: int) -> bool:
    """Waits for it; whether a signal ended it, and else it has done all."""
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended <= 0
    return ended < 0


def killed_at(number: int, act: Callable[[], object]) -> bool:
    """Whether a child that does this died at its step of this number; False: it has not so many."""

    def run() -> None:
        sys.setprofile(Dying(number))
        try:
            act()
        finally:
            sys.setprofile(None)

    return died(forked(run))


def killed_behind(octets: int, act: Callable[[], object]) -> bool:
    """Whether a child that does this died when a file of its own would have become longer."""

    def run() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # as final as SIGKILL, and the kernel sends it within a write
        resource.setrlimit(resource.RLIMIT_FSIZE, (octets, octets))
        act()

    return died(forked(run))


def mark(value: int) -> None:
    """Of all connections that there are."""
    for connection in conntrack.dump([socket.AF_INET]):
        conntrack.set_mark(connection, value, 0xFFFFFFFF)


def marks() -> set[int]:
    return {connection.mark for connection in conntrack.dump([socket.AF_INET])}


OLD, NEW, NOTHING = "the old policy", "the new policy", "nothing"


class Ways:
    """What can be brought about, and what the kernel is like then."""

    def __init__(self, world: World, state: Path) -> None:
        self.state = state
        self._ways: dict[str, Callable[[], object]] = {
            OLD: lambda: enforce.apply(old_plan(), state_dir=state),
            NEW: lambda: enforce.apply(new_plan(), state_dir=state),
            NOTHING: lambda: enforce.clean(state_dir=state),
        }
        self.world = world
        self._fresh = {NOTHING: everything(world)}
        for name in (OLD, NEW):
            self.to(name)
            self._fresh[name] = everything(world)
            self.to(NOTHING)
            self.check(NOTHING, "after the first time")

    def to(self, name: str) -> None:
        self._ways[name]()

    def check(self, name: str, when: str) -> None:
        """The kernel is as a fresh start makes it, and nothing is noted that is not there."""
        assert other(everything(self.world), self._fresh[name]) == {}, f"{name}, {when}"
        if name == NOTHING:
            assert [path.name for path in self.state.glob("kernel.*")] == ["kernel.lock"], when


@pytest.fixture
def ways(world: World, tmp_path: Path) -> Ways:
    return Ways(world, tmp_path / "state")


@pytest.mark.parametrize(("before", "during"), [(OLD, NEW), (NOTHING, NEW), (NEW, NOTHING)])
def test_killed_at_any_step_the_kernel_is_as_a_fresh_start_makes_it(ways: Ways, before: str, during: str) -> None:
    ends = sorted({before, during, NOTHING})
    for at in count():
        ways.to(before)
        mark(THEIRS | OURS)
        if before != NOTHING:
            enforce.Learner(old_plan()).learn("cache", [(LEARNT, 600)])
        if not killed_at(at, lambda: ways.to(during)):
            assert at > 50, "there were as many steps"
            return
        after = ends[at % len(ends)]
        ways.to(after)
        ways.check(after, f"killed at {at}")
        assert {found & ~MARKS.mask for found in marks()} == {THEIRS}
        if before != after != OLD:
            assert marks() == {THEIRS}, "what the old policy meant by its bits is not what the new one means"
        if NOTHING not in (before, during, after):
            assert LEARNT in ways.world.box.run("nft", "list", "set", "inet", "dpi", "route1_learnt4")


def test_killed_while_queues_come_or_go_each_subscriber_has_all_of_them_or_none(ways: Ways) -> None:
    subscribers = with_subscribers(more=1).subscribers
    assert subscribers
    asked = replace(old_plan(), subscribers=replace(subscribers, idle=60.0))
    names = ["one", "other", "s0"]

    def come() -> None:
        branches = OnDemand(asked, ways.state)
        made, failed = branches.make(names, until=time.monotonic() + 60)
        assert (made, failed) == (names, {})

    def go() -> None:
        branches = OnDemand(asked, ways.state)
        sent = {name: found for name in names if (found := branches.sent(name))}
        assert branches.take(names, sent) == names

    steps: list[tuple[list[Callable[[], None]], Callable[[], None]]] = [([], come), ([come], go)]
    for before, during in steps:
        for at in count():
            enforce.clean(state_dir=ways.state)
            enforce.apply(asked, state_dir=ways.state)
            for step in before:
                step()
            if not killed_at(at, during):
                break
            asleep = enforce.apply(asked, state_dir=ways.state).asleep
            assert enforce.plan_operations(asked, state_dir=ways.state) == [], f"{during} killed at {at}"
            made, failed = OnDemand(asked, ways.state).make(sorted(asleep), until=time.monotonic() + 60)
            assert (made, failed) == (sorted(asleep), {})
            assert enforce.apply(asked, state_dir=ways.state).operations == ()
        assert at > 4, "there were as many steps"
    ways.to(NOTHING)
    ways.check(NOTHING, "in the end")


def test_killed_while_it_writes_what_it_notes_the_kernel_is_as_a_fresh_start_makes_it(ways: Ways) -> None:
    for longest in (0, 30, 90):
        for after in (OLD, NEW, NOTHING):
            ways.to(OLD)
            assert killed_behind(longest, lambda: ways.to(NEW)), "a note is longer"
            ways.to(after)
            ways.check(after, f"killed behind byte {longest}")


def test_a_program_that_outlives_who_started_it_has_ended_before_the_next_one_looks(
    ways: Ways, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow" / "nft"
    slow.parent.mkdir()
    slow.write_text(
        f'#!/bin/sh\n[ "$1" = -f ] && touch {tmp_path}/started && sleep 1\nexec {shutil.which("nft")} "$@"\n'
    )
    slow.chmod(0o755)
    for after in (OLD, NEW, NOTHING):
        ways.to(OLD)
        with monkeypatch.context() as m:
            m.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
            child = forked(lambda: ways.to(NEW))
            wait_for((tmp_path / "started").exists)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        (tmp_path / "started").unlink()
        ways.to(after)
        time.sleep(1.5)
        ways.check(after, "while nft was at work")
