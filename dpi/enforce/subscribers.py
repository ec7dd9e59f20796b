"""The trees of sites and subscribers that a plan asks for, in one direction.

In the link's own tree while they fit there; else each tree stands on an IFB, to which what leaves the device is
redirected, and comes back through a class of the link that stands for the whole tree: so the link's rate holds for all
of them together.  A packet passes two qdiscs then, whatever the number of trees.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from dpi.enforce.names import LINK_CLASS, major_of
from dpi.enforce.nft.host_chains import tree_tag
from dpi.enforce.probe import Features
from dpi.enforce.qdisc import leaves
from dpi.enforce.qdisc.branch import SHARED, SITE, BranchClasses, Spec, params, share_of_spare
from dpi.enforce.qdisc.filter import FIRST_TREE_CLASS, TreeFilter
from dpi.enforce.qdisc.htb import HtbClass, HtbRoot, desired_class, link_class
from dpi.enforce.qdisc.ifb import IfbLink, Redirect
from dpi.enforce.qdisc.leaf import Leaf as QueueKind
from dpi.enforce.qdisc.leaf import Purpose
from dpi.enforce.resource import Resource
from dpi.policy.plan import Branch, Direction, KernelPlan, Leaf, Shape, ShapedClass, SubscriberPlan, Tree

# On demand, one of so many subscribers is reckoned with at a time: leaves have an eighth of the memory, so if all came
# at once it would be half of it.
AT_A_TIME = 4


def trees(
    tree: Tree,
    device: str,
    plan: KernelPlan,
    features: Features,
    notes: list[str],
    asleep: Container[str] = (),
) -> Iterator[Resource]:
    """What one direction needs beside the link's tree at `device`; without the classes of who is asleep."""
    subscribers = plan.subscribers
    if subscribers is None:
        return
    for number in range(1, subscribers.trees + 1):
        ifb = ifb_of(tree.direction, number)
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
    made = Branches(tree.direction, device, plan, features)
    if made.poorer:
        notes.append(made.poorer)
    yield from (made.of(branch) for branch in subscribers.branches if branch.name not in asleep)


def ifb_of(direction: Direction, number: int) -> str:
    """The device of a tree that is not the link's own."""
    return f"dpi-{direction}-{number}"


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


class Branches:
    """What the branches of one direction are in the kernel.  `poorer`: why leaves are not the best kind, if so."""

    def __init__(self, direction: Direction, device: str, plan: KernelPlan, features: Features) -> None:
        subscribers = plan.subscribers
        assert subscribers
        self._direction = direction
        self._device = device  # of the link's tree
        self._bridged = plan.mode == "bridge"
        self._features = features
        self._have, self.poorer = _affordable(subscribers, features)
        self._specs: dict[tuple[int, bool], tuple[Shape, Spec]] = {}
        self._paths: dict[int, tuple[int, ...]] = {}  # of sites
        for branch in subscribers.branches:
            if branch.is_site:
                self._paths[branch.number] = self._path(branch)

    def of(self, branch: Branch) -> BranchClasses:
        shape = branch.down if self._direction == "down" else branch.up
        kind = (id(shape), branch.is_site)
        if kind not in self._specs:  # with the shape, that no other ever has its id
            spec = _spec(shape, branch.is_site, self._direction, self._bridged, self._have, self._features)
            self._specs[kind] = shape, spec
        tree = branch.number >> 16
        device = ifb_of(self._direction, tree) if tree else self._device
        major = major_of(self._direction, tree)
        return BranchClasses(device, major, self._path(branch), self._specs[kind][1], branch.name)

    def _path(self, branch: Branch) -> tuple[int, ...]:
        return (*self._paths.get(branch.parent, (LINK_CLASS,)), branch.number & 0xFFFF)


def _affordable(subscribers: SubscriberPlan, features: Features) -> tuple[list[str], str]:
    """The kinds of leaf of which there can be enough, best first; and a word where the best is not among them."""
    count = 2 * sum([len(b.down.shares) or 1 for b in subscribers.branches])
    if subscribers.on_demand:
        count = max(count // AT_A_TIME, 1)
    have = leaves.affordable(features.leaves(), count)
    best = features.leaves()[:1]
    if have[:1] == list(best):
        return have, ""
    return have, f"subscribers' leaves are {have[0]}: {count:,} of {best[0]} would not fit into memory"


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
