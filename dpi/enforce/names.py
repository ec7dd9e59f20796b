"""How what is ours is known in the kernel, without remembering anything.

Each kind of object that we make can carry a sign of its maker: a table or chain its name, a qdisc its handle,
a route or a rule its protocol number, a link its group.  So a daemon that was killed leaves nothing that a
later `clean` cannot find, and what lacks the sign is never touched.
"""

from __future__ import annotations

from typing import Literal

from dpi.policy.plan import Direction

Family = Literal["inet", "bridge"]

TABLE = "dpi"  # nftables, in family inet or bridge
CHAIN = "DPI-QUEUE"  # iptables, only where nft cannot queue
# Root qdiscs are `d1:` and `d2:`; packets carry the classid in skb->priority.  One number for each direction, for
# what comes out of an IFB passes the root of the real device too, and must find no class of its own there.
MAJORS: dict[Direction, int] = {"down": 0xD1, "up": 0xD2}
TREE_SHIFT = 8  # the tree of subscribers numbered n has majors `nd1:` and `nd2:`, at the root of an IFB of its own
LINK_CLASS = 0xFFFF  # `d1:ffff`, the link itself, below which the policy's classes are
PROTOCOL = 209  # 0xd1: FRA_PROTOCOL of ip rules, rtm_protocol of routes
RULE_PRIORITY = 20_900  # ours come before the main table (32766), after the local one (0)
REDIRECT_GROUP = 209  # NFLOG group by which requests to be redirected reach the daemon
LINK_GROUP = 209  # IFLA_GROUP of the IFB links, which they have from the moment they are made: an alias comes later
FILTER_PRIORITY = 209  # tc filters that redirect to an IFB


def major_of(direction: Direction, tree: int = 0) -> int:
    return MAJORS[direction] | tree << TREE_SHIFT


def is_ours(major: int) -> bool:
    """Whether a root qdisc of this number is ours: `d1:`, `1d1:` … `7fd1:`; what the kernel picks begins at 8000."""
    return major < 0x8000 and major & 0xFF in MAJORS.values()


def classid(major: int, minor: int) -> int:
    """The 32 bit handle of a class, as in tc and in skb->priority."""
    return major << 16 | minor


def classid_text(major: int, minor: int) -> str:
    return f"{major:x}:{minor:x}"
