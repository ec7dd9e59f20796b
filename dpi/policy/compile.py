"""From a policy to its plan: every name resolved, every rate in bits, every number given.

Pure: the same policy, machine and earlier numbers give the same plan.  Two things are settled here that the
policy leaves open, and only here:

* What a tree is attached to.  Download leaves by the LAN's interfaces and upload by the WAN's.  Where one side has
  several they share the link, so they share one IFB and one tree; so does a box whose two sides are one interface.
* What a cache's `apps` mean.  A rule that neither blocks, allows nor routes is preceded by a copy of itself for
  these apps that has the route too; traffic that no rule matches, likewise.  The engine then needs to know rules
  only, and the first that matches still decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address

from dpi.policy import plan as p
from dpi.policy.branches import FIRST_MINOR
from dpi.policy.check import Checked
from dpi.policy.checks.classes import DIRECTIONS, children
from dpi.policy.checks.interfaces import signature_folder
from dpi.policy.model import Cache, Class, Match, Policy
from dpi.policy.names import Machine, Vocabulary
from dpi.policy.numbers import number
from dpi.policy.order import ordered
from dpi.policy.subscribe import planned

DEFAULT_RULE = "default"
FIRST_TABLE = 26000
IFBS: dict[p.Direction, str] = {"down": "dpi-down", "up": "dpi-up"}


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
        routes=number(policy.caches, known.routes, 1, 7),
        shares=shares,
        branches=branches,
    )
    kernel = p.KernelPlan(
        mode=policy.interfaces.mode,
        interfaces=tuple(_interfaces(policy)),
        marks=marks,
        queues=policy.queue.count or machine.cores,
        queue_base=policy.queue.base,
        trees=tuple(_trees(policy, ids.classes)),
        dispositions=tuple(_dispositions(policy, order, ids.dispositions)),
        routes=tuple(_route(name, ids.routes[name], cache) for name, cache in policy.caches.items()),
        local=tuple(policy.interfaces.local),
        subscribers=subscribers,
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
        control=p.ControlPlan(policy.control.socket, policy.control.group, policy.control.confirm or 0.0),
    )


def meaning(policy: Policy) -> str:
    """A hash that changes when what the policy says does, not when a comment, a spelling or a file's name does."""
    rules = [(name, policy.rules[name]) for name in ordered(policy.rules)[0]]
    rest = [(key, value) for key, value in policy if key not in ("rules", "override")]
    text = f"{rest!r} {rules!r}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _interfaces(policy: Policy) -> Iterator[p.Interface]:
    for port in policy.interfaces.lan:
        yield p.Interface(port.device, "lan", port.vlan)
    for port in policy.interfaces.wan:
        yield p.Interface(port.device, "wan", port.vlan)


def _trees(policy: Policy, minors: Mapping[str, int]) -> Iterator[p.Tree]:
    if policy.link is None or not policy.classes:
        return
    default = next(name for name, class_ in policy.classes.items() if class_.default)
    lan = list(dict.fromkeys(port.device for port in policy.interfaces.lan))
    wan = list(dict.fromkeys(port.device for port in policy.interfaces.wan))
    for direction in DIRECTIONS:
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
        yield p.Disposition(ids[name], name, rule.shape, rule.dscp, rule.block)


def _route(name: str, n: int, cache: Cache) -> p.Route:
    hops = {ip_address(hop).version: hop for hop in cache.next_hop}
    target = cache.health.target or hops.get(4) or hops.get(6)
    health = None
    if cache.health.check != "none" and target is not None:
        http = cache.health.check == "http"
        health = p.Health(
            kind=cache.health.check,
            target=target,
            port=cache.health.port or (80 if http else None),
            path=(cache.health.path or "/") if http else None,
            interval=cache.health.interval,
            timeout=cache.health.timeout,
            down_after=cache.health.down_after,
            up_after=cache.health.up_after,
        )
    return p.Route(
        number=n,
        name=name,
        next_hop4=hops.get(4),
        next_hop6=hops.get(6),
        device=cache.device,
        table=cache.table or FIRST_TABLE + n,
        health=health,
        prefixes=tuple(cache.prefixes),
        learn_ttl=max(1, round(cache.learn_ttl)),
        when_down=cache.when_down,
    )


def _rules(checked: Checked, order: list[str], ids: Mapping[str, int]) -> Iterator[p.PlannedRule]:
    policy, document = checked.policy, checked.document
    for name in order:
        rule = policy.rules[name]
        where = document.where(("rules", name))
        match = planned_match(rule.match, policy.groups)
        if not (rule.block or rule.allow or rule.route):
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
    )


def _prefixes(peers: Iterable[str], groups: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Groups replaced by what is in them, each prefix once."""
    return tuple(dict.fromkeys(prefix for peer in peers for prefix in groups.get(peer, (peer,))))
