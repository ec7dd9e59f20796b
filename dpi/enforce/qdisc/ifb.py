"""An IFB: a device of its own to shape on, where the real one has no root to spare.

Needed where one device carries both directions (lan and wan are the same) or several devices share one link.
What leaves the real device in that direction is redirected to the IFB at clsact's egress, behind netfilter:
so it has its class in skb->priority already and no mark has to be restored (an IFB fed from *ingress* sits
before netfilter and would see none).  Only packets that our table tagged are taken: the route bits of the
packet's mark, all set, which route has no more use for by then.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, ClassVar

from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.tcmsg.common_act import get_tca_action

from dpi.enforce.names import ALIAS, FILTER_PRIORITY
from dpi.enforce.qdisc import message
from dpi.enforce.resource import Handles, Key, Resource
from dpi.errors import KernelError

CLSACT = 0xFFFFFFF1  # TC_H_CLSACT, the parent of the qdisc
CLSACT_HANDLE = 0xFFFF0000
INGRESS = 0xFFFFFFF2  # TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), the parents of its filters
EGRESS = 0xFFFFFFF3
ETH_P_ALL = 0x0003
INFO = FILTER_PRIORITY << 16 | socket.htons(ETH_P_ALL)


@dataclass(frozen=True)
class IfbLink(Resource):
    kind: ClassVar[str] = "link"
    rank: ClassVar[int] = 1

    name: str

    @property
    def key(self) -> Key:
        return (self.kind, self.name)

    def title(self) -> str:
        return f"link {self.name}"

    def words(self) -> str:
        return "ifb, up"

    def add(self, handles: Handles) -> None:
        ip = handles.ip
        try:
            ip.link("add", ifname=self.name, kind="ifb")
        except NetlinkError as error:
            hint = "; a device of that name exists and is not ours" if error.code == 17 else ""
            raise KernelError(f"link {self.name}: {error}{hint}") from None
        try:
            ip.link("set", index=handles.index(self.name), state="up", IFLA_IFALIAS=ALIAS)
        except NetlinkError as error:
            ip.link("del", index=handles.index(self.name))
            raise KernelError(f"link {self.name}: {error}") from None

    def remove(self, handles: Handles) -> None:
        handles.ip.link("del", index=handles.index(self.name))


@dataclass(frozen=True)
class Redirect(Resource):
    """Tagged packets that leave `device` go to `ifb`.  Brings in clsact where there is none yet."""

    kind: ClassVar[str] = "redirect"
    rank: ClassVar[int] = 4

    device: str
    ifb: str
    tag: int  # the packet's mark, under itself as the mask

    @property
    def key(self) -> Key:
        return (self.kind, self.device)

    def title(self) -> str:
        return f"redirect of {self.device}"

    def words(self) -> str:
        return f"mark {self.tag:#x}/{self.tag:#x} to {self.ifb}"

    def add(self, handles: Handles) -> None:
        ip, index = handles.ip, handles.index(self.device)
        brought = not has_clsact(ip, index)
        if brought:
            message.send(ip, "add qdisc", index, parent=CLSACT, handle=CLSACT_HANDLE, kind="clsact")
        action = {
            "kind": "mirred",
            "direction": "egress",
            "action": "redirect",
            "ifindex": handles.index(self.ifb),
        }
        options = {
            "attrs": [
                ["TCA_U32_ACT", get_tca_action({"action": action})],
                ["TCA_U32_SEL", {"keys": ["0x0/0x0+0"]}],
                ["TCA_U32_MARK", {"val": self.tag, "mask": self.tag, "success": 0}],
            ]
        }
        try:
            message.send(ip, "add filter", index, parent=EGRESS, kind="u32", options=options, info=INFO)
        except KernelError:
            if brought:
                message.send(ip, "delete qdisc", index, parent=CLSACT, handle=CLSACT_HANDLE)
            raise
        if brought:
            handles.state.clsact.append(self.device)
            handles.state.save()

    def remove(self, handles: Handles) -> None:
        ip, index = handles.ip, handles.index(self.device)
        message.send(ip, "delete filter", index, parent=EGRESS, info=INFO)
        if self.device in handles.state.clsact:
            if not any(ip.get_filters(index, parent=p) for p in (INGRESS, EGRESS)):
                message.send(ip, "delete qdisc", index, parent=CLSACT, handle=CLSACT_HANDLE)
            handles.state.clsact.remove(self.device)
            handles.state.save()


def has_clsact(ip: Any, index: int) -> bool:
    return any(q["parent"] == CLSACT for q in ip.get_qdiscs(index))


def read_redirects(ip: Any, names: dict[int, str]) -> list[Redirect]:
    """Our redirects on all devices; `names`: index → name."""
    found = []
    for index, name in names.items():
        if not has_clsact(ip, index):
            continue
        for filter_ in ip.get_filters(index, parent=EGRESS):
            options = filter_.get_attr("TCA_OPTIONS")
            mark = options.get_attr("TCA_U32_MARK") if options and filter_.get_attr("TCA_KIND") == "u32" else None
            if filter_["info"] >> 16 != FILTER_PRIORITY or not mark:
                continue
            parms = options.get_nested("TCA_U32_ACT", "TCA_ACT_PRIO_1", "TCA_ACT_OPTIONS", "TCA_MIRRED_PARMS")
            target = names.get(parms["ifindex"], "?") if parms else "?"
            found.append(Redirect(name, target, mark["val"]))
    return found
