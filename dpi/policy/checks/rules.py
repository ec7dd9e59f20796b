"""Rules: that what they name exists, that their actions go together, and that each can match."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dpi.policy.checks.case import Case
from dpi.policy.checks.classes import children
from dpi.policy.checks.interfaces import check_vlans
from dpi.policy.checks.shadow import Shadow, shadowed
from dpi.policy.findings import near
from dpi.policy.load import Path_
from dpi.policy.model.classes import Rates
from dpi.policy.model.rules import Mirror, Rule
from dpi.policy.order import ordered
from dpi.policy.show import rule_actions


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
        check_vlans(case, (*path, "match", "vlan"), rule.match.vlan)
    order, rings = ordered(rules)
    for name in rings:
        case.error(("rules", name, "before"), f"{name} and {rules[name].before} wait for each other")
    active = [(name, rules[name].match) for name in order if rules[name].enabled]
    for shadow in shadowed(active, case.policy.groups, case.vocabulary):
        _dead(case, shadow)


def _dead(case: Case, shadow: Shadow) -> None:
    """A rule, or a word of one, that never has anything left to match."""
    rules = case.policy.rules
    mine = rule_actions(rules[shadow.name])
    by = []
    for name in shadow.by:
        does = rule_actions(rules[name])
        where = case.document.where(("rules", name))
        by.append(f"{name} at {where} ({'which does the same' if does == mine else does})")
    text = f"can never match: shadowed by {' and '.join(by)}"
    path: Path_ = ("rules", shadow.name)
    if shadow.value is None:
        case.warn(path, text, key=True)
    else:
        case.warn((*path, "match", *shadow.value), text)


DOES = ("shape", "dscp", "route", "block", "police", "per_host", "per_flow", "redirect")
ALONE = {
    "block": "leaves nothing to",
    "redirect": "leaves nothing to",
    "allow": "leaves traffic alone; it does not go with",
    "exempt": "leaves traffic alone altogether; it does not go with",
}


def _actions(case: Case, path: Path_, rule: Rule) -> None:
    said = [action for action in DOES if getattr(rule, action) is not None]
    said += [action for action in ("allow", "exempt") if getattr(rule, action)]
    for action, why in ALONE.items():
        others = [other for other in said if other != action]
        if action in said and others:
            at = others[0] if action in ("block", "redirect") else action
            case.error((*path, at), f"`{action}` {why} {others[0]}", key=True)
            break
    if not said and not rule.log and rule.mirror is None and path not in case.partial:
        case.error(path, f"does nothing; add {', '.join(DOES)}, mirror, allow, exempt or log", key=True)
    _limits(case, path, rule)
    if rule.mirror is not None:
        _mirror(case, (*path, "mirror"), rule.mirror)
    if rule.redirect is not None:
        _redirect(case, (*path, "redirect"), rule)


NO_HTTP = {"tls", "quic", "https", "dtls", "http2", "ssh"}


def _redirect(case: Case, path: Path_, rule: Rule) -> None:
    """Only plain HTTP on port 80 can be answered in the server's place."""
    match = rule.match
    if case.policy.interfaces.mode == "bridge" and "interfaces" not in case.broken:
        case.error(path, "a bridge has no address to answer from; redirect needs mode: router", key=True)
    never = bool(match.protocol) and set(match.protocol) <= NO_HTTP
    never |= bool(match.port) and not any(first <= 80 <= last for first, last in match.port)
    never |= bool(match.transport) and "tcp" not in match.transport
    if never:
        case.warn(path, "nothing of it is plain HTTP on port 80, so all is refused: TLS and QUIC cannot be redirected")
    elif not match.port and not match.protocol:
        case.warn(
            path, "TLS and QUIC cannot be redirected: of what matches, only HTTP on port 80 is; all else is refused"
        )


def _mirror(case: Case, path: Path_, mirror: Mirror) -> None:
    """That there is somewhere to go, and that what goes there does not come in again."""
    device = mirror.device
    if device is None:
        if mirror.group is None:
            case.error(path, "needs a group or a device", key=True)
        return
    path = (*path, "device")
    ports = [*case.policy.interfaces.lan, *case.policy.interfaces.wan] if "interfaces" not in case.broken else []
    hops = [hop for cache in case.policy.caches.values() for hop in (cache, *cache.members.values())]
    others = {rule.mirror.device for rule in case.policy.rules.values() if rule.mirror and rule.mirror.device}
    known = case.machine.interfaces if case.machine else None
    if device in {port.device for port in ports} or device in {hop.device for hop in hops}:
        case.error(path, f"{device} carries the traffic itself: its copies would go round")
    elif device == "lo":
        case.error(path, "copies that go to lo come in again")
    elif len(others) > 1:
        case.error(path, f"copies go to one device: {' or '.join(sorted(map(str, others)))}")
    elif known is not None and device not in known:
        case.error(path, f"this machine has no interface {device}{near(device, known)}")


def _limits(case: Case, path: Path_, rule: Rule) -> None:
    """Rates to be held to: that the link is known where they are shares of it, and that each can be felt."""
    link = case.policy.link
    narrower: tuple[str, Rates] | None = None
    for key in ("police", "per_host", "per_flow"):
        rates: Rates | None = getattr(rule, key)
        if rates is None:
            continue
        if rates.down is None and rates.up is None:
            case.error((*path, key), "needs a rate for down or up")
        if (
            link is None
            and "link" not in case.broken
            and any(r and r.percent is not None for r in (rates.down, rates.up))
        ):
            case.error((*path, key), "a share of what?  `link` is missing")
        if link is not None and narrower is not None:
            wide, ways = narrower
            for way, whole in (("down", link.down), ("up", link.up)):
                mine, theirs = getattr(rates, way), getattr(ways, way)
                if mine and theirs and mine.of(whole) >= theirs.of(whole):
                    case.warn((*path, key), f"is never felt {way}: `{wide}` is no more")
                    break
        narrower = key, rates


def _targets(case: Case, path: Path_, rule: Rule, below: dict[str | None, list[str]]) -> None:
    classes, caches = case.named("classes"), case.named("caches")
    if rule.shape is not None and rule.shape not in classes:
        case.error((*path, "shape"), f"there is no class {rule.shape}{near(rule.shape, classes)}")
    elif rule.shape is not None and rule.shape in below:
        case.error((*path, "shape"), f"{rule.shape} has classes below it; choose one: {', '.join(below[rule.shape])}")
    if rule.route is not None and rule.route not in caches:
        case.error((*path, "route"), f"there is no cache {rule.route}{near(rule.route, caches)}")
    if rule.route is not None and (
        rule.match.local or rule.match.vlan or rule.match.mac or rule.match.device or rule.match.direction == "in"
    ):
        message = "what is learnt is the destination, so new connections to it go to the cache for everyone"
        case.warn((*path, "route"), message)


def _labels(case: Case, path: Path_, rule: Rule) -> None:
    words, match = case.vocabulary, rule.match
    path = (*path, "match")
    if words is not None:
        _known(case, (*path, "app"), "app or protocol", match.app, words.labels)
        _known(case, (*path, "protocol"), "protocol", match.protocol, words.protocols)
        _known(case, (*path, "category"), "category", match.category, words.categories)
        _known(case, (*path, "device"), "kind of device", match.device, words.devices)
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
