"""Caches: how they are reached, watched, and what goes to them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from dpi.policy.checks.case import Case
from dpi.policy.checks.shadow import reaching
from dpi.policy.findings import near
from dpi.policy.load import Path_
from dpi.policy.model import Cache
from dpi.policy.order import ordered
from dpi.policy.show import said_actions

MAX_CACHES = 7  # three bits of the mark
RESERVED_TABLES = {253: "default", 254: "main", 255: "local"}


def check(case: Case) -> None:
    caches = case.policy.caches
    for name in case.named("caches")[MAX_CACHES:]:
        case.error(("caches", name), f"more than {MAX_CACHES} caches", key=True)
    if caches and case.policy.interfaces.mode == "bridge" and "interfaces" not in case.broken:
        case.error(("caches",), "a bridge does not route; caches need mode: router", key=True)
    routed = {rule.route for rule in case.policy.rules.values() if rule.enabled}
    tables: dict[int, str] = {}
    served: dict[str, str] = {}
    for name, cache in caches.items():
        path: Path_ = ("caches", name)
        _way(case, path, cache)
        _health(case, path, cache)
        if cache.table in RESERVED_TABLES:
            case.error((*path, "table"), f"{cache.table} is the kernel's table {RESERVED_TABLES[cache.table]}")
        elif cache.table is not None and tables.setdefault(cache.table, name) != name:
            case.error((*path, "table"), f"{cache.table} is the table of {tables[cache.table]} already")
        for i, app in enumerate(cache.apps):
            if served.setdefault(app, name) != name:
                case.error((*path, "apps", i), f"{app} goes to {served[app]} already")
            vocabulary = case.vocabulary
            if vocabulary and app not in vocabulary.labels:
                case.error((*path, "apps", i), f"there is no app {app}{near(app, vocabulary.apps)}")
        if not (cache.apps or cache.prefixes or name in routed) and "rules" not in case.broken:
            case.warn(path, "nothing goes to this cache: it has no apps, no prefixes and no rule", key=True)
        _unreached(case, path, name, cache)


def _unreached(case: Case, path: Path_, name: str, cache: Cache) -> None:
    """Apps that rules block, allow or send elsewhere before the cache's turn comes."""
    rules = case.policy.rules
    active = [(each, rules[each].match) for each in ordered(rules)[0] if rules[each].enabled]
    for i, app in enumerate(cache.apps):
        for rule_name, whole in reaching(active, app, case.policy.groups, case.vocabulary):
            rule = rules[rule_name]
            if not (rule.block or rule.allow or rule.route not in (None, name)):
                break
            if whole:
                does = said_actions(rule.shape, rule.dscp, rule.block, rule.route, rule.log)
                where = case.document.where(("rules", rule_name))
                case.warn((*path, "apps", i), f"{app} never goes there: {rule_name} at {where} takes it all ({does})")


def _way(case: Case, path: Path_, cache: Cache) -> None:
    families = [ip_address(hop).version for hop in cache.next_hop]
    if not families and cache.device is None and path not in case.partial:
        case.error(path, "needs a next_hop or a device", key=True)
    if len(families) != len(set(families)):
        case.error((*path, "next_hop", 1), "two of one family; there is one next hop for each")
    if cache.device is not None and case.machine and case.machine.interfaces is not None:
        known = case.machine.interfaces
        if cache.device not in known:
            case.error((*path, "device"), f"this machine has no interface {cache.device}{near(cache.device, known)}")
    if families:
        for i, prefix in enumerate(cache.prefixes):
            version = ip_network(prefix).version
            if version not in families:
                case.error((*path, "prefixes", i), f"there is no next hop for IPv{version}")


def _health(case: Case, path: Path_, cache: Cache) -> None:
    health = cache.health
    path = (*path, "health")
    if health.check == "none":
        return
    if health.target is None and not cache.next_hop and path[:2] not in case.partial:
        case.error(path, "needs a target, since there is no next hop to try; or write `health: none`")
    if health.check == "tcp" and health.port is None and path[:2] not in case.partial:
        case.error(path, "a check by tcp needs a port")
    if health.check == "icmp" and health.port is not None:
        case.error((*path, "port"), "icmp has no ports")
    if health.check != "http" and health.path is not None:
        case.error((*path, "path"), f"a check by {health.check} has no path")
    if health.timeout > health.interval:
        case.error(path, "the timeout is longer than the interval")
