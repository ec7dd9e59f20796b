"""What changes between two plans, in words and as data.

By name: a class or rule that keeps its name is changed, not removed and added, because that is what its flows and
counters experience too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from dpi.policy.plan import Plan, Route
from dpi.policy.show import actions, conditions, grouped, queues, several, shape, span
from dpi.policy.subscribe import DEFAULT, SITE
from dpi.policy.units import rate_text, seconds_text, size_text

Verb = Literal["add", "remove", "change", "move"]
Said = dict[str, str]  # what is said of one thing, by aspect


@dataclass(frozen=True)
class Change:
    """One thing that is different; `before` and `after` are empty where it is not there."""

    verb: Verb
    kind: str  # class, site, subscriber, schedule, rule, cache, link, setting
    name: str
    before: str
    after: str

    def __str__(self) -> str:
        sign = {"add": "+", "remove": "-", "change": "~", "move": "^"}[self.verb]
        what = " ".join(part for part in (self.kind, self.name) if part)
        if self.verb in ("change", "move"):
            return f"{sign} {what}: {self.before} → {self.after}"
        return f"{sign} {what}: {self.after or self.before}"

    def to_json(self) -> dict[str, str]:
        """Its fields and `words`, all strings."""
        return {**vars(self), "words": str(self)}


def diff(before: Plan | None, after: Plan) -> list[Change]:
    """The changes, links and classes first, then rules, caches, settings.  Before None: all is new."""
    changes: list[Change] = []
    for kind, said in KINDS.items():
        changes += _changes(kind, said(before) if before else {}, said(after))
        if kind == "rule" and before:
            changes += _moves(before, after)
    changes += _changes("", _settings(before) if before else {}, _settings(after))
    return changes


def _changes(kind: str, before: Mapping[str, Said], after: Mapping[str, Said]) -> Iterator[Change]:
    for name in [*before, *(n for n in after if n not in before)]:
        old, new = before.get(name), after.get(name)
        if old is None:
            said = _together(new or {})
            if said:
                yield Change("add", kind, name, "", said)
        elif new is None:
            yield Change("remove", kind, name, _together(old), "")
        else:
            for aspect in [*old, *(a for a in new if a not in old)]:
                was, becomes = old.get(aspect, ""), new.get(aspect, "")
                if was != becomes:
                    told = " ".join(part for part in (name, aspect) if part)
                    yield Change("change", kind, told, was or "none", becomes or "none")


def _together(said: Said) -> str:
    return ", ".join(f"{aspect} {text}".strip() for aspect, text in said.items() if text)


def _moves(before: Plan, after: Plan) -> Iterator[Change]:
    old = list(_rules(before))
    new = list(_rules(after))
    common = set(old) & set(new)
    old, new = [n for n in old if n in common], [n for n in new if n in common]
    stay = {
        name
        for block in SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
        for name in old[block.a : block.a + block.size]
    }
    for name in new:
        if name not in stay:
            yield Change("move", "rule", name, _place(old, name), _place(new, name))


def _place(names: list[str], name: str) -> str:
    at = names.index(name)
    return f"after {names[at - 1]}" if at else "first"


def _links(plan: Plan) -> dict[str, Said]:
    said: dict[str, Said] = {}
    for tree in plan.kernel.trees:
        devices = said.get(tree.direction, {}).get("at", "")
        said[tree.direction] = {
            "": rate_text(tree.rate),
            "at": f"{devices}, {tree.device}" if devices else tree.device,
            "on": tree.ifb or "",
            "default class": tree.default,
        }
    return said


def _classes(plan: Plan) -> dict[str, Said]:
    ways = {tree.direction: {c.name: c for c in tree.classes} for tree in plan.kernel.trees}
    said: dict[str, Said] = {}
    for name in dict.fromkeys(name for classes in ways.values() for name in classes):
        there = {direction: classes[name] for direction, classes in ways.items() if name in classes}
        class_ = next(iter(there.values()))
        said[name] = {
            "below": class_.parent or "link",
            **{direction: span(classes.get(name)) for direction, classes in ways.items()},
            "priority": str(class_.priority),
            "burst": size_text(class_.burst) if class_.burst else "",
            "leaf": class_.leaf or "",
        }
    return said


def _schedules(plan: Plan) -> dict[str, Said]:
    return {schedule.name: {"": schedule.words} for schedule in plan.conditions.schedules}


def _quotas(plan: Plan) -> dict[str, Said]:
    return {
        quota.name: {"": quota.words, "warned at": ", ".join(f"{100 * share:g}%" for share in quota.warn)}
        for quota in plan.conditions.quotas
    }


def _sites(plan: Plan) -> dict[str, Said]:
    return _branches(plan, sites=True)


def _subscribers(plan: Plan) -> dict[str, Said]:
    return _branches(plan, sites=False)


def _branches(plan: Plan, *, sites: bool) -> dict[str, Said]:
    subscribers = plan.kernel.subscribers
    if subscribers is None:
        return {}
    names = {b.number: b.name.removeprefix(SITE) for b in subscribers.branches if b.is_site}
    return {
        b.name.removeprefix(SITE) if b.name != DEFAULT else "(all others)": {
            "behind": names.get(b.parent, "link"),
            "down": shape(b.down),
            "up": shape(b.up),
            "at": ", ".join([*b.prefixes, *b.macs, *(f"VLAN {vlan}" for vlan in b.vlans)]),
        }
        for b in subscribers.branches
        if b.is_site == sites
    }


def _rules(plan: Plan) -> dict[str, Said]:
    dispositions = {d.number: d for d in plan.kernel.dispositions}
    said: dict[str, Said] = {}
    for rule, copies in grouped(plan)[0]:
        also = [f"{several('app', copy.match.apps, None)} to {copy.route}" for copy in copies]
        said[rule.name] = {
            "": conditions(rule.match, None),
            "→": actions(rule, dispositions[rule.disposition]),
            "also": ", ".join(also),
        }
    return said


def _caches(plan: Plan) -> dict[str, Said]:
    apps = {rule.route: several("", rule.match.apps, None).strip() for rule in grouped(plan)[1]}
    return {route.name: {"apps": apps.get(route.cache, ""), **_cache(route)} for route in plan.kernel.routes}


def _cache(route: Route) -> Said:
    health = route.health
    check = ""
    if health:
        port = f":{health.port}" if health.port else ""
        check = (
            f"{health.kind} {health.target}{port}{health.path or ''} every {seconds_text(health.interval)}"
            f" within {seconds_text(health.timeout)}, {health.down_after} down, {health.up_after} up"
        )
    return {
        "kind": route.kind if route.kind != "transparent" else "",
        "port": str(route.port or ""),
        "address" if route.kind == "dns" else "next hop": " and ".join(
            hop for hop in (route.next_hop4, route.next_hop6) if hop
        ),
        "device": route.device or "",
        "table": str(route.table) if route.kind != "dns" else "",
        "weight": str(route.weight) if route.member_of else "",
        "fetches from": ", ".join(route.fills_from),
        "prefixes": ", ".join(route.prefixes),
        "learnt for": seconds_text(route.learn_ttl) if route.kind != "dns" else "",
        "check": check,
        "when down": route.when_down,
    }


def _settings(plan: Plan) -> dict[str, Said]:
    kernel, engine = plan.kernel, plan.engine
    sides = {
        role: ", ".join(
            i.name + (f" vlan {i.vlan}" if i.vlan is not None else "") for i in kernel.interfaces if i.role == role
        )
        for role in ("lan", "wan")
    }
    records = plan.records
    return {
        "mode": {"": kernel.mode},
        **{role: {"": text} for role, text in sides.items()},
        "local": {"": ", ".join(kernel.local)},
        "marks": {"": f"{kernel.marks.mask:#010x}"},
        "queues": {"": f"{kernel.queues} from {kernel.queue_base}"},
        "flows": {"": str(engine.max_flows) + (", risks" if engine.risks else "")},
        "signatures": {"": ", ".join(engine.signature_dirs)},
        "records": {"": f"{records.file}, {records.keep} of {size_text(records.rotate)}" if records else ""},
        "control": {
            "": ", ".join(part for part in (plan.control.socket, plan.control.group) if part),
            "confirm": seconds_text(plan.control.confirm) if plan.control.confirm else "",
        },
        "on exit": {"": plan.on_exit},
        "queues of subscribers": {"": queues(kernel.subscribers)},
    }


KINDS = {
    "link": _links,
    "class": _classes,
    "site": _sites,
    "subscriber": _subscribers,
    "schedule": _schedules,
    "quota": _quotas,
    "congestion": lambda plan: {each.name: {"": each.words} for each in plan.conditions.congestion},
    "rule": _rules,
    "cache": _caches,
}
