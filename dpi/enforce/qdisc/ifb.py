"""An IFB: a device of its own to shape on, where the real one has no root to spare.

Needed where one device carries both directions (lan and wan are the same) or several devices share one link.
What leaves the real device in that direction is redirected to the IFB at clsact's egress, behind netfilter:
so it has its class in skb->priority already and no mark has to be restored (an IFB fed from *ingress* sits
before netfilter and would see none).  Only packets that our table tagged are taken: the route bits of the
packet's mark, all set, which route has no more use for by then.

The filter is three instructions of classic BPF: cls_bpf is where u32 knows no marks (CONFIG_CLS_U32_MARK) or
fw is missing, and pyroute2 encodes no BPF code, so the message is made here.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from dataclasses import dataclass
from typing import ClassVar

from pyroute2.netlink.exceptions import NetlinkError

from dpi.enforce.names import FILTER_PRIORITY, LINK_GROUP
from dpi.enforce.netlink import ACK, NETLINK_ROUTE, REQUEST, Netlink, attribute, attributes, nested
from dpi.enforce.netlink import message as netlink_message
from dpi.enforce.qdisc import message, read
from dpi.enforce.resource import Handles, Key, Resource
from dpi.errors import KernelError
from dpi.policy.branches import MOST_TREES

CLSACT = 0xFFFFFFF1  # TC_H_CLSACT, the parent of the qdisc
CLSACT_HANDLE = 0xFFFF0000
INGRESS = 0xFFFFFFF2  # TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), the parents of its filters
EGRESS = 0xFFFFFFF3
ETH_P_ALL = 0x0003

TCMSG = struct.Struct("=BxxxiIII")  # family, ifindex, handle, parent, info
NEW_FILTER, GET_FILTER = 44, 46
CREATE, EXCLUSIVE = 0x400, 0x200
MIRRED = struct.Struct("=IIiiiiI")  # tc_gen: index, capab, action, refcnt, bindcnt; eaction, ifindex
STOLEN, EGRESS_REDIRECT = 4, 1
ON, EGRESS_MIRROR = -1, 2  # TC_ACT_UNSPEC: the next filter is asked
INSTRUCTION = struct.Struct("=HBBI")  # sock_filter: code, jump if true, if false, k
LOAD_MARK = INSTRUCTION.pack(0x20, 0, 0, 0xFFFFF014)  # ld [SKF_AD_OFF + SKF_AD_MARK]


@dataclass(frozen=True)
class IfbLink(Resource):
    kind: ClassVar[str] = "link"
    rank: ClassVar[int] = 1

    name: str
    up: bool = True

    @property
    def key(self) -> Key:
        return (self.kind, self.name)

    def title(self) -> str:
        return f"link {self.name}"

    def words(self) -> str:
        return f"ifb, {'up' if self.up else 'down'}"

    def add(self, handles: Handles) -> None:
        ip = handles.ip
        try:
            ip.link("add", ifname=self.name, kind="ifb", group=LINK_GROUP)
        except NetlinkError as error:
            hint = "; a device of that name exists and is not ours" if error.code == 17 else ""
            raise KernelError(f"link {self.name}: {error}{hint}") from None
        try:
            self._set(handles)
        except KernelError:
            self.remove(handles)
            raise

    def change(self, handles: Handles, before: Resource) -> None:
        self._set(handles)

    def _set(self, handles: Handles) -> None:
        if self.up:
            with contextlib.suppress(OSError):  # nobody speaks IP here: it needs no link-local address
                (handles.proc / f"net/ipv6/conf/{self.name}/disable_ipv6").write_text("1")
        try:
            handles.ip.link("set", index=handles.index(self.name), state="up" if self.up else "down")
        except NetlinkError as error:
            raise KernelError(f"link {self.name}: {error}") from None

    def remove(self, handles: Handles) -> None:
        handles.ip.link("del", index=handles.index(self.name))


@dataclass(frozen=True)
class Redirect(Resource):
    """Tagged packets that leave `device` go to `ifb`.  Brings in clsact where there is none yet."""

    kind: ClassVar[str] = "redirect"
    rank: ClassVar[int] = 4
    then: ClassVar[int] = STOLEN
    action: ClassVar[int] = EGRESS_REDIRECT

    device: str
    ifb: str
    tag: int  # the packet's mark
    mask: int
    number: int = 0  # of several of one device; this one's filter has a priority of its own

    @property
    def key(self) -> Key:
        return (self.kind, self.device, self.number)

    @property
    def info(self) -> int:
        return FILTER_PRIORITY + self.number << 16 | socket.htons(ETH_P_ALL)

    def title(self) -> str:
        return f"redirect of {self.device}" + (f", tree {self.number}" if self.number else "")

    def words(self) -> str:
        return f"mark {self.tag:#x}/{self.mask:#x} to {self.ifb}"

    def add(self, handles: Handles) -> None:
        ip, index = handles.ip, handles.index(self.device)
        if not has_clsact(index):
            if self.device not in handles.state.clsact:
                handles.state.clsact.append(self.device)
                handles.state.save()
            message.send(ip, "add qdisc", index, parent=CLSACT, handle=CLSACT_HANDLE, kind="clsact")
        try:
            self._add_filter(index, handles.index(self.ifb))
        except KernelError:
            take_back_clsact(handles, self.device)
            raise

    def _add_filter(self, index: int, target: int) -> None:
        code = program(self.tag, self.mask)
        mirred = MIRRED.pack(0, 0, self.then, 0, 0, self.action, target)
        options = nested(
            2,  # TCA_OPTIONS
            nested(1, nested(1, attribute(1, b"mirred\0"), nested(2, attribute(2, mirred)))),  # TCA_BPF_ACT
            attribute(4, struct.pack("=H", len(code) // INSTRUCTION.size)),  # TCA_BPF_OPS_LEN
            attribute(5, code),  # TCA_BPF_OPS
        )
        payload = TCMSG.pack(0, index, 0, EGRESS, self.info) + attribute(1, b"bpf\0") + options
        with Netlink(NETLINK_ROUTE) as kernel:
            sequence = kernel.next()
            flags = REQUEST | ACK | CREATE | EXCLUSIVE
            data = netlink_message(NEW_FILTER, flags, sequence, payload)
            refused = kernel.errors(data, {sequence})[sequence]
        if refused:
            raise KernelError(f"tc filter bpf on {self.device}: {os.strerror(refused)}")

    def remove(self, handles: Handles) -> None:
        message.send(handles.ip, "delete filter", handles.index(self.device), parent=EGRESS, info=self.info)
        take_back_clsact(handles, self.device)


@dataclass(frozen=True)
class Mirror(Redirect):
    """Tagged packets that leave `device` leave by another as well, whole; before they are redirected."""

    kind: ClassVar[str] = "mirror"
    then: ClassVar[int] = ON
    action: ClassVar[int] = EGRESS_MIRROR

    @property
    def info(self) -> int:
        return FILTER_PRIORITY - 1 << 16 | socket.htons(ETH_P_ALL)

    def title(self) -> str:
        return f"mirror of {self.device}"


def _is_ours(priority: int) -> bool:
    return FILTER_PRIORITY - 1 <= priority <= FILTER_PRIORITY + MOST_TREES


def take_back_clsact(handles: Handles, device: str) -> None:
    """Takes away the clsact that came with our filters once there is none of ours, if nobody has used it since."""
    if device not in handles.state.clsact:
        return
    try:
        index = socket.if_nametoindex(device)
    except OSError:  # it went with its device
        index = 0
    if index and has_clsact(index):
        left = [f["info"] >> 16 for parent in (INGRESS, EGRESS) for f in handles.ip.get_filters(index, parent=parent)]
        if any(map(_is_ours, left)):
            return
        if not left:
            message.send(handles.ip, "delete qdisc", index, parent=CLSACT, handle=CLSACT_HANDLE)
    handles.state.clsact.remove(device)
    handles.state.save()


def has_clsact(index: int) -> bool:
    with Netlink(NETLINK_ROUTE) as kernel:
        return read.qdisc(kernel, index, CLSACT) is not None


def read_redirects(names: dict[int, str]) -> list[Redirect]:
    """Our redirects on all devices; `names`: index → name."""
    found: list[Redirect] = []
    with Netlink(NETLINK_ROUTE) as kernel:
        for index, name in names.items():
            if read.qdisc(kernel, index, CLSACT) is None:
                continue
            for data, start, end in kernel.dump(GET_FILTER, TCMSG.pack(0, index, 0, EGRESS, 0)):
                *_, info = TCMSG.unpack_from(data, start)
                options = dict(_nest(data, start + TCMSG.size, end)).get(2)  # TCA_OPTIONS
                number = (info >> 16) - FILTER_PRIORITY
                if -1 <= number <= MOST_TREES and options:
                    tag, mask, target = _parse(data, *options)
                    if tag and number < 0:
                        found.append(Mirror(name, names.get(target, "?"), tag, mask))
                    elif tag:
                        found.append(Redirect(name, names.get(target, "?"), tag, mask, number))
    return found


def _nest(data: bytes, start: int, end: int) -> list[tuple[int, tuple[int, int]]]:
    return [(kind, (a, b)) for kind, a, b in attributes(data, start, end)]


def _parse(data: bytes, start: int, end: int) -> tuple[int, int, int]:
    """(tag, mask, ifindex) of a filter's options; zeros where it is not as we make them."""
    options = dict(_nest(data, start, end))
    action = options.get(1)  # TCA_BPF_ACT → the first → TCA_ACT_OPTIONS → TCA_MIRRED_PARMS
    for kind in (1, 2, 2):
        action = dict(_nest(data, *action)).get(kind) if action else None
    code = options.get(5)  # TCA_BPF_OPS
    if not action or not code or action[1] - action[0] < MIRRED.size or code[1] - code[0] < 24:
        return 0, 0, 0
    mask, tag = (INSTRUCTION.unpack_from(data, code[0] + at)[3] for at in (8, 16))
    return int(tag), int(mask), int(MIRRED.unpack_from(data, action[0])[6])


def program(tag: int, mask: int) -> bytes:
    """Matches packets whose mark is `tag` under `mask`: -1 takes them, 0 passes them over."""
    return (
        LOAD_MARK
        + INSTRUCTION.pack(0x54, 0, 0, mask)  # and #mask
        + INSTRUCTION.pack(0x15, 0, 1, tag)  # jeq #tag, next, skip one
        + INSTRUCTION.pack(0x06, 0, 0, 0xFFFFFFFF)  # ret #-1
        + INSTRUCTION.pack(0x06, 0, 0, 0)  # ret #0
    )
