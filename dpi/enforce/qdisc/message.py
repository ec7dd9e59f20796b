"""tc's netlink messages with exactly the attributes that we mean.

pyroute2's `tc()` computes options from keyword arguments of its own naming and logs a warning for each of
fq_codel's; so we fill its message classes, which encode and decode, ourselves.
"""

from __future__ import annotations

from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import (
    RTM_DELQDISC,
    RTM_DELTCLASS,
    RTM_DELTFILTER,
    RTM_NEWQDISC,
    RTM_NEWTCLASS,
    RTM_NEWTFILTER,
    TC_H_ROOT,
)
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from dpi.errors import KernelError

ROOT = TC_H_ROOT
VERBS = {
    "add qdisc": (RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL),
    "replace qdisc": (RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE),
    "change qdisc": (RTM_NEWQDISC, 0),
    "delete qdisc": (RTM_DELQDISC, 0),
    "add class": (RTM_NEWTCLASS, NLM_F_CREATE | NLM_F_EXCL),
    "change class": (RTM_NEWTCLASS, 0),
    "delete class": (RTM_DELTCLASS, 0),
    "add filter": (RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL),
    "delete filter": (RTM_DELTFILTER, 0),
}


def send(
    ip: Any,
    verb: str,
    index: int,
    *,
    parent: int,
    handle: int = 0,
    kind: str | None = None,
    options: Any = None,
    info: int = 0,
) -> None:
    """One request, acknowledged.  KernelError with the kernel's own words when it refuses."""
    kernel_type, flags = VERBS[verb]
    message = tcmsg()
    message["index"] = index
    message["parent"] = parent
    message["handle"] = handle
    message["info"] = info
    if kind is not None:
        message["attrs"].append(["TCA_KIND", kind])
    if options is not None:
        message["attrs"].append(["TCA_OPTIONS", options])
    message["header"]["type"] = kernel_type
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | flags
    try:
        ip.nlm_request_batch([message])
    except NetlinkError as error:
        raise KernelError(f"tc {verb} {kind or ''}: {error}") from None
