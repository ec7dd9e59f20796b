"""A part of a tree that is one thing: a site, or a subscriber with the classes and queues that are its own.

There are tens of thousands of them, so their messages are packed here, a branch's in one send, and not by pyroute2.  A
branch's classes have minors in a row: the first is the site, the subscriber, or the subscriber's only class; behind a
shared one come its shares.  A leaf qdisc has its class's minor for its own number: the kernel looks for a free one
from the beginning each time, and has but 32,767 to give.

The quantum of a class that has others below means nothing to the kernel, which gives it back as it was: so it says
which kind of branch this is.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, NamedTuple

from pyroute2.netlink.rtnl.tcmsg import tcmsg

from dpi.enforce.names import classid, classid_text
from dpi.enforce.netlink import ACK, REQUEST, Netlink, attribute, attributes, nested
from dpi.enforce.netlink import message as netlink_message
from dpi.enforce.qdisc import leaves, read
from dpi.enforce.qdisc.htb import BURST, MAX_QUANTUM, WIDE, rate_text, slot, ticks, within
from dpi.enforce.qdisc.leaf import MTU, Leaf
from dpi.enforce.qdisc.read import DELETE_CLASS, DELETE_QDISC, NEW_CLASS, NEW_QDISC
from dpi.enforce.resource import Handles, Key, Resource
from dpi.errors import KernelError

SITE, SHARED = MTU, MTU + 1  # quanta of classes that have others below
LEAST_QUANTUM = MTU + 6
CREATE, EXCLUSIVE, REPLACE = 0x400, 0x200, 0x100
GONE = (0, errno.ENOENT, errno.ENODEV, errno.EINVAL)


class Params(NamedTuple):
    """A class.  Rates in bytes a second, bursts in the kernel's ticks."""

    rate: int
    ceil: int
    buffer: int
    cbuffer: int
    quantum: int
    priority: int

    def __str__(self) -> str:
        return f"rate {rate_text(self.rate)}, ceil {rate_text(self.ceil)}"


class Spec(NamedTuple):
    """What a branch is; those of one tariff are the same object.  `leaf`: of one that is not shared."""

    own: Params
    leaf: Leaf | None
    shares: tuple[tuple[int, Params, Leaf], ...] = ()  # offset of the minor, class, queue


def params(rate: int, ceil: int, burst: int | None, priority: int, quantum: int) -> Params:
    """Rates in bits a second."""
    rate, ceil = max(rate // 8, 1), max(ceil // 8, 1)
    buffer = ticks(rate, burst or max(int(rate * BURST), 2 * MTU))
    return Params(rate, ceil, buffer, ticks(ceil, burst or max(int(ceil * BURST), 2 * MTU)), quantum, priority)


def share_of_spare(weight: int) -> int:
    """Quantum of a leaf that asked for `weight` bit/s."""
    return min(max(weight // 800, LEAST_QUANTUM), MAX_QUANTUM)


@dataclass(frozen=True)
class BranchClasses(Resource):
    kind: ClassVar[str] = "subscriber"
    rank: ClassVar[int] = 3

    device: str
    major: int
    path: tuple[int, ...]  # minors from the link's class down to the first of this branch
    spec: Spec
    name: str = field(default="", compare=False)  # the kernel does not know it

    @property
    def minor(self) -> int:
        return self.path[-1]

    @property
    def key(self) -> Key:
        kind = "shared" if self.spec.shares else "leaf" if self.spec.leaf else "site"
        return (self.kind, self.device, self.major, *self.path, kind)

    @property
    def slot(self) -> Key:
        return slot(self.device, self.major, self.minor)

    @property
    def above(self) -> tuple[Key, ...]:
        return within(self.device, self.major, self.path)

    @property
    def depth(self) -> int:
        return len(self.path)

    def title(self) -> str:
        what = "site" if not (self.spec.shares or self.spec.leaf) else "subscriber"
        name = self.name.removeprefix("site/") if self.name != "default/" else "everyone else"
        return " ".join(part for part in (what, name, self.where()) if part)

    def where(self) -> str:
        return f"({classid_text(self.major, self.minor)} of {self.device})"

    def words(self) -> str:
        words = [str(self.spec.own)]
        if self.spec.leaf:
            words.append(f"leaf {self.spec.leaf}")
        if self.spec.shares:
            words.append(f"{len(self.spec.shares)} classes with leaf {self.spec.shares[0][2]}")
        return ", ".join(words)

    # Steps

    def add(self, handles: Handles) -> None:
        steps = [self._class(self.minor, self.spec.own, CREATE | EXCLUSIVE)]
        if self.spec.leaf:
            steps.append(self._leaf(self.minor, self.spec.leaf))
        for offset, own, leaf in self.spec.shares:
            steps.append(self._class(self.minor + offset, own, CREATE | EXCLUSIVE))
            steps.append(self._leaf(self.minor + offset, leaf))
        try:
            self._send(handles.rtnl(), "add", steps)
        except KernelError:
            self._undo_add(handles.rtnl())
            raise

    def remove(self, handles: Handles) -> None:
        offsets = [offset for offset, _, _ in self.spec.shares]
        self._send(handles.rtnl(), "remove", [self._delete(self.minor + n) for n in (*offsets, 0)])

    def change(self, handles: Handles, before: Resource) -> None:
        assert isinstance(before, BranchClasses)
        try:
            self._send(handles.rtnl(), "change", self._changes(before))
        except KernelError:
            self._send(handles.rtnl(), "change back", before._changes(self), (*GONE, errno.EEXIST))
            raise

    def _changes(self, before: BranchClasses) -> list[tuple[int, int, bytes]]:
        old, new = before.spec, self.spec
        steps = []
        if new.own != old.own:
            steps.append(self._class(self.minor, new.own, 0))
        if new.leaf and old.leaf and new.leaf != old.leaf:
            steps += self._other_leaf(self.minor, old.leaf, new.leaf)
        were = {offset: (own, leaf) for offset, own, leaf in old.shares}
        for offset in were.keys() - {offset for offset, _, _ in new.shares}:
            steps.append(self._delete(self.minor + offset))
        for offset, own, leaf in new.shares:
            minor = self.minor + offset
            if offset not in were:
                steps += [self._class(minor, own, CREATE | EXCLUSIVE), self._leaf(minor, leaf)]
                continue
            if own != were[offset][0]:
                steps.append(self._class(minor, own, 0))
            if leaf != were[offset][1]:
                steps += self._other_leaf(minor, were[offset][1], leaf)
        return steps

    def _other_leaf(self, minor: int, before: Leaf, leaf: Leaf) -> list[tuple[int, int, bytes]]:
        if leaves.changes_in_place(before, leaf):
            return [self._leaf(minor, leaf, before)]
        handle = classid(minor, 0)
        gone = (DELETE_QDISC, 0, _head(self.device, handle, classid(self.major, minor)))
        return [gone, self._leaf(minor, leaf)]

    def _undo_add(self, kernel: Netlink) -> None:
        offsets = [offset for offset, _, _ in self.spec.shares]
        self._send(kernel, "take back", [self._delete(self.minor + n) for n in (*offsets, 0)], GONE)

    # What the kernel has

    def read_back(self, handles: Handles) -> BranchClasses | None:
        """As this branch is now; None where its first class is not there."""
        kernel, index = handles.rtnl(), _index(self.device)
        classes, ends = {}, {}
        for offset in (0, *(offset for offset, _, _ in self.spec.shares)):
            handle = classid(self.major, self.minor + offset)
            found = read.class_(kernel, index, handle)
            if found:
                classes[found.handle & 0xFFFF] = found
            end = read.qdisc(kernel, index, handle) if offset or self.spec.leaf else None
            if end:
                ends[self.minor + offset] = leaves.known(end.kind, end.options)
        if self.minor not in classes or classes[self.minor].parent != classid(self.major, self.path[-2]):
            return None
        return made_of(self.device, self.major, self.path, classes, ends)

    # Messages: type, flags, payload

    def _class(self, minor: int, own: Params, flags: int) -> tuple[int, int, bytes]:
        parent = self.path[-2] if minor == self.minor else self.minor
        head = _head(self.device, classid(self.major, minor), classid(self.major, parent))
        return NEW_CLASS, flags, head + _class_options(own)

    def _delete(self, minor: int) -> tuple[int, int, bytes]:
        return DELETE_CLASS, 0, _head(self.device, classid(self.major, minor), 0)

    def _leaf(self, minor: int, leaf: Leaf, before: Leaf | None = None) -> tuple[int, int, bytes]:
        head = _head(self.device, classid(minor, 0), classid(self.major, minor))
        return NEW_QDISC, 0 if before else CREATE | EXCLUSIVE, head + _leaf_options(leaf, before)

    def _send(
        self, kernel: Netlink, verb: str, steps: list[tuple[int, int, bytes]], allowed: tuple[int, ...] = (0,)
    ) -> None:
        """All of them; KernelError with the kernel's own words for the first that it refuses."""
        expected, parts = [], []
        for kind, flags, payload in steps:
            sequence = kernel.next()
            expected.append(sequence)
            parts.append(netlink_message(kind, REQUEST | ACK | flags, sequence, payload))
        answers = kernel.errors(b"".join(parts), set(expected))
        for sequence in expected:
            if answers[sequence] not in allowed:
                raise KernelError(f"tc {verb} {self.title()}: {os.strerror(answers[sequence])}")


def made_of(
    device: str, major: int, path: tuple[int, ...], classes: dict[int, read.Class], ends: dict[int, Leaf]
) -> BranchClasses:
    """The branch that begins with the last class of a path; `classes` and `ends` by minor."""
    first = path[-1]
    own = _params_of(classes[first])
    if own.quantum == SITE:
        return BranchClasses(device, major, path, Spec(own, None))
    if own.quantum != SHARED:
        return BranchClasses(device, major, path, Spec(own, ends.get(first, NOTHING)))
    shares = []
    for offset in range(1, 16):
        share = classes.get(first + offset)
        if share and share.parent == classid(major, first):
            shares.append((offset, _params_of(share), ends.get(first + offset, NOTHING)))
    return BranchClasses(device, major, path, Spec(own, None, tuple(shares)))  # without any it is made anew


NOTHING = Leaf("none", ())


def _params_of(found: read.Class) -> Params:
    return Params(found.rate, found.ceil, found.buffer, found.cbuffer, found.quantum, found.priority)


def _head(device: str, handle: int, parent: int) -> bytes:
    return read.TCMSG.pack(0, _index(device), handle, parent, 0)


def _index(device: str) -> int:
    try:
        return socket.if_nametoindex(device)
    except OSError:
        raise KernelError(f"{device}: no such interface here") from None


@lru_cache(maxsize=4096)
def _class_options(own: Params) -> bytes:
    parms = read.HTB_OPTIONS.pack(
        *(0, 1, 0, 0, 0, min(own.rate, WIDE - 1)),  # 1: TC_LINKLAYER_ETHERNET, no rate table is needed
        *(0, 1, 0, 0, 0, min(own.ceil, WIDE - 1)),
        *(own.buffer, own.cbuffer, own.quantum, 0, own.priority),
    )
    parts = [attribute(read.PARMS, parms)]
    if own.rate >= WIDE:
        parts.append(attribute(read.RATE64, struct.pack("=Q", own.rate)))
    if own.ceil >= WIDE:
        parts.append(attribute(read.CEIL64, struct.pack("=Q", own.ceil)))
    return read.HTB + nested(2, *parts)


@lru_cache(maxsize=4096)
def _leaf_options(leaf: Leaf, before: Leaf | None) -> bytes:
    """TCA_KIND and TCA_OPTIONS, as pyroute2 encodes them."""
    filled = tcmsg()
    filled["attrs"] = [["TCA_KIND", leaf.kind], ["TCA_OPTIONS", leaves.encode(leaf, before)]]
    filled.encode()
    data = bytes(filled.data)
    start = 16 + read.TCMSG.size
    last = max(b for _, _, b in attributes(data, start, len(data)))
    return data[start : (last + 3) & ~3]
