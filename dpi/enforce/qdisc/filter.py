"""Where subscribers are in trees of their own: what comes back from their IFBs finds its tree's class of the link.

Five instructions of classic BPF make the class's number from the packet's mark, so one filter serves all trees.  It is
asked only for packets whose priority names no class of this qdisc: those that nothing is to shape pass it unmatched.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from dpi.enforce.names import FILTER_PRIORITY, classid, is_ours
from dpi.enforce.netlink import ACK, REQUEST, Netlink, attribute, attributes, nested
from dpi.enforce.netlink import message as netlink_message
from dpi.enforce.qdisc import message, read
from dpi.enforce.qdisc.ifb import CREATE, ETH_P_ALL, EXCLUSIVE, GET_FILTER, INSTRUCTION, LOAD_MARK, NEW_FILTER, TCMSG
from dpi.enforce.resource import Handles, Key, Resource
from dpi.errors import KernelError

INFO = FILTER_PRIORITY << 16 | socket.htons(ETH_P_ALL)
FIRST_TREE_CLASS = 0xFE00  # `d1:fe01` is tree 1 as a class of the link


@dataclass(frozen=True)
class TreeFilter(Resource):
    """At the root of a device; `tag`: the bits, all set, that say a tree's number is in `mask`."""

    kind: ClassVar[str] = "filter"
    rank: ClassVar[int] = 4

    device: str
    major: int
    tag: int
    mask: int

    @property
    def key(self) -> Key:
        return (self.kind, self.device, self.major)

    @property
    def above(self) -> tuple[Key, ...]:
        return (("qdisc", self.device),)

    def title(self) -> str:
        return f"filter of {self.device}"

    def words(self) -> str:
        return f"mark {self.tag:#x}: classes of trees by {self.mask:#x}"

    def add(self, handles: Handles) -> None:
        code = program(self.tag, self.mask, classid(self.major, FIRST_TREE_CLASS))
        options = nested(2, attribute(4, struct.pack("=H", len(code) // INSTRUCTION.size)), attribute(5, code))
        payload = (
            TCMSG.pack(0, handles.index(self.device), 0, self.major << 16, INFO) + attribute(1, b"bpf\0") + options
        )
        kernel = handles.rtnl()
        sequence = kernel.next()
        data = netlink_message(NEW_FILTER, REQUEST | ACK | CREATE | EXCLUSIVE, sequence, payload)
        refused = kernel.errors(data, {sequence})[sequence]
        if refused:
            raise KernelError(f"tc filter bpf at the root of {self.device}: {os.strerror(refused)}")

    def remove(self, handles: Handles) -> None:
        index = handles.index(self.device)
        message.send(handles.ip, "delete filter", index, parent=self.major << 16, info=INFO)


def read_tree_filters(kernel: Netlink, names: dict[int, str]) -> Iterable[TreeFilter]:
    """Ours; `names`: index → name."""
    for index, name in names.items():
        root = read.qdisc(kernel, index, message.ROOT)
        if root is None or root.kind != "htb" or not is_ours(root.handle >> 16):
            continue
        for data, start, end in kernel.dump(GET_FILTER, TCMSG.pack(0, index, 0, root.handle, 0)):
            code = _code(data, start + TCMSG.size, end)
            if TCMSG.unpack_from(data, start)[4] >> 16 == FILTER_PRIORITY and len(code) == 9 * INSTRUCTION.size:
                tag, mask = (INSTRUCTION.unpack_from(code, at * INSTRUCTION.size)[3] for at in (2, 4))
                yield TreeFilter(name, root.handle >> 16, tag, mask)


def _code(data: bytes, start: int, end: int) -> bytes:
    for kind, a, b in attributes(data, start, end):
        if kind == 2:  # TCA_OPTIONS
            return next((data[x:y] for inner, x, y in attributes(data, a, b) if inner == 5), b"")
    return b""


def program(tag: int, mask: int, first: int) -> bytes:
    """The class `first` + the number under `mask`, for packets whose mark has all bits of `tag`; 0 for others."""
    shift = (mask & -mask).bit_length() - 1
    return (
        LOAD_MARK
        + INSTRUCTION.pack(0x54, 0, 0, tag)  # and #tag
        + INSTRUCTION.pack(0x15, 0, 5, tag)  # jeq #tag, next, to the end
        + LOAD_MARK
        + INSTRUCTION.pack(0x54, 0, 0, mask)  # and #mask
        + INSTRUCTION.pack(0x74, 0, 0, shift)  # rsh #shift
        + INSTRUCTION.pack(0x44, 0, 0, first)  # or #first
        + INSTRUCTION.pack(0x16, 0, 0, 0)  # ret a
        + INSTRUCTION.pack(0x06, 0, 0, 0)  # ret #0
    )
