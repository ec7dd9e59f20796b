"""Classes of single subscribers, made and taken away between two applies.

    branches = OnDemand(plan.kernel, state_dir)
    for name in branches.wanted(): …                       # who has traffic and no classes
    made, failed = branches.make(names, until=…)           # classes, then the maps' elements: one transaction for all
    taken = branches.take(names)                           # elements first; whoever sends meanwhile keeps them

Making is the only thing here that takes long, so it ends with the branch at hand once its time is over.  What fails
leaves a subscriber in the link's classes; what a killed process leaves, the next apply makes whole.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from dpi.enforce import remember
from dpi.enforce.names import classid
from dpi.enforce.netlink import netfilter
from dpi.enforce.nft import host_elements, host_maps
from dpi.enforce.nft.view import family
from dpi.enforce.probe import probe
from dpi.enforce.qdisc import read
from dpi.enforce.qdisc.branch import BranchClasses
from dpi.enforce.resource import Handles
from dpi.enforce.state import StateFile, locked
from dpi.enforce.subscribers import Branches
from dpi.errors import KernelError
from dpi.policy.branches import every_bit
from dpi.policy.plan import Branch, KernelPlan


class Sent(NamedTuple):
    """Bytes of layer 2 that a branch has sent since it was made, by its classes of both directions."""

    down: int
    up: int


class OnDemand:
    """Acts in the network namespace of the thread that made it; not for two threads at once."""

    def __init__(self, plan: KernelPlan, state_dir: Path) -> None:
        assert plan.subscribers and plan.subscribers.on_demand
        self._plan = plan
        self._state_dir = state_dir
        self._family = family(plan)
        features = probe(state_dir)
        self._ways = [
            Branches(tree.direction, tree.ifb or tree.device, plan, features)
            for tree in {tree.direction: tree for tree in plan.trees}.values()
        ]
        self._first = ~every_bit(plan.subscribers.shares)
        self._branches = {b.name: b for b in plan.subscribers.branches if b.is_subscriber}
        self._names = {b.number & self._first: b.name for b in self._branches.values()}
        self._nft = netfilter()
        self._handles = Handles(None, StateFile(None))

    @property
    def port(self) -> int:
        """By which the kernel names us to those who listen for what is removed."""
        return int(self._handles.rtnl().socket.getsockname()[0])

    def close(self) -> None:
        self._nft.close()
        self._handles.close()

    def wanted(self) -> list[str]:
        """Who has sent something lately and had no classes then.  A short netlink exchange; OSError where it fails."""
        numbers = (number & self._first for number in host_elements.read_wanted(self._nft, self._family))
        return [self._names[number] for number in numbers if number in self._names]

    def make(self, names: Iterable[str], until: float) -> tuple[list[str], dict[str, str]]:
        """As many as there is time for (`until`: as time.monotonic()); → who has classes now, and whose failed, why."""
        made: dict[str, list[BranchClasses]] = {}
        failed: dict[str, str] = {}
        with locked(self._state_dir):
            for name in names:
                try:
                    made[name] = self._add(self._branches[name])
                except (KernelError, OSError) as error:
                    failed[name] = str(error)
                if time.monotonic() > until:
                    break
            try:
                self._give(made, asleep=False)
            except (KernelError, OSError) as error:
                failed |= dict.fromkeys(made, str(error))
                for classes in made.values():
                    self._remove(classes)
                made = {}
            remember.changed((each for classes in made.values() for each in classes), ())
        return list(made), failed

    def take(self, names: Iterable[str], sent: Mapping[str, Sent]) -> list[str]:
        """Takes classes away where nothing was sent since `sent` and nothing waits; → from whom."""
        classes = {name: list(self._classes(self._branches[name])) for name in names}
        with locked(self._state_dir):
            self._give(classes, asleep=True)
            busy = [name for name in classes if self.sent(name) != sent[name] or self._waits(self._branches[name])]
            self._give(busy, asleep=False)
            for name in busy:
                del classes[name]
            for each in classes.values():
                self._remove(each)
            remember.changed((), (each for found in classes.values() for each in found))
        return list(classes)

    def sent(self, name: str) -> Sent | None:
        """None: a class is not there, as when somebody has removed it."""
        counts = [self._counted(classes, 0) for classes in self._classes(self._branches[name])]
        down, up = (count[1] if count else None for count in counts)
        return None if down is None or up is None else Sent(down, up)

    def _waits(self, branch: Branch) -> bool:
        for classes in self._classes(branch):
            for offset in (0, *(offset for offset, _, _ in classes.spec.shares)):
                count = self._counted(classes, offset)
                if count and count[3]:
                    return True
        return False

    def _counted(self, classes: BranchClasses, offset: int) -> tuple[int, int, int, int] | None:
        try:
            index = socket.if_nametoindex(classes.device)
        except OSError:
            return None
        return read.counted(self._handles.rtnl(), index, classid(classes.major, classes.minor + offset))

    def _classes(self, branch: Branch) -> Iterator[BranchClasses]:
        return (way.of(branch) for way in self._ways)

    def _add(self, branch: Branch) -> list[BranchClasses]:
        done: list[BranchClasses] = []
        try:
            for classes in self._classes(branch):
                classes.add(self._handles)
                done.append(classes)
        except (KernelError, OSError):
            self._remove(done)
            raise
        return done

    def _remove(self, classes: Iterable[BranchClasses]) -> None:
        for each in classes:
            try:
                each.remove(self._handles)
            except KernelError:  # somebody was faster
                remember.forget()

    def _give(self, names: Iterable[str], *, asleep: bool) -> None:
        """Packets of these have classes of their own from now on, or the link's: in one transaction."""
        before: dict[str, host_maps.Hosts] = {}
        after: dict[str, host_maps.Hosts] = {}
        chosen = {name: self._branches[name] for name in names}
        places = [(branch, at) for branch in chosen.values() for at in host_maps.keys(self._plan, branch)]
        for branch, (map_, key) in [*places, *self._learnt(chosen)]:
            there, gone = branch.number, branch.number | host_maps.ASLEEP
            before.setdefault(map_, {})[key] = there if asleep else gone
            after.setdefault(map_, {})[key] = gone if asleep else there
        code = host_elements.change(self._nft, self._family, before, after)
        if code:
            raise KernelError(f"nft: elements of subscribers: {os.strerror(code)}")

    def _learnt(self, chosen: Mapping[str, Branch]) -> Iterator[tuple[Branch, tuple[str, bytes]]]:
        """Where these stand by what was learnt of neighbours."""
        for map_ in host_maps.LEARNT.values() if host_maps.learns(self._plan) and chosen else ():
            for key, number in host_elements.read_hosts(self._family, map_).items():
                branch = chosen.get(self._names.get(number & ~host_maps.ASLEEP & self._first, ""))
                if branch:
                    yield branch, (map_, key)
