"""Counters and maps: what a mark means for the kernel, looked up by the bits of the disposition or of the route."""

from __future__ import annotations

from collections.abc import Iterator

from dpi.enforce.names import MAJORS, classid_text
from dpi.enforce.nft.networks import local_networks
from dpi.enforce.nft.spelling import Block, counter, map_, prefix_set, set_
from dpi.enforce.nft.view import DIRECTIONS, View
from dpi.policy.plan import Direction

REFUSED_SIZE = 65536
REFUSED = "1m"  # longer than a client's pauses between its first tries


def counters(view: View) -> Iterator[Block]:
    for direction in DIRECTIONS:
        yield counter(f"undecided_{direction}")
        for d in view.plan.dispositions:
            yield counter(f"rule{d.number}_{direction}")
            if d.police:
                yield counter(f"policed{d.number}_{direction}")
        for route in view.plan.routes:
            yield counter(f"route{route.number}_{direction}")
            yield counter(f"fill{route.number}_{direction}")


def maps(view: View) -> Iterator[Block]:
    """Also the sets that no route or limit has for itself."""
    plan, mark = view.plan, view.mark
    for direction in DIRECTIONS:
        yield from _directed(view, direction)
    if view.copied:
        yield map_("copied", "mark : verdict", [f"{mark(d.number)} : jump copy" for d in view.copied])
    if view.mirrored:
        groups = [f"{mark(d.number)} : jump mirror{d.mirror}" for d in view.mirrored]
        yield map_("mirrored", "mark : verdict", groups)
    if view.exempt:
        yield map_("exempt", "mark : verdict", [f"{mark(d.number)} : accept" for d in view.exempt])
    if view.blocked:
        refuse = "goto refuse_again" if view.bridge else "goto refuse"
        ends = [f"{mark(d.number)} : {refuse if d.block == 'reject' else 'drop'}" for d in view.blocked]
        yield map_("blocked", "mark : verdict", ends)
    if view.dscp:
        fields = [f"{mark(d.number)} : jump dscp{d.dscp}" for d in plan.dispositions if d.dscp is not None]
        yield map_("remarked", "mark : verdict", fields)
    yield map_("decided", "mark : verdict", [f"{mark(d.number)} : jump decide{d.number}" for d in plan.dispositions])
    for version, prefixes in local_networks(plan):
        yield prefix_set(f"local{version}", version, prefixes)
    if view.bridge_refuses():
        for version in (4, 6):
            kind = f"type ipv{version}_addr . ipv{version}_addr . inet_proto . inet_service . inet_service"
            body = (kind, f"size {REFUSED_SIZE}", "flags dynamic,timeout", f"timeout {REFUSED}")
            yield set_(f"refused{version}", *body)
    if not view.with_vlan():
        yield map_("paths", "ifname . ifname : verdict", view.paths())


def _directed(view: View, direction: Direction) -> Iterator[Block]:
    """The maps of which each direction has its own."""
    plan, mark = view.plan, view.mark
    counted = [f'{mark(0)} : "undecided_{direction}"']
    counted += [f'{mark(d.number)} : "rule{d.number}_{direction}"' for d in plan.dispositions]
    yield map_(f"rules_{direction}", "mark : counter", counted)
    if plan.routes:
        served = [f'{view.route_mark(r)} : "route{r.number}_{direction}"' for r in plan.routes]
        yield map_(f"routes_{direction}", "mark : counter", served)
    minors = view.minors(direction)
    if minors:
        classified = [
            f"{mark(d.number)} : {classid_text(MAJORS[direction], minors[d.class_])}"
            for d in plan.dispositions
            if d.class_ in minors
        ]
        yield map_(f"class_{direction}", "mark : classid", classified)
    if view.redirected:
        chains = [f"{mark(d.number)} : goto redirect{d.number}_{direction}" for d in view.redirected]
        yield map_(f"redirected_{direction}", "mark : verdict", chains)
    if view.policed:
        chains = [f"{mark(d.number)} : jump police{d.number}_{direction}" for d in view.policed]
        yield map_(f"policed_{direction}", "mark : verdict", chains)
