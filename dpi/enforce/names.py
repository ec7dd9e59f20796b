"""How what is ours is known in the kernel, without remembering anything.

Each kind of object that we make can carry a sign of its maker: a table or chain its name, a qdisc its handle,
a route or a rule its protocol number, a link its alias.  So a daemon that was killed leaves nothing that a
later `clean` cannot find, and what lacks the sign is never touched.
"""

from __future__ import annotations

from typing import Literal

Family = Literal["inet", "bridge"]

TABLE = "dpi"  # nftables, in family inet or bridge
CHAIN = "DPI-QUEUE"  # iptables, only where nft cannot queue
MAJOR = 0xD1  # root qdisc `d1:`; packets carry the classid in skb->priority
LINK_CLASS = 0xFFFF  # `d1:ffff`, the link itself, below which the policy's classes are
PROTOCOL = 209  # 0xd1: FRA_PROTOCOL of ip rules, rtm_protocol of routes
RULE_PRIORITY = 20_900  # ours come before the main table (32766), after the local one (0)
ALIAS = "dpi"  # IFLA_IFALIAS of the IFB links
FILTER_PRIORITY = 209  # tc filters that redirect to an IFB

ROOT_HANDLE = MAJOR << 16


def classid(minor: int) -> int:
    """The 32 bit handle of class `d1:minor`, as in tc and in skb->priority."""
    return ROOT_HANDLE | minor


def classid_text(minor: int) -> str:
    return f"{MAJOR:x}:{minor:x}"
