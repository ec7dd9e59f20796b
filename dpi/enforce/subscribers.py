"""The trees of sites and subscribers that a plan asks for, in one direction.

In the link's own tree while they fit there; else each tree stands on an IFB, to which what leaves the device is
redirected, and comes back through a class of the link that stands for the whole tree: so the link's rate holds for all
of them together.  A packet passes two qdiscs then, whatever the number of trees.
"""

from __future__ import annotations

from collections.abc import Iterator

from dpi.enforce.names import LINK_CLASS, major_of
from dpi.enforce.nft.subscribers import tree_tag
from dpi.enforce.probe import Features
from dpi.enforce.qdisc import leaves
from dpi.enforce.qdisc.branch import SHARED, SITE, BranchClasses, Spec, params, share_of_spare
from dpi.enforce.qdisc.filter import FIRST_TREE_CLASS, TreeFilter
from dpi.enforce.qdisc.htb import HtbClass, HtbRoot, desired_class, link_class
from dpi.enforce.qdisc.ifb import IfbLink, Redirect
from dpi.enforce.qdisc.leaf import Leaf as QueueKind
from dpi.enforce.qdisc.leaf import Purpose
from dpi.enforce.resource import Resource
from dpi.policy.plan import Direction, KernelPlan, Leaf, Shape, ShapedClass, SubscriberPlan, Tree


def trees(tree: Tree, device: str, plan: KernelPlan, features: Features, notes: list[str]) -> Iterator[Resource]:
    """What one direction needs beside the link's tree at `device`."""
    subscribers = plan.subscribers
    if subscribers is None:
        return
    devices = {0: device}
    for number in range(1, subscribers.trees + 1):
        ifb = devices[number] = f"dpi-{tree.direction}-{number}"
        yield IfbLink(ifb)
        yield HtbRoot(ifb, major_of(tree.direction, number))
        top: HtbClass = link_class(ifb, major_of(tree.direction, number), tree.rate)
        yield top
        yield _in_link(number, subscribers.trees, tree, plan, features)
        mask = plan.marks.route_mask | plan.marks.disposition_mask
        yield Redirect(tree.device, ifb, tree_tag(plan, number), mask, number)
    if subscribers.trees:
        tag, mask = plan.marks.route_mask, plan.marks.disposition_mask
        yield TreeFilter(device, major_of(tree.direction), tag, mask)
    yield from _branches(subscribers, devices, tree.direction, plan.mode == "bridge", features, notes)


def _in_link(number: int, count: int, tree: Tree, plan: KernelPlan, features: Features) -> HtbClass:
    """The class of the link that stands for a whole tree."""
    whole = ShapedClass(
        f"tree {number}", FIRST_TREE_CLASS + number, None, tree.rate // count, tree.rate, 4, None, "auto"
    )
    leaf = leaves.choose(
        "auto", Purpose(tree.direction, tree.rate, plan.mode == "bridge"), features.leaves(), whole.name
    )
    path = (LINK_CLASS, whole.minor)
    made: HtbClass = desired_class(tree.device, major_of(tree.direction), path, whole, inner=False, leaf=leaf)
    return made


def _branches(
    subscribers: SubscriberPlan,
    devices: dict[int, str],
    direction: Direction,
    bridged: bool,
    features: Features,
    notes: list[str],
) -> Iterator[BranchClasses]:
    have = _affordable(subscribers, features, notes)
    specs: dict[tuple[int, bool], Spec] = {}
    paths: dict[int, tuple[int, ...]] = {}
    for branch in subscribers.branches:
        shape = branch.down if direction == "down" else branch.up
        kind = (id(shape), branch.is_site)
        if kind not in specs:
            specs[kind] = _spec(shape, branch.is_site, direction, bridged, have, features)
        path = (*paths.get(branch.parent, (LINK_CLASS,)), branch.number & 0xFFFF)
        if branch.is_site:
            paths[branch.number] = path
        number = branch.number >> 16
        yield BranchClasses(devices[number], major_of(direction, number), path, specs[kind], branch.name)


def _affordable(subscribers: SubscriberPlan, features: Features, notes: list[str]) -> list[str]:
    count = 2 * sum(max(1, len(b.down.shares)) for b in subscribers.branches if not b.is_site)
    have = leaves.affordable(features.leaves(), count)
    best = features.leaves()[:1]
    if have[:1] != list(best):
        notes.append(f"subscribers' leaves are {have[0]}: {count:,} of {best[0]} would not fit into memory")
    return have


def _spec(shape: Shape, site: bool, direction: Direction, bridged: bool, have: list[str], features: Features) -> Spec:
    def leaf(asked: Leaf, ceil: int) -> QueueKind:
        purpose = Purpose(direction, ceil, bridged, one_of_many=True)
        return leaves.choose(asked, purpose, have if asked == "auto" else features.leaves(), "of subscribers")

    if site:
        return Spec(params(shape.rate, shape.ceil, None, 0, SITE), None)
    if not shape.shares:
        own = params(shape.rate, shape.ceil, shape.burst, 4, share_of_spare(shape.weight))
        return Spec(own, leaf("auto", shape.ceil))
    shares = []
    for share in shape.shares:
        asked = share.rate * shape.weight // max(shape.rate, 1)
        own = params(share.rate, share.ceil, shape.burst, share.priority, share_of_spare(asked))
        shares.append((share.offset, own, leaf(share.leaf, share.ceil)))
    return Spec(params(shape.rate, shape.ceil, shape.burst, 0, SHARED), None, tuple(shares))
