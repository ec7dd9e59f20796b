"""Rules: that what they name exists, that their actions go together, and that each can match."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dpi.policy.checks.case import Case
from dpi.policy.checks.classes import children
from dpi.policy.checks.shadow import Shadow, shadowed
from dpi.policy.findings import near
from dpi.policy.load import Path_
from dpi.policy.model import Rule
from dpi.policy.order import ordered
from dpi.policy.show import said_actions


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
    for shadow in shadowed(active, case.policy.groups, case.vocabulary):
        _dead(case, shadow)


def _dead(case: Case, shadow: Shadow) -> None:
    """A rule, or a word of one, that never has anything left to match."""
    rules = case.policy.rules
    mine = actions_of(rules[shadow.name])
    by = []
    for name in shadow.by:
        does = actions_of(rules[name])
        where = case.document.where(("rules", name))
        by.append(f"{name} at {where} ({'which does the same' if does == mine else does})")
    text = f"can never match: shadowed by {' and '.join(by)}"
    path: Path_ = ("rules", shadow.name)
    if shadow.value is None:
        case.warn(path, text, key=True)
    else:
        case.warn((*path, "match", *shadow.value), text)


def actions_of(rule: Rule) -> str:
    """What it does, in words."""
    return said_actions(rule.shape, rule.dscp, rule.block, rule.route, rule.log)


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
    if match.host and (match.protocol == ["dns"] or match.app == ["dns"]):
        case.warn((*path, "host"), "can never match: to ask DNS for a name is not to use it")


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
    local, remote = (_versions(case, getattr(rule.match, side)) for side in ("local", "remote"))
    if local and remote and not local & remote:
        names = [" and ".join(f"IPv{v}" for v in sorted(each)) for each in (local, remote)]
        case.warn((*path, "match", "remote"), f"can never match: local is {names[0]}, remote is {names[1]}")


def _versions(case: Case, peers: Iterable[str]) -> set[int]:
    """The IP versions that these have; none where a group is not there."""
    groups = case.policy.groups
    if any("/" not in peer and peer not in groups for peer in peers):
        return set()
    return {6 if ":" in prefix else 4 for peer in peers for prefix in groups.get(peer, (peer,))}
