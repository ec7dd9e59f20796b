"""Rules: that what they name exists, that their actions go together, and that each can match."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dpi.policy.checks.case import Case
from dpi.policy.checks.classes import children
from dpi.policy.checks.shadow import shadowed
from dpi.policy.findings import near
from dpi.policy.load import Path_
from dpi.policy.model import Rule
from dpi.policy.order import ordered


def check(case: Case) -> None:
    rules = case.policy.rules
    below = children(case.policy.classes)
    known_rules = set(case.named("rules"))
    for name, rule in rules.items():
        path: Path_ = ("rules", name)
        if name == "default":
            case.error(path, "`default` is what traffic gets that no rule matches; choose another name", key=True)
        if rule.before not in (None, "*") and rule.before not in known_rules:
            case.error((*path, "before"), f"there is no rule {rule.before}{near(str(rule.before), known_rules)}")
        _actions(case, path, rule)
        _targets(case, path, rule, below)
        _labels(case, path, rule)
        _peers(case, path, rule)
    order, rings = ordered(rules)
    for name in rings:
        case.error(("rules", name, "before"), f"{name} and {rules[name].before} wait for each other")
    active = [(name, rules[name].match) for name in order if rules[name].enabled]
    for name, earlier in shadowed(active, case.policy.groups, case.vocabulary):
        where = case.document.where(("rules", earlier))
        case.warn(("rules", name), f"can never match: {earlier} at {where} takes it all", key=True)


def _actions(case: Case, path: Path_, rule: Rule) -> None:
    said = [a for a in ("shape", "dscp", "route", "block") if getattr(rule, a) is not None]
    if rule.block and len(said) > 1:
        others = [a for a in said if a != "block"]
        case.error((*path, others[0]), f"`block` leaves nothing to {others[0]}", key=True)
    if rule.allow and said:
        case.error((*path, "allow"), f"`allow` leaves traffic alone; it does not go with {said[0]}", key=True)
    if not said and not rule.allow and not rule.log and path not in case.partial:
        case.error(path, "does nothing; add shape, dscp, route, block, allow or log", key=True)


def _targets(case: Case, path: Path_, rule: Rule, below: dict[str | None, list[str]]) -> None:
    classes, caches = case.named("classes"), case.named("caches")
    if rule.shape is not None and rule.shape not in classes:
        case.error((*path, "shape"), f"there is no class {rule.shape}{near(rule.shape, classes)}")
    elif rule.shape is not None and rule.shape in below:
        case.error((*path, "shape"), f"{rule.shape} has classes below it; choose one: {', '.join(below[rule.shape])}")
    if rule.route is not None and rule.route not in caches:
        case.error((*path, "route"), f"there is no cache {rule.route}{near(rule.route, caches)}")
    if rule.route is not None and (rule.match.local or rule.match.vlan or rule.match.direction == "in"):
        message = "what is learnt is the destination, so new connections to it go to the cache for everyone"
        case.warn((*path, "route"), message)


def _labels(case: Case, path: Path_, rule: Rule) -> None:
    words, match = case.vocabulary, rule.match
    path = (*path, "match")
    if words is not None:
        _known(case, (*path, "app"), "app or protocol", match.app, words.labels)
        _known(case, (*path, "protocol"), "protocol", match.protocol, words.protocols)
        _known(case, (*path, "category"), "category", match.category, words.categories)
        of = {app: words.categories_of(app) for app in match.app if app in words.labels}
        if of and match.category and all(not set(of[app]) & set(match.category) for app in of):
            app = match.app[0]
            case.warn((*path, "category"), f"can never match: {app} is {' and '.join(of[app])}")
    if match.port and match.transport and not {"tcp", "udp", "sctp"} & set(match.transport):
        case.error((*path, "port"), "icmp has no ports")


def _known(case: Case, path: Path_, what: str, given: Iterable[str], known: Collection[str]) -> None:
    for i, word in enumerate(given):
        if word not in known:
            case.error((*path, i), f"there is no {what} {word}{near(word, known)}")


def _peers(case: Case, path: Path_, rule: Rule) -> None:
    groups = case.named("groups")
    for side in ("local", "remote"):
        for i, peer in enumerate(getattr(rule.match, side)):
            if "/" not in peer and peer not in groups:
                case.error((*path, "match", side, i), f"there is no group {peer}{near(peer, groups)}")
