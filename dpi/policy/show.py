"""A plan in words, and as plain data for machines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from dpi.policy.link_layer import mac_text
from dpi.policy.plan import (
    Disposition,
    KernelPlan,
    Match,
    Plan,
    PlannedRule,
    Police,
    Route,
    Shape,
    ShapedClass,
    SubscriberPlan,
)
from dpi.policy.schedule import told
from dpi.policy.spread import shares
from dpi.policy.units import Rate, dscp_name, rate_text, seconds_text, size_text

if TYPE_CHECKING:
    from dpi.policy.model.rules import Rule


def words(plan: Plan, now: float | None = None) -> str:
    """The whole plan, a paragraph a subject; schedules with how it is with them now."""
    kernel = plan.kernel
    parts = [
        _interfaces(kernel),
        "\n".join(classes(kernel)),
        _subscribers(kernel),
        "\n".join(conditions_of(plan, time.time() if now is None else now)),
        "\n".join(rules(plan)),
        "\n".join(line for routes in kernel.caches.values() for line in cache(routes)),
        _marks(plan),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def data(plan: Plan) -> dict[str, Any]:
    """The plan as JSON can carry it; rates in bits a second, sizes in bytes, times in seconds."""
    return asdict(plan)


def _interfaces(kernel: KernelPlan) -> str:
    sides = []
    for role in ("lan", "wan"):
        ports = [i.name + (f" vlan {i.vlan}" if i.vlan else "") for i in kernel.interfaces if i.role == role]
        sides.append(f"{role} {', '.join(ports)}")
    text = f"{kernel.mode}: {'; '.join(sides)}"
    return text + (f"; behind the LAN {', '.join(kernel.local)}" if kernel.local else "")


def classes(kernel: KernelPlan) -> Iterator[str]:
    """The class tree, both directions side by side."""
    trees = {tree.direction: tree for tree in kernel.trees}
    if not trees:
        yield "no classes: nothing is shaped"
        return
    link = ", ".join(f"{rate_text(tree.rate)} {direction}" for direction, tree in trees.items())
    shared = sorted({tree.ifb for tree in kernel.trees if tree.ifb})
    yield f"classes of a link of {link}" + (f", shaped on {', '.join(shared)}" if shared else "") + ":"
    rows = []
    depth: dict[str, int] = {}
    named: dict[str, dict[str, ShapedClass]] = {}
    for tree in trees.values():
        for class_ in tree.classes:
            named.setdefault(class_.name, {})[tree.direction] = class_
            depth[class_.name] = depth[class_.parent] + 1 if class_.parent else 1
    default = next(iter(trees.values())).default
    for name, ways in named.items():
        any_way = next(iter(ways.values()))
        row = ["  " * depth[name] + name]
        row += [f"{direction} {span(ways.get(direction))}" for direction in trees]
        row.append(f"priority {any_way.priority}")
        row.append(any_way.leaf or "")
        row.append("default" if name == default else "")
        rows.append(row)
    yield from _table(rows)


def _subscribers(kernel: KernelPlan) -> str:
    if kernel.subscribers is None:
        return ""
    branches = kernel.subscribers.branches
    sites = sum(b.is_site for b in branches)
    default = next((b for b in branches if b.number == kernel.subscribers.default), None)
    count = len(branches) - sites - bool(default)
    text = f"{count:,} subscriber{'s' * (count != 1)}, {sites:,} site{'s' * (sites != 1)}"
    if kernel.subscribers.trees:
        text += f", in {kernel.subscribers.trees} trees"
    if kernel.subscribers.on_demand:
        text += f", queues {queues(kernel.subscribers)}"
    return text + (f"; all others: {shape(default.down)} down, {shape(default.up)} up" if default else "")


def queues(plan: SubscriberPlan | None) -> str:
    """`on demand, away after 10min`; empty where all are always there."""
    return f"on demand, away after {seconds_text(plan.idle)} idle" if plan and plan.idle is not None else ""


def shape(branch: Shape) -> str:
    """`8mbit`, `8mbit to 20mbit, 4 classes`: what was asked for, not what can be assured."""
    text = rate_text(branch.weight)
    text += f" to {rate_text(branch.ceil)}" if branch.ceil != branch.weight else ""
    return text + (f", {len(branch.shares)} classes" if branch.shares else "")


def span(class_: ShapedClass | None) -> str:
    """`8mbit`, `8mbit to 20mbit`."""
    if class_ is None:
        return "as default"
    text = rate_text(class_.rate)
    return text if class_.ceil == class_.rate else f"{text} to {rate_text(class_.ceil)}"


def conditions_of(plan: Plan, now: float) -> Iterator[str]:
    """What rules may wait for, and how it is with it by the clock."""
    for schedule in plan.conditions.schedules:
        yield f"schedule {schedule.name}: {schedule.words}: {told(schedule, now)}"
    for quota in plan.conditions.quotas:
        yield f"quota {quota.name}: {quota.words}"
    for congestion in plan.conditions.congestion:
        yield f"congestion {congestion.name}: {congestion.words}"


def rules(plan: Plan) -> Iterator[str]:
    """The rules in the order in which they are tried."""
    dispositions = {d.number: d for d in plan.kernel.dispositions}
    found, rest = grouped(plan)
    if not found:
        yield "no rules: everything is left to the default class"
        return
    yield "rules, the first that matches decides:"
    rows = []
    for i, (rule, copies) in enumerate(found, 1):
        does = actions(rule, dispositions[rule.disposition])
        rows.append([f"{i:4}.", rule.name, conditions(rule.match), f"→ {does}", f"({rule.where})"])
        for copy in copies:
            rows.append(["", "", f"  {several('app', copy.match.apps)}", f"→ also cache {copy.route}", ""])
    for rule in rest:
        also = f"→ cache {rule.route}"
        rows.append(["", "no rule", several("app", rule.match.apps), also, f"({rule.where})"])
    yield from _table(rows)


def grouped(plan: Plan) -> tuple[list[tuple[PlannedRule, list[PlannedRule]]], list[PlannedRule]]:
    """Each rule with its copies for caches' apps, which stand before it; and those for what no rule matches."""
    found: list[tuple[PlannedRule, list[PlannedRule]]] = []
    copies: list[PlannedRule] = []
    every = plan.engine.rules
    for rule, following in zip_longest(every, every[1:]):
        copies.append(rule)
        if rule.disposition != 1 and (following is None or following.name != rule.name):
            found.append((copies.pop(), copies))
            copies = []
    return found, copies


def actions(rule: PlannedRule, disposition: Disposition) -> str:
    """`class video, dscp af41`."""
    d = disposition
    limits = ", ".join(police(each) for each in d.police)
    return _said(d.class_, d.dscp, d.block, rule.route, rule.log, limits, d.mirror, d.exempt, d.redirect, d.copy)


def rule_actions(rule: Rule) -> str:
    """As actions(), from a rule's own words."""
    kinds = (("flow", rule.per_flow), ("host", rule.per_host), ("rule", rule.police))
    limits = ", ".join(_limited(per, *map(_rate, (rates.down, rates.up))) for per, rates in kinds if rates)
    group, device = (rule.mirror.group, rule.mirror.device) if rule.mirror else (None, None)
    return _said(
        rule.shape, rule.dscp, rule.block, rule.route, rule.log, limits, group, rule.exempt, rule.redirect, device
    )


def police(limit: Police) -> str:
    """`at most 2mbit a host`, `at most 2mbit down and 1mbit up`."""
    down, up = (rate_text(rate) if rate else None for rate in (limit.down, limit.up))
    return _limited(limit.per, down, up)


def _limited(per: str, down: str | None, up: str | None) -> str:
    both = f"{down} down and {up} up" if down and up else f"{down} down" if down else f"{up} up"
    return f"at most {down if down == up else both}" + (f" a {per}" if per != "rule" else "")


def _rate(rate: Rate | None) -> str | None:
    if rate is None:
        return None
    return rate_text(rate.bits) if rate.percent is None else f"{rate.percent:g}%"


def _said(
    shape: str | None,
    dscp: int | None,
    block: str | None,
    route: str | None,
    log: bool,
    limits: str,
    mirror: int | None,
    exempt: bool,
    redirect: str | None,
    copy: str | None,
) -> str:
    does = [
        block,
        "exempt" if exempt else None,
        f"HTTP redirected to {redirect}, all else refused" if redirect else None,
        f"class {shape}" if shape else None,
        limits,
        f"dscp {dscp_name(dscp)}" if dscp is not None else None,
        f"cache {route}" if route else None,
    ]
    beside = ["log" if log else None, f"mirror to NFLOG group {mirror}" if mirror is not None else None]
    beside.append(f"mirror to {copy}" if copy else None)
    return ", ".join(part for part in [*(does if any(does) else ["allow"]), *beside] if part)


def conditions(match: Match, most: int | None = 5) -> str:
    """`app netflix or youtube, port 443`; of a long list `most` values."""

    def some(what: str, values: tuple[str, ...]) -> str:
        return several(what, values, most)

    parts = [
        some("app", match.apps),
        some("category", match.categories),
        some("protocol", match.protocols),
        some("host", match.hosts),
        some("local", match.local),
        some("remote", match.remote),
        some("port", tuple(str(a) if a == b else f"{a}-{b}" for a, b in match.ports)),
        some("transport", match.transports),
        f"opened {'from the LAN' if match.direction == 'out' else 'from outside'}" if match.direction else "",
        some("dscp", tuple(map(dscp_name, match.dscp))),
        some("vlan", tuple(map(str, match.vlans))),
        some("mac", tuple(map(mac_text, match.macs))),
        some("device", match.devices),
        some("during", match.during),
        some("congested", match.congested),
        some("over", match.over),
    ]
    return ", ".join(part for part in parts if part) or "everything"


def several(what: str, values: tuple[str, ...], most: int | None = 5) -> str:
    """`app netflix or youtube or 3 more`."""
    if not values:
        return ""
    more = [f"{len(values) - most} more"] if most is not None and len(values) > most else []
    return f"{what} {' or '.join([*values[:most], *more])}"


def cache(routes: Sequence[Route]) -> Iterator[str]:
    """A cache: how it is reached, watched, and what happens when it is down."""
    first = routes[0]
    dns = first.kind == "dns"
    learnt = "" if dns else f", destinations learnt for {seconds_text(first.learn_ttl)}"
    if first.member_of:
        by = "subscriber or address" if dns else "the client's address"
        yield f"cache {first.cache}: {len(routes)} machines, chosen by {by}{learnt}"
        part = shares([(route.name, route.weight) for route in routes])
        yield from (f"  {r.name}, {part[r.name]:.0%} of the clients: {way(r)}{_by_table(r)}" for r in routes)
    else:
        yield f"cache {first.name}: {way(first)}{_by_table(first)}{learnt}"
    if first.prefixes:
        yield f"  known beforehand: {several('', first.prefixes).strip()}"
    more = tuple(prefix for route in routes for prefix in route.fills_from)
    if more:
        yield f"  fetches from {several('', more).strip()} too"
    if first.health is None:
        yield "  never checked"
    else:
        health = first.health
        targets = ", ".join(route.health.target for route in routes if route.health)
        port = f" port {health.port}" if health.port else ""
        yield (
            f"  checked by {health.kind} to {targets}{port}{health.path or ''} every"
            f" {seconds_text(health.interval)}, down after {health.down_after} failures"
            f" of {seconds_text(health.timeout)}, up after {health.up_after}"
        )
    normal = "traffic takes its normal way" if first.when_down == "normal" else "its destinations are unreachable"
    yield f"  when {'all are ' if len(routes) > 1 else ''}down: {normal}"


def _by_table(route: Route) -> str:
    return f", table {route.table}" if route.kind != "dns" else ""


def way(route: Route) -> str:
    """`by 198.18.1.2 on cdn0`."""
    if route.here:
        return f"plain HTTP handed to the proxy on port {route.port} of this box"
    hops = " and ".join(hop for hop in (route.next_hop4, route.next_hop6) if hop)
    if route.kind == "dns":
        return f"names answered with {hops}"
    what = "plain HTTP " if route.kind == "proxy" else ""
    parts = (f"{what}by {hops}" if hops else what.strip(), f"on {route.device}" if route.device else "")
    return " ".join(part for part in parts if part)


def _marks(plan: Plan) -> str:
    kernel, engine = plan.kernel, plan.engine
    last = kernel.queue_base + kernel.queues - 1
    queues = f"queue {last}" if kernel.queues == 1 else f"queues {kernel.queue_base} to {last}"
    lines = [
        f"marks under {kernel.marks.mask:#010x}, {queues}, {engine.max_flows:,} flows at most",
        f"on exit: {'nothing of ours stays' if plan.on_exit == 'clean' else 'all stays as it is'}",
    ]
    if plan.records:
        records = plan.records
        lines.append(f"records: {records.file}, {records.keep} more of {size_text(records.rotate)}")
    return "\n".join(lines)


def _table(rows: list[list[str]]) -> Iterator[str]:
    widths = [min(48, max(map(len, column))) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
