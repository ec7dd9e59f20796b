"""From tariffs, sites and subscribers to branches of the tree.

HTB gives a class its own rate whatever its parent may have left, so the rates of what is behind a site must not come to
more than the site's: where all together ask for more, each is assured of a half, a quarter … of what it asks for
(halves, so that one subscriber more changes nothing for the others), and the rest up to its ceil is borrowed, in
proportion to what was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from dpi.policy import plan as p
from dpi.policy.branches import MOST_SHARES, bits, numbered
from dpi.policy.model.policy import Policy
from dpi.policy.model.subscribers import Site, Tariff
from dpi.policy.numbers import number

DEFAULT = "default/"  # the branch of all other hosts; no id has a slash
SITE = "site/"
MANY = 1_000  # subscribers above which classes are made on demand: as many take seconds to make, twice as many a minute
SPREAD = 20  # trees for subscribers on demand, where there are several: see docs/internals/kernel.md
LEAST = 8_000  # bit/s that a branch is assured of, however many there are


def planned(policy: Policy, known: p.Ids) -> tuple[p.SubscriberPlan | None, dict[str, int], dict[str, int]]:
    """The tree, and the numbers of shares and branches; None where there is none."""
    if policy.link is None or not (policy.subscribers.entries or policy.subscribers.default):
        return None, dict(known.shares), dict(known.branches)
    shares = shared_classes(policy)
    offsets = number(shares, known.shares, 1, MOST_SHARES)
    width = bits(max((offsets[name] for name in shares), default=0))
    marks = p.MarkLayout(policy.marks.mask)
    spread = min(SPREAD, marks.disposition_mask >> marks.shift) if on_demand(policy) else 1  # a mark says which tree
    numbers, trees = numbered(groups(policy), width, known.branches, max(spread, 1))
    branches = _Branches(policy, [(name, offsets[name]) for name in shares], numbers, (1 << width) - 1)
    plan = p.SubscriberPlan(
        trees=trees,
        shares=tuple((name, offsets[name]) for name in shares),
        branches=tuple(branches.all()),
        default=branches.first(DEFAULT) if policy.subscribers.default else 0,
        instead=tuple(branches.instead()),
        idle=policy.subscribers.idle if on_demand(policy) else None,
    )
    return plan, offsets, numbers


def on_demand(policy: Policy) -> bool:
    """Whether subscribers' classes are there only while they are used."""
    listed = policy.subscribers
    return listed.queues == "on-demand" or (listed.queues == "auto" and len(listed.entries) > MANY)


def shared_classes(policy: Policy) -> list[str]:
    """Classes that tariffs are shared among: that of all other traffic first; none where no tariff is shared."""
    named = {name for tariff in policy.tariffs.values() for name in tariff.classes}
    if not named:
        return []
    return sorted(
        (name for name, class_ in policy.classes.items() if name in named or class_.default),
        key=lambda name: not policy.classes[name].default,
    )


def groups(policy: Policy) -> list[list[str]]:
    """Names of branches that must be in one tree, parents before children."""
    tops: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    for name in by_depth(policy.sites):
        parent = policy.sites[name].parent
        top = tops[name] = tops[parent] if parent else name
        found.setdefault(SITE + top, []).append(SITE + name)
    for name, subscriber in policy.subscribers.entries.items():
        top = SITE + tops[subscriber.parent] if subscriber.parent else name
        found.setdefault(top, []).append(name)
    if policy.subscribers.default:
        found[DEFAULT] = [DEFAULT]
    return list(found.values())


def by_depth(sites: Mapping[str, Site]) -> list[str]:
    """Parents before children."""

    def depth(name: str) -> int:
        parent = sites[name].parent
        return 1 + depth(parent) if parent else 0

    return sorted(sites, key=depth)


class _Branches:
    def __init__(
        self, policy: Policy, shares: Sequence[tuple[str, int]], numbers: Mapping[str, int], every_bit: int
    ) -> None:
        self.policy = policy
        self.shares = shares
        self.numbers = numbers
        self.every_bit = every_bit
        self.made: dict[tuple[str, int, p.Direction], p.Shape] = {}
        self.assured: dict[tuple[str | None, p.Direction], int] = {}
        self.halvings: dict[tuple[str | None, p.Direction], int] = {}
        self._assure()

    def link(self, direction: p.Direction) -> int:
        assert self.policy.link
        return self.policy.link.down if direction == "down" else self.policy.link.up

    def first(self, name: str) -> int:
        """The number that packets get.  One class alone has every bit of an offset set already, so that none changes
        it."""
        shared = bool(self.tariff(name).classes)
        return self.numbers[name] | (0 if shared else self.every_bit)

    def tariff(self, name: str) -> Tariff:
        listed = self.policy.subscribers
        return self.policy.tariffs[listed.default or "" if name == DEFAULT else listed.entries[name].tariff]

    def all(self) -> list[p.Branch]:
        found = []
        for name in by_depth(self.policy.sites):
            parent = self.policy.sites[name].parent
            down, up = (self._site(name, direction) for direction in p.DIRECTIONS)
            found.append(p.Branch(SITE + name, self.numbers[SITE + name], self._number_of(parent), down, up))
        for name, subscriber in self.policy.subscribers.entries.items():
            down, up = (self._shape(subscriber.tariff, subscriber.parent, direction) for direction in p.DIRECTIONS)
            parent_number = self._number_of(subscriber.parent)
            addresses = tuple(subscriber.address)
            keys = addresses, subscriber.tariff, tuple(subscriber.mac), tuple(subscriber.vlan)
            found.append(p.Branch(name, self.first(name), parent_number, down, up, *keys))
        if default := self.policy.subscribers.default:
            down, up = (self._shape(default, None, direction) for direction in p.DIRECTIONS)
            found.append(p.Branch(DEFAULT, self.first(DEFAULT), 0, down, up, tariff=default))
        return found

    def instead(self) -> Iterator[p.Instead]:
        """The tariffs of quotas, at each place where there are subscribers.

        Assured as the subscriber's own would be: nothing changes for the others when one comes under it.
        """
        parents = dict.fromkeys(subscriber.parent for subscriber in self.policy.subscribers.entries.values())
        for tariff in dict.fromkeys(quota.tariff for quota in self.policy.quotas.values() if quota.tariff):
            for parent in parents:
                down, up = (self._shape(tariff, parent, direction) for direction in p.DIRECTIONS)
                yield p.Instead(tariff, self._number_of(parent), down, up)

    def _number_of(self, site: str | None) -> int:
        return self.numbers[SITE + site] if site else 0

    def _assure(self) -> None:
        """What each site and the link can assure, and how often the rates below it are halved for that."""
        asked: dict[tuple[str | None, p.Direction], int] = {}
        parents = [(site.parent, site.rate) for site in self.policy.sites.values()]
        parents += [(s.parent, self.policy.tariffs[s.tariff].rate) for s in self.policy.subscribers.entries.values()]
        if default := self.policy.subscribers.default:
            parents.append((None, self.policy.tariffs[default].rate))
        for direction in p.DIRECTIONS:
            link = self.link(direction)
            for parent, rates in parents:
                rate = rates.of(direction)
                assert rate
                asked[parent, direction] = asked.get((parent, direction), 0) + rate.of(link)
            for site in (None, *by_depth(self.policy.sites)):
                if site is None:
                    have = link
                else:
                    above = self.policy.sites[site]
                    rate = above.rate.of(direction)
                    assert rate
                    have = max(LEAST, rate.of(link) >> self.halvings[above.parent, direction])
                self.assured[site, direction] = have
                halvings = 0
                while asked.get((site, direction), 0) >> halvings > have:
                    halvings += 1
                self.halvings[site, direction] = halvings

    def _site(self, name: str, direction: p.Direction) -> p.Shape:
        rate = self.policy.sites[name].rate.of(direction)
        assert rate
        asked = rate.of(self.link(direction))
        return p.Shape(self.assured[name, direction], asked, asked)

    def _shape(self, tariff: str, parent: str | None, direction: p.Direction) -> p.Shape:
        halvings = self.halvings[parent, direction]
        key = (tariff, halvings, direction)
        if key not in self.made:
            self.made[key] = self._new_shape(self.policy.tariffs[tariff], halvings, direction)
        return self.made[key]

    def _new_shape(self, tariff: Tariff, halvings: int, direction: p.Direction) -> p.Shape:
        link = self.link(direction)
        asked = tariff.rate.of(direction)
        assert asked
        most = (tariff.ceil.of(direction) if tariff.ceil else None) or asked
        weight, ceil = asked.of(link), most.of(link)
        rate = max(weight >> halvings, min(LEAST, weight))
        shares = []
        given = [(name, share.rate.of(direction)) for name, share in tariff.classes.items()]
        left = max(0, weight - sum(r.of(weight) for _, r in given if r))
        unnamed = sum(name not in tariff.classes for name, _ in self.shares) or 1
        for name, offset in self.shares if tariff.classes else ():
            share, class_ = tariff.classes.get(name), self.policy.classes[name]
            own = share.rate.of(direction) if share else None
            upper = share.ceil.of(direction) if share and share.ceil else None
            shares.append(
                p.PlannedShare(
                    offset=offset,
                    rate=max((own.of(weight) if own else left // unnamed) * rate // weight, 8),
                    ceil=upper.of(ceil) if upper else ceil,
                    priority=class_.priority,
                    leaf=class_.leaf or "auto",
                )
            )
        return p.Shape(rate, ceil, weight, tariff.burst, tuple(shares))
