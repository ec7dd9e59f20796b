"""From a policy to its plan: every name resolved, every rate in bits, every number given.

Pure: the same policy, machine and earlier numbers give the same plan.  Three things are settled here that the
policy leaves open, and only here:

* What a tree is attached to.  Download leaves by the LAN's interfaces and upload by the WAN's.  Where one side has
  several they share the link, so they share one IFB and one tree; so does a box whose two sides are one interface.
* What a cache of several machines is: a route to each, named CACHE/MEMBER; rules go on naming the cache.
* What a cache's `apps` mean.  A rule that neither blocks, allows nor routes is preceded by a copy of itself for
  these apps that has the route too; traffic that no rule matches, likewise.  The engine then needs to know rules
  only, and the first that matches still decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Literal

from dpi.policy import plan as p
from dpi.policy.branches import FIRST_MINOR
from dpi.policy.check import Checked, uncollected
from dpi.policy.checks.classes import children
from dpi.policy.checks.interfaces import lan_vlans, signature_folder
from dpi.policy.model.caches import Cache, Hop, Member
from dpi.policy.model.classes import Class, Rates
from dpi.policy.model.policy import Policy
from dpi.policy.model.rules import Match, Rule
from dpi.policy.names import Machine, Vocabulary
from dpi.policy.numbers import number
from dpi.policy.order import ordered
from dpi.policy.subscribe import planned
from dpi.policy.units import rate_text, seconds_text, size_text

DEFAULT_RULE = "default"
FIRST_TABLE = 26000
IFBS: dict[p.Direction, str] = {"down": "dpi-down", "up": "dpi-up"}


@uncollected()
def compile_policy(checked: Checked, machine: Machine, known: p.Ids | None = None) -> p.Plan:
    """The plan of a policy in which nothing is wrong.  `known` are the numbers of the plan before it."""
    policy, known = checked.policy, known or p.Ids()
    marks = p.MarkLayout(policy.marks.mask)
    order = [name for name in ordered(policy.rules)[0] if policy.rules[name].enabled]
    room = (1 << (marks.width - 4)) - 1
    subscribers, shares, branches = planned(policy, known)
    ids = p.Ids(
        classes=number(policy.classes, known.classes, 1, FIRST_MINOR - 1),
        dispositions=number([DEFAULT_RULE, *order], {DEFAULT_RULE: 1} | known.dispositions, 1, room),
        routes=number([name for name, *_ in hops(policy)], known.routes, 1, 7),
        shares=shares,
        branches=branches,
    )
    kernel = p.KernelPlan(
        mode=policy.interfaces.mode,
        interfaces=tuple(_interfaces(policy, machine)),
        marks=marks,
        queues=policy.queue.count or machine.cores,
        queue_base=policy.queue.base,
        trees=tuple(_trees(policy, ids.classes)),
        dispositions=tuple(_dispositions(policy, order, ids.dispositions)),
        routes=tuple(_route(name, ids.routes[name], hop, cache, of) for name, hop, cache, of in hops(policy)),
        local=tuple(policy.interfaces.local),
        subscribers=subscribers,
        portal=_portal(checked, order),
    )
    engine = p.EnginePlan(
        rules=tuple(_rules(checked, order, ids.dispositions)),
        lan_devices=tuple(dict.fromkeys(port.device for port in policy.interfaces.lan)),
        marks=marks,
        max_flows=policy.flows.max,
        risks=policy.flows.risks,
        signature_dirs=tuple(str(signature_folder(checked.document.files[0], d)) for d in policy.signatures),
    )
    records = policy.records
    return p.Plan(
        kernel=kernel,
        engine=engine,
        ids=ids,
        on_exit=policy.on_exit,
        sources=checked.document.files,
        hash=meaning(policy),
        records=p.RecordsPlan(records.file, records.rotate, records.keep) if records else None,
        conditions=p.Conditions(
            schedules=tuple(_schedules(checked)),
            quotas=tuple(_quotas(checked)),
            congestion=tuple(_congestion(checked)),
            devices=tuple(dict.fromkeys(kind for name in order for kind in policy.rules[name].match.device)),
        ),
        control=p.ControlPlan(policy.control.socket, policy.control.group, policy.control.confirm or 0.0),
    )


def meaning(policy: Policy) -> str:
    """A hash that changes when what the policy says does, not when a comment, a spelling or a file's name does."""
    rules = [(name, policy.rules[name]) for name in ordered(policy.rules)[0]]
    listed = policy.subscribers
    # pydantic's own repr() would take a second for what there may be tens of thousands of.
    entries = [(name, s.tariff, s.address, s.mac, s.vlan, s.parent) for name, s in listed.entries.items()]
    without = policy.model_copy(update={"subscribers": listed.model_copy(update={"entries": {}})})
    rest = [(key, value) for key, value in without if key not in ("rules", "override")]
    text = f"{rest!r} {rules!r}" + (f" {entries!r}" if entries else "")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _interfaces(policy: Policy, machine: Machine) -> Iterator[p.Interface]:
    vlans = lan_vlans(policy, machine)
    for port in policy.interfaces.lan:
        yield p.Interface(port.device, "lan", vlans.get(port.device, port.vlan))
    for port in policy.interfaces.wan:
        yield p.Interface(port.device, "wan", port.vlan)


def _trees(policy: Policy, minors: Mapping[str, int]) -> Iterator[p.Tree]:
    if policy.link is None or not policy.classes:
        return
    default = next(name for name, class_ in policy.classes.items() if class_.default)
    lan = list(dict.fromkeys(port.device for port in policy.interfaces.lan))
    wan = list(dict.fromkeys(port.device for port in policy.interfaces.wan))
    for direction in p.DIRECTIONS:
        rate = policy.link.down if direction == "down" else policy.link.up
        devices = lan if direction == "down" else wan
        shared = len(devices) > 1 or (direction == "down" and bool(set(lan) & set(wan)))
        classes = tuple(_classes(policy.classes, direction, rate, minors))
        for device in devices:
            ifb = IFBS[direction] if shared else None
            yield p.Tree(device, direction, rate, classes, default, ifb)


def _classes(
    classes: Mapping[str, Class], direction: p.Direction, link: int, minors: Mapping[str, int]
) -> Iterator[p.ShapedClass]:
    """Parents before children."""
    below = children(dict(classes))
    todo = list(below.get(None, ()))[::-1]
    while todo:
        name = todo.pop()
        todo += below.get(name, [])[::-1]
        class_ = classes[name]
        rate = class_.rate.of(direction)
        if rate is None:
            continue
        ceil = class_.ceil.of(direction) if class_.ceil else None
        inner = any(classes[child].rate.of(direction) for child in below.get(name, ()))
        yield p.ShapedClass(
            name=name,
            minor=minors[name],
            parent=class_.parent,
            rate=rate.of(link),
            ceil=(ceil or rate).of(link),
            priority=class_.priority,
            burst=class_.burst,
            leaf=None if inner else class_.leaf or "auto",
        )


def _dispositions(policy: Policy, order: list[str], ids: Mapping[str, int]) -> Iterator[p.Disposition]:
    yield p.Disposition(ids[DEFAULT_RULE], DEFAULT_RULE, None, None, None)
    for name in order:
        rule = policy.rules[name]
        yield p.Disposition(
            ids[name],
            name,
            rule.shape,
            rule.dscp,
            rule.block,
            tuple(_police(policy, rule)),
            rule.mirror.group if rule.mirror else None,
            rule.exempt,
            rule.redirect,
            rule.mirror.device if rule.mirror else None,
        )


def _portal(checked: Checked, order: list[str]) -> p.PortalPlan | None:
    policy = checked.policy
    if not any(policy.rules[name].redirect == p.PORTAL for name in order):
        return None
    page = policy.portal.page
    return p.PortalPlan(
        policy.portal.port or p.PORTAL_PORT, str(signature_folder(checked.document.files[0], page)) if page else None
    )


def _police(policy: Policy, rule: Rule) -> Iterator[p.Police]:
    kinds: tuple[tuple[Literal["flow", "host", "rule"], Rates | None], ...] = (
        ("flow", rule.per_flow),
        ("host", rule.per_host),
        ("rule", rule.police),
    )
    for per, rates in kinds:
        if rates is not None:
            down = rates.down.of(policy.link.down if policy.link else 0) if rates.down else None
            up = rates.up.of(policy.link.up if policy.link else 0) if rates.up else None
            yield p.Police(per, down, up)


def hops(policy: Policy) -> Iterator[tuple[str, Hop, Cache, str]]:
    """Each machine that is a cache or a member of one: its route's name, itself, the cache, which it is a member of."""
    for name, cache in policy.caches.items():
        if not cache.members:
            yield name, cache, cache, ""
        for member, hop in cache.members.items():
            yield f"{name}/{member}", hop, cache, name


def _route(name: str, n: int, hop: Hop, cache: Cache, member_of: str) -> p.Route:
    by_version = {ip_address(address).version: address for address in hop.next_hop or hop.address}
    target = cache.health.target or by_version.get(4) or by_version.get(6) or ("127.0.0.1" if cache.port else None)
    health = None
    if cache.check != "none" and target is not None:
        health = p.Health(
            kind=cache.check,
            target=target,
            port=cache.check_port if cache.check in ("tcp", "http") else None,
            path=(cache.health.path or "/") if cache.check == "http" else None,
            interval=cache.health.interval,
            timeout=cache.health.timeout,
            down_after=cache.health.down_after,
            up_after=cache.health.up_after,
        )
    return p.Route(
        number=n,
        name=name,
        next_hop4=by_version.get(4),
        next_hop6=by_version.get(6),
        device=hop.device,
        table=hop.table or FIRST_TABLE + n,
        health=health,
        prefixes=tuple(cache.prefixes),
        learn_ttl=max(1, round(cache.learn_ttl)),
        when_down=cache.when_down,
        member_of=member_of,
        weight=hop.weight if isinstance(hop, Member) else 1,
        fills_from=tuple(hop.fills_from),
        kind=cache.kind,
        port=cache.port or 0,
    )


def _rules(checked: Checked, order: list[str], ids: Mapping[str, int]) -> Iterator[p.PlannedRule]:
    policy, document = checked.policy, checked.document
    for name in order:
        rule = policy.rules[name]
        where = document.where(("rules", name))
        match = planned_match(rule.match, policy.groups)
        if not (rule.block or rule.allow or rule.exempt or rule.redirect or rule.route):
            for cache, there in policy.caches.items():
                if apps := _meeting(match, there.apps, checked.vocabulary):
                    narrow = replace(match, apps=apps)
                    yield p.PlannedRule(name, where, narrow, ids[name], cache, rule.log)
        yield p.PlannedRule(name, where, match, ids[name], rule.route, rule.log)
    for cache, there in policy.caches.items():
        if there.apps:
            where = document.where(("caches", cache))
            match = p.Match(apps=tuple(there.apps))
            yield p.PlannedRule(DEFAULT_RULE, where, match, ids[DEFAULT_RULE], cache, False)


def _schedules(checked: Checked) -> Iterator[p.PlannedSchedule]:
    for name, schedule in checked.policy.schedules.items():
        zone = schedule.zone or checked.policy.zone
        assert zone
        windows = ", ".join([*(w.text for w in schedule.weekly), *(d.text for d in schedule.dates)])
        without = ", ".join(window.text for window in schedule.without)
        yield p.PlannedSchedule(
            name=name,
            where=checked.document.where(("schedules", name)),
            zone=zone,
            weekly=tuple(sorted({span for window in schedule.weekly for span in window.spans})),
            dates=tuple((window.begin, window.end) for window in schedule.dates),
            without=tuple((window.begin, window.end) for window in schedule.without),
            words=f"{windows}{f' without {without}' if without else ''} ({zone})",
        )


def _quotas(checked: Checked) -> Iterator[p.PlannedQuota]:
    policy, words = checked.policy, checked.vocabulary
    for name, quota in policy.quotas.items():
        each = quota.each or ("subscriber" if policy.subscribers.entries else "host")
        of = " or ".join([*quota.app, *quota.category])
        per = quota.per if isinstance(quota.per, str) else seconds_text(quota.per)
        within = [c for c in words.categories if {*words.within(c)} & {*quota.category}] if words else quota.category
        yield p.PlannedQuota(
            name=name,
            where=checked.document.where(("quotas", name)),
            each=each,
            apps=tuple(quota.app),
            categories=tuple(sorted(within)),
            volume=quota.volume,
            per=quota.per if isinstance(quota.per, str) else "",
            rolling=0.0 if isinstance(quota.per, str) else quota.per,
            zone=quota.zone or policy.zone or "UTC",
            warn=tuple(sorted(quota.warn)),
            tariff=quota.tariff or "",
            words=f"{size_text(quota.volume)} {f'of {of} ' if of else ''}per {per}, each {each}"
            + (f", then tariff {quota.tariff}" if quota.tariff else ""),
        )


def _congestion(checked: Checked) -> Iterator[p.PlannedCongestion]:
    policy = checked.policy
    for name, given in policy.congestion.items():
        assert policy.link
        rate = policy.classes[given.class_].rate.of(given.direction)
        assert rate
        bits = rate.of(policy.link.down if given.direction == "down" else policy.link.up)
        below = given.below or given.above * 0.8
        yield p.PlannedCongestion(
            name=name,
            where=checked.document.where(("congestion", name)),
            class_=given.class_,
            direction=given.direction,
            rate=bits,
            above=given.above,
            below=below,
            lasting=given.for_,
            words=f"{given.class_} {given.direction} over {100 * given.above:g}% of {rate_text(bits)} for"
            f" {seconds_text(given.for_)}, until under {100 * below:g}%",
        )


def _meeting(match: p.Match, apps: list[str], words: Vocabulary | None) -> tuple[str, ...]:
    """Those of a cache's apps whose flows could match."""
    return tuple(
        app
        for app in apps
        if (not match.apps or app in match.apps)
        and (not match.categories or words is None or {*match.categories} & {*words.categories_of(app)})
    )


def planned_match(match: Match, groups: Mapping[str, list[str]] | None = None) -> p.Match:
    """Conditions as the engine takes them.  Without groups, their names stand for them."""
    groups = groups or {}
    return p.Match(
        apps=tuple(match.app),
        categories=tuple(match.category),
        protocols=tuple(match.protocol),
        hosts=tuple(match.host),
        local=_prefixes(match.local, groups),
        remote=_prefixes(match.remote, groups),
        ports=tuple(match.port),
        transports=tuple(match.transport),
        direction=match.direction,
        dscp=tuple(match.dscp),
        vlans=tuple(match.vlan),
        macs=tuple(match.mac),
        devices=tuple(match.device),
        during=tuple(match.during),
        congested=tuple(match.congested),
        over=tuple(match.over),
    )


def _prefixes(peers: Iterable[str], groups: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Groups replaced by what is in them, each prefix once."""
    return tuple(dict.fromkeys(prefix for peer in peers for prefix in groups.get(peer, (peer,))))
