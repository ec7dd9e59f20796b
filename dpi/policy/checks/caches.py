"""Caches: how they are reached, watched, and what goes to them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from dpi.policy.checks.case import Case
from dpi.policy.checks.shadow import reaching
from dpi.policy.findings import near
from dpi.policy.load import Path_
from dpi.policy.model.caches import Cache, Hop
from dpi.policy.order import ordered
from dpi.policy.plan import PORTAL, PORTAL_PORT
from dpi.policy.show import rule_actions

MAX_CACHES = 7  # three bits of the mark
RESERVED_TABLES = {253: "default", 254: "main", 255: "local"}


def check(case: Case) -> None:
    caches = case.policy.caches
    _count(case)
    if caches and case.policy.interfaces.mode == "bridge" and "interfaces" not in case.broken:
        case.error(("caches",), "a bridge does not route; caches need mode: router", key=True)
    routed = {rule.route for rule in case.policy.rules.values() if rule.enabled}
    tables: dict[int, str] = {}
    served: dict[str, str] = {}
    for name, cache in caches.items():
        path: Path_ = ("caches", name)
        if cache.port is not None and cache.kind != "proxy":
            case.error((*path, "port"), "only a cache of `kind: proxy` has a port", key=True)
        if cache.kind == "dns":
            _named(case, path, cache)
        if cache.members:
            _members(case, path, cache, tables)
        elif cache.port is not None and cache.kind == "proxy":
            _here(case, path, cache, tables)
        else:
            _way(case, path, cache, cache.kind)
            _table(case, path, cache, name, tables)
        _prefixes(case, path, cache)
        _health(case, path, cache)
        for i, app in enumerate(cache.apps):
            if served.setdefault(app, name) != name:
                case.error((*path, "apps", i), f"{app} goes to {served[app]} already")
            vocabulary = case.vocabulary
            if vocabulary and app not in vocabulary.labels:
                case.error((*path, "apps", i), f"there is no app {app}{near(app, vocabulary.apps)}")
        if not (cache.apps or cache.prefixes or name in routed) and "rules" not in case.broken:
            case.warn(path, "nothing goes to this cache: it has no apps, no prefixes and no rule", key=True)
        _unreached(case, path, name, cache)


def _count(case: Case) -> None:
    """Each machine has a number in the mark.  Caches that are wrong by themselves count as one."""
    count = 0
    for name in case.named("caches"):
        cache = case.policy.caches.get(name)
        paths: list[Path_] = [("caches", name)]
        if cache and cache.members:
            paths = [("caches", name, "members", member) for member in cache.members]
        for path in paths:
            count += 1
            if count > MAX_CACHES:
                case.error(path, f"more than {MAX_CACHES} caches", key=True)


def _members(case: Case, path: Path_, cache: Cache, tables: dict[int, str]) -> None:
    for key in ("next_hop", "address", "device", "table", "fills_from"):
        if getattr(cache, key):
            case.error((*path, key), f"each of the members has its own {key}", key=True)
    if cache.port is not None:
        case.error((*path, "port"), "a port of this box, and members are other machines", key=True)
    if cache.health.target is not None:
        case.error((*path, "health", "target"), "each of the members is tried at its own next hop")
    hops: dict[str, str] = {}
    for member, hop in cache.members.items():
        here: Path_ = (*path, "members", member)
        _way(case, here, hop, cache.kind)
        _table(case, here, hop, f"{path[1]}/{member}", tables)
        for key, addresses in (("next_hop", hop.next_hop), ("address", hop.address)):
            for i, address in enumerate(addresses):
                if hops.setdefault(address, member) != member:
                    case.error((*here, key, i), f"{address} is {hops[address]} already")
        if not hop.next_hop and cache.check != "none" and cache.kind != "dns":
            case.error(here, "needs a next_hop to be tried at; or the cache `health: none`", key=True)
    if len(cache.members) == 1:
        case.warn((*path, "members"), "only one; its keys may stand at the cache itself", key=True)


def _here(case: Case, path: Path_, cache: Cache, tables: dict[int, str]) -> None:
    """A proxy on this box."""
    for key in ("next_hop", "address", "device", "fills_from"):
        if getattr(cache, key):
            says = "a cache with a port is a proxy on this box; one elsewhere has its port open for itself"
            case.error((*path, key), says, key=True)
    _table(case, path, cache, str(path[1]), tables)
    for other, there in case.policy.caches.items():
        if other != path[1] and there.port == cache.port:
            case.error((*path, "port"), f"{cache.port} is the port of {other} already")
            break
    portal = case.policy.portal.port or PORTAL_PORT
    if cache.port == portal and any(rule.redirect == PORTAL for rule in case.policy.rules.values()):
        case.error((*path, "port"), f"{portal} is the portal's port")


def _table(case: Case, path: Path_, hop: Hop, name: str, tables: dict[int, str]) -> None:
    if hop.table in RESERVED_TABLES:
        case.error((*path, "table"), f"{hop.table} is the kernel's table {RESERVED_TABLES[hop.table]}")
    elif hop.table is not None and tables.setdefault(hop.table, name) != name:
        case.error((*path, "table"), f"{hop.table} is the table of {tables[hop.table]} already")


def _unreached(case: Case, path: Path_, name: str, cache: Cache) -> None:
    """Apps that rules block, allow or send elsewhere before the cache's turn comes."""
    rules = case.policy.rules
    active = [(each, rules[each].match) for each in ordered(rules)[0] if rules[each].enabled]
    for i, app in enumerate(cache.apps):
        for rule_name, whole in reaching(active, app, case.policy.groups, case.vocabulary):
            rule = rules[rule_name]
            if not (rule.block or rule.allow or rule.exempt or rule.redirect or rule.route not in (None, name)):
                break
            if whole:
                does = rule_actions(rule)
                where = case.document.where(("rules", rule_name))
                case.warn((*path, "apps", i), f"{app} never goes there: {rule_name} at {where} takes it all ({does})")


def _named(case: Case, path: Path_, cache: Cache) -> None:
    """A cache that clients find by DNS is an address to them: nothing is routed there by us."""
    if cache.prefixes:
        case.error((*path, "prefixes"), "who asks no name is not sent to a cache of `kind: dns`", key=True)
    if cache.when_down != "normal":
        case.error((*path, "when_down"), "while it is down the resolver answers, and traffic takes its normal way")


def _way(case: Case, path: Path_, hop: Hop, kind: str) -> None:
    key = "address" if kind == "dns" else "next_hop"
    families = [ip_address(address).version for address in getattr(hop, key)]
    for other in ("next_hop", "device", "table") if kind == "dns" else ("address",):
        if getattr(hop, other):
            case.error((*path, other), f"a cache of `kind: {kind}` has no {other}", key=True)
    if kind == "dns":
        if not families and path[:2] not in case.partial:
            case.error(path, "needs an address, which clients are told", key=True)
    elif not families and hop.device is None and path[:2] not in case.partial:
        either = " or, on this box, a port" if isinstance(hop, Cache) and kind == "proxy" else ""
        case.error(path, f"needs a next_hop or a device{either}", key=True)
    if len(families) != len(set(families)):
        case.error((*path, key, 1), f"two of one family; there is one {key.replace('_', ' ')} for each")
    if hop.device is not None and case.machine and case.machine.interfaces is not None:
        known = case.machine.interfaces
        if hop.device not in known:
            case.error((*path, "device"), f"this machine has no interface {hop.device}{near(hop.device, known)}")


def _prefixes(case: Case, path: Path_, cache: Cache) -> None:
    """That there is a way for each of them."""
    hops: list[Hop] = [*cache.members.values()] or [cache]
    if all(hop.next_hop for hop in hops):  # a device or a port of this box takes both families
        families = {ip_address(address).version for hop in hops for address in hop.next_hop}
        for i, prefix in enumerate(cache.prefixes):
            version = ip_network(prefix).version
            if version not in families:
                case.error((*path, "prefixes", i), f"there is no next hop for IPv{version}")


def _health(case: Case, path: Path_, cache: Cache) -> None:
    health = cache.health
    path = (*path, "health")
    if cache.check == "none":
        return
    somewhere = cache.next_hop or cache.address or cache.members or cache.port
    if health.target is None and not somewhere and path[:2] not in case.partial:
        case.error(path, "needs a target, since there is no next hop to try; or write `health: none`")
    if cache.check == "tcp" and cache.check_port is None and path[:2] not in case.partial:
        case.error(path, "a check by tcp needs a port")
    if cache.check == "icmp" and health.port is not None:
        case.error((*path, "port"), "icmp has no ports")
    if cache.check != "http" and health.path is not None:
        case.error((*path, "path"), f"a check by {cache.check} has no path")
    if health.timeout > health.interval:
        case.error(path, "the timeout is longer than the interval")
