"""The chains `up` and `down`: what becomes of a packet on its way through, by its connection's mark.

* The class is set in the forward hook: ip_forward() takes skb->priority from the TOS before that hook, and
  nothing in the kernel does after it.  There, unlike in postrouting, only forwarded packets pass; the box's own
  keep priority 0, which our trees send out unshaped.
* An exempt flow leaves before it is given a class.
* Where only one direction of a TCP connection comes by here, conntrack calls most of its packets invalid: what a client
  sends after a SYN whose answer it has not seen, an answer without its SYN.  Such packets have no connection whose mark
  could hold a decision.  Each is queued, and the chains `invalid_…` do by the verdict's mark what the others do by the
  connection's.  A lone RST tells nothing and stays out.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpi.enforce.names import MAJORS, classid_text
from dpi.enforce.nft.spelling import Block, chain
from dpi.enforce.nft.view import DIRECTIONS, View
from dpi.policy.plan import Direction


def direction_chains(view: View) -> Iterator[Block]:
    for direction in DIRECTIONS:
        yield chain(f"invalid_{direction}", _invalid(view, direction))
        yield chain(direction, _directed(view, direction))
    if view.here:
        yield chain("proxied_down", _proxied(view))


def _directed(view: View, direction: Direction) -> Iterator[str]:
    decides = f"meta mark & {view.decision} != 0"
    yield f"ct state invalid goto invalid_{direction}"
    yield f"{decides} jump decide"
    if view.plan.routes:
        opened_from_lan = "original" if direction == "up" else "reply"
        yield f"meta mark & {view.route} != 0 {decides} ct direction {opened_from_lan} jump learn_{direction}"
    yield _counting(view, direction)
    if view.plan.routes:
        yield f"counter name ct mark & {view.route} map @routes_{direction}"
    for route in view.refusing_routes():
        yield f"ct mark & {view.route} @route{route.number}_dead goto refuse"
    yield from _acting(view, direction)
    yield from _shaping(view, direction)


def _invalid(view: View, direction: Direction) -> Iterator[str]:
    """What has no connection: by the verdict's mark, packet for packet."""
    yield _counting(view, direction, "meta mark")
    yield from _acting(view, direction, "meta mark")
    yield from _shaping(view, direction, "meta mark")


def _proxied(view: View) -> Iterator[str]:
    """What a proxy on this box answers: what is blocked or redirected never came to it."""
    yield _counting(view, "down")
    yield f"counter name ct mark & {view.route} map @routes_down"
    if view.mirrored:
        yield f"ct mark & {view.disposition} vmap @mirrored"
    yield from _shaping(view, "down")


def _counting(view: View, direction: Direction, decision: str = "ct mark") -> str:
    return f"counter name {decision} & {view.disposition} map @rules_{direction}"


def _acting(view: View, direction: Direction, decision: str = "ct mark") -> Iterator[str]:
    if view.mirrored:
        yield f"{decision} & {view.disposition} vmap @mirrored"
    if view.blocked:
        yield f"{decision} & {view.disposition} vmap @blocked"
    if view.redirected:
        yield f"{decision} & {view.disposition} vmap @redirected_{direction}"


def _shaping(view: View, direction: Direction, decision: str = "ct mark") -> Iterator[str]:
    plan = view.plan
    decided = f"{decision} & {view.disposition}"
    if view.copied:
        # The verdict has been stored: its bit of the packet's mark is free to say "copy it where it leaves".
        yield f"meta mark set meta mark & {~plan.marks.final & 0xFFFFFFFF:#010x}"
        yield f"{decided} vmap @copied"
    if view.policed:
        yield f"{decided} vmap @policed_{direction}"
    if view.exempt:
        yield f"{decided} vmap @exempt"
    trees = [t for t in plan.trees if t.direction == direction]
    if trees:
        minors = view.minors(direction)
        yield f"meta priority set {classid_text(MAJORS[direction], minors[trees[0].default])}"
        yield f"meta priority set {decided} map @class_{direction}"
    if view.dscp:
        yield f"{decided} vmap @remarked"
    if any(t.ifb for t in trees):
        # The route has been taken: its bits of the packet's mark are free to say "to the IFB".
        yield f"meta mark set meta mark & {view.not_route} | {view.route}"
