"""Chains that decide and do: store a verdict in the connection, refuse, mirror, redirect, limit, set the DSCP.

* nft before 1.1 and kernels before 6.13 cannot OR two registers.  So a verdict's mark is stored by a map from
  the packet's mark to a chain a disposition, whose one rule has the constants; no other bit is touched, and no
  other CPU ever sees half of it.
* An exempt flow is final from the first packet that says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpi.enforce.names import REDIRECT_GROUP
from dpi.enforce.nft.police import police_rules
from dpi.enforce.nft.spelling import Block, base_chain, chain
from dpi.enforce.nft.view import DIRECTIONS, View
from dpi.policy.plan import Disposition

HEADERS = 128  # bytes of a mirrored packet: IPv6, TCP with options, and some payload
REFUSED_FLOWS = [
    ("refused4", "ip saddr . ip daddr . meta l4proto . th sport . th dport"),
    ("refused6", "ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport"),
]
REFUSE = ["meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"]


def decide_chains(view: View) -> Iterator[Block]:
    marks = view.plan.marks
    keep = ~(marks.disposition_mask | marks.final) & 0xFFFFFFFF
    for d in view.plan.dispositions:
        value = marks.disposition(d.number) | (marks.final if d.exempt else 0)  # never looked at again
        yield chain(f"decide{d.number}", [f"ct mark set ct mark & {keep:#010x} | {value:#010x}"])
    yield chain(
        "decide",
        [
            f"meta mark & {view.disposition} vmap @decided",
            f"meta mark & {view.final} != 0 ct mark set ct mark | {view.final}",
        ],
    )


def action_chains(view: View) -> Iterator[Block]:
    refuses = any(d.block == "reject" for d in view.blocked) or view.refusing_routes() or view.redirected
    if refuses and not view.bridge:
        yield chain("refuse", REFUSE)
    if view.bridge_refuses():
        remember = [f"ct status ! confirmed update @{refused} {{ {flow} }}" for refused, flow in REFUSED_FLOWS]
        yield chain("refuse_again", [*remember, "drop"])
    for group in sorted({d.mirror for d in view.mirrored if d.mirror is not None}):
        yield chain(f"mirror{group}", [f"log group {group} snaplen {HEADERS}"])
    if view.copied:
        yield chain("copy", [f"meta mark set meta mark | {view.final}"])
    for d in view.redirected:
        yield from _redirect_chains(d)
    for d in view.policed:
        for direction in DIRECTIONS:
            yield chain(f"police{d.number}_{direction}", police_rules(d, direction))
    for value in view.dscp:
        yield chain(f"dscp{value}", [f"ip dscp set {value}", f"ip6 dscp set {value}"])


def _redirect_chains(d: Disposition) -> Iterator[Block]:
    """The connection opens, then its request is kept back: the daemon answers it (daemon/redirect.py).

    The server hears nothing but a reset of ours, and what it says of that is kept from the client.
    """
    asked, told = "ct direction original tcp dport 80", "ct direction reply tcp sport 80"
    up = [
        f'{asked} tcp flags & psh == psh log prefix "{d.number}" group {REDIRECT_GROUP} drop',
        f"{asked} tcp flags & (fin | rst) != 0x0 drop",
        f"{asked} return",
        "goto refuse",
    ]
    yield chain(f"redirect{d.number}_up", up)
    down = [f"{told} tcp flags & syn == syn return", f"{told} drop", "goto refuse"]
    yield chain(f"redirect{d.number}_down", down)


def bridge_reject(view: View) -> Iterator[Block]:
    """The bridge family can reject only where packets come in: from the one after the verdict on.

    A connection whose first packet is dropped is forgotten with it: a set remembers that it is to be refused
    when that packet comes again.
    """
    rejected = ", ".join(f"{view.mark(d.number)} : goto refuse" for d in view.blocked if d.block == "reject")
    again = [f"{flow} @{refused} goto refuse" for refused, flow in REFUSED_FLOWS]
    yield chain("refuse", REFUSE)
    yield base_chain("prerouting", "prerouting", -150, [f"ct mark & {view.disposition} vmap {{ {rejected} }}", *again])
