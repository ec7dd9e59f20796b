"""The HTB tree of a direction: `d1:` (down) or `d2:` (up) at the device's root, `d1:ffff` the link, below it the
policy's classes.

Packets come with their class in skb->priority, so no filter is needed; `default 0` sends what has none (the
box's own traffic, ARP) straight out, unshaped: shaping never locks an admin out of the box.

* burst: what a class may send at line speed after a pause, of its rate and of its ceil alike: 4 ms, at least two
  full frames.  Long enough that a timer that fires a little late costs no rate, short enough not to be felt by the
  class beside.  Where a hypervisor takes the CPU away for longer, the rate that was missed is lost: measured, with
  a fifth of the CPU stolen, 0.6 to 0.95 of 20 Mbit/s with 4 ms and 0.99 to 1.00 with 200 ms.
* quantum: bytes that a class may send in its turn when siblings share what is left over.  Explicit, in place
  of rate/r2q, which the kernel complains of below 1,000 and above 200,000.  In proportion to the rate within
  a frame and 60 kB, so that a faster class gets more of the surplus.
* Rates below the link's own class may add up to more than the link has (oversubscription is the admin's).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pyroute2.netlink.rtnl.tcmsg.common import calc_xmittime

from dpi.enforce.names import LINK_CLASS, classid, classid_text
from dpi.enforce.qdisc import leaves, message, read
from dpi.enforce.qdisc.leaf import MTU, Leaf
from dpi.enforce.resource import Handles, Key, Resource
from dpi.errors import KernelError
from dpi.policy.plan import ShapedClass

MAX_QUANTUM = 60_000
BURST = 0.004  # seconds
WIDE = 1 << 32  # bytes/s from which rates take the 64 bit attributes


@dataclass(frozen=True)
class HtbRoot(Resource):
    """The root qdisc of a device.  A root that someone set up is left alone, and said so."""

    kind: ClassVar[str] = "qdisc"
    rank: ClassVar[int] = 2

    device: str
    major: int

    @property
    def key(self) -> Key:
        return (self.kind, self.device, self.major)

    @property
    def slot(self) -> Key:
        return (self.kind, self.device)

    def title(self) -> str:
        return f"qdisc htb {self.major:x}: of {self.device}"

    def words(self) -> str:
        return "root, what has no class unshaped"

    def add(self, handles: Handles) -> None:
        index = handles.index(self.device)
        there = read.qdisc(handles.rtnl(), index, message.ROOT)
        if there and there.handle >> 16:  # the kernel's own default root has handle 0; any other was set up by somebody
            raise KernelError(
                f"{self.device} already has a root qdisc ({there.kind} {there.handle >> 16:x}:) that is not "
                f"ours; remove it (tc qdisc del dev {self.device} root) or take {self.device} out of the policy"
            )
        glob = {"version": 3, "rate2quantum": 10, "defcls": 0, "debug": 0, "direct_pkts": 0}
        options = {"attrs": [["TCA_HTB_INIT", glob]]}
        message.send(
            handles.ip,
            "replace qdisc",
            index,
            parent=message.ROOT,
            handle=self.major << 16,
            kind="htb",
            options=options,
        )

    def remove(self, handles: Handles) -> None:
        index = handles.index(self.device)
        message.send(handles.ip, "delete qdisc", index, parent=message.ROOT, handle=self.major << 16)


@dataclass(frozen=True)
class HtbClass(Resource):
    """A class and, where it is a leaf, the qdisc at its end.  Rates in bytes a second."""

    kind: ClassVar[str] = "class"
    rank: ClassVar[int] = 3

    device: str
    major: int
    path: tuple[int, ...]  # minors from the link's class down to this one
    inner: bool
    rate: int
    ceil: int
    buffer: int  # burst in the kernel's ticks, at the rate; cbuffer at the ceil
    cbuffer: int
    priority: int
    quantum: int
    leaf: Leaf | None

    @property
    def minor(self) -> int:
        return self.path[-1]

    @property
    def parent(self) -> int:
        return classid(self.major, self.path[-2] if len(self.path) > 1 else 0)

    @property
    def key(self) -> Key:
        # A class cannot change its parent, nor become a leaf or cease to be one, and keep what it has.
        return (self.kind, self.device, self.major, *self.path, "inner" if self.inner else "leaf")

    @property
    def slot(self) -> Key:
        return slot(self.device, self.major, self.minor)

    @property
    def depth(self) -> int:
        return len(self.path)

    @property
    def above(self) -> tuple[Key, ...]:
        return within(self.device, self.major, self.path)

    def title(self) -> str:
        return f"class {classid_text(self.major, self.minor)} of {self.device}"

    def words(self) -> str:
        words = [f"rate {rate_text(self.rate)}", f"ceil {rate_text(self.ceil)}"]
        if not self.inner:
            words += [f"priority {self.priority}", f"leaf {self.leaf}"]
        return ", ".join(words)

    def add(self, handles: Handles) -> None:
        index = handles.index(self.device)
        self._send(handles, "add class", index)
        if self.leaf:
            try:
                self._send_leaf(handles, "add qdisc", index)
            except KernelError:
                message.send(handles.ip, "delete class", index, parent=0, handle=classid(self.major, self.minor))
                raise

    def change(self, handles: Handles, before: Resource) -> None:
        assert isinstance(before, HtbClass)
        index = handles.index(self.device)
        self._send(handles, "change class", index)
        if self.leaf and self.leaf != before.leaf:
            try:
                if leaves.changes_in_place(before.leaf, self.leaf):
                    self._send_leaf(handles, "change qdisc", index, before.leaf)
                else:
                    self._send_leaf(handles, "replace qdisc", index)
            except KernelError:
                before._send(handles, "change class", index)
                raise

    def remove(self, handles: Handles) -> None:
        message.send(
            handles.ip, "delete class", handles.index(self.device), parent=0, handle=classid(self.major, self.minor)
        )

    def _send(self, handles: Handles, verb: str, index: int) -> None:
        parms = {
            "rate": min(self.rate, WIDE - 1),
            "ceil": min(self.ceil, WIDE - 1),
            "rate___reserved": 1,  # TC_LINKLAYER_ETHERNET: no rate table is needed
            "ceil___reserved": 1,
            "buffer": self.buffer,
            "cbuffer": self.cbuffer,
            "quantum": self.quantum,
            "prio": self.priority,
        }
        attrs: list[list[object]] = [["TCA_HTB_PARMS", parms]]
        if self.rate >= WIDE:
            attrs.append(["TCA_HTB_RATE64", self.rate])
        if self.ceil >= WIDE:
            attrs.append(["TCA_HTB_CEIL64", self.ceil])
        message.send(
            handles.ip,
            verb,
            index,
            parent=self.parent,
            handle=classid(self.major, self.minor),
            kind="htb",
            options={"attrs": attrs},
        )

    def _send_leaf(self, handles: Handles, verb: str, index: int, before: Leaf | None = None) -> None:
        assert self.leaf
        handle = 0
        if before:
            there = read.qdisc(handles.rtnl(), index, classid(self.major, self.minor))
            handle = there.handle if there else 0
        message.send(
            handles.ip,
            verb,
            index,
            parent=classid(self.major, self.minor),
            handle=handle,
            kind=self.leaf.kind,
            options=leaves.encode(self.leaf, before),
        )


def slot(device: str, major: int, minor: int) -> Key:
    """The place of a class, whatever it is part of."""
    return ("class", device, major, minor)


def within(device: str, major: int, path: tuple[int, ...]) -> tuple[Key, ...]:
    """The slots of what a class of this path hangs on."""
    return (("qdisc", device), *(slot(device, major, minor) for minor in path[:-1]))


def ticks(rate: int, size: int) -> int:
    """The time that `size` bytes take at `rate` bytes/s, in the unit of the kernel's packet scheduler."""
    return min(int(calc_xmittime(rate, size)), 0xFFFFFFFF)


def desired_class(
    device: str, major: int, path: tuple[int, ...], shaped: ShapedClass, *, inner: bool, leaf: Leaf | None
) -> HtbClass:
    rate, ceil = max(shaped.rate // 8, 1), max(shaped.ceil // 8, 1)
    return _class(device, major, path, rate, ceil, shaped.burst, shaped.priority, inner=inner, leaf=leaf)


def link_class(device: str, major: int, rate: int) -> HtbClass:
    """The class that stands for the link; `rate` in bit/s."""
    return _class(device, major, (LINK_CLASS,), rate // 8, rate // 8, None, 0, inner=True, leaf=None)


def _class(
    device: str,
    major: int,
    path: tuple[int, ...],
    rate: int,
    ceil: int,
    burst: int | None,
    priority: int,
    *,
    inner: bool,
    leaf: Leaf | None,
) -> HtbClass:
    return HtbClass(
        device=device,
        major=major,
        path=path,
        inner=inner,
        rate=rate,
        ceil=ceil,
        buffer=ticks(rate, burst or max(int(rate * BURST), 2 * MTU)),
        cbuffer=ticks(ceil, burst or max(int(ceil * BURST), 2 * MTU)),
        # The kernel keeps these of the moment when a class was made once it has children: so constants.
        priority=0 if inner else priority,
        quantum=MTU if inner else min(max(rate // 100, MTU), MAX_QUANTUM),
        leaf=leaf,
    )


def rate_text(rate: int) -> str:
    """Bytes a second as tc spells bits a second."""
    bits = rate * 8
    for unit, size in (("gbit", 10**9), ("mbit", 10**6), ("kbit", 10**3)):
        if bits >= size:
            return f"{bits / size:g}{unit}"
    return f"{bits}bit"
