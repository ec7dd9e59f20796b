"""Tariffs, sites and subscribers: that what they name exists, that rates fit, and that a key is one's alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dpi.policy.branches import MOST_TREES, bits, room
from dpi.policy.checks.case import Case
from dpi.policy.checks.classes import children
from dpi.policy.checks.interfaces import check_vlans
from dpi.policy.findings import near
from dpi.policy.link_layer import made_of
from dpi.policy.load import Path_
from dpi.policy.model.classes import Rates
from dpi.policy.plan import DIRECTIONS
from dpi.policy.units import rate_text

LEAST_IDLE, MOST_IDLE = 5.0, 7 * 86_400.0  # seconds
MAX_SITES = 5  # HTB has 8 levels: the link, sites, a subscriber and its classes


def check(case: Case) -> None:
    policy = case.policy
    listed = policy.subscribers
    if listed.entries or listed.default:
        if policy.link is None and "link" not in case.broken:
            case.error(("subscribers",), "`link` is missing: subscribers share it", key=True)
        if not policy.classes and "classes" not in case.broken:
            case.error(("subscribers",), "`classes` is missing: the default one is for what is nobody's", key=True)
    for name, tariff in policy.tariffs.items():
        path: Path_ = ("tariffs", name)
        _both(case, (*path, "rate"), tariff.rate)
        if policy.link is not None:
            _ceil(case, path, tariff.rate, tariff.ceil)
            _shares(case, path, name)
    _sites(case)
    if listed.default and listed.default not in case.named("tariffs"):
        hint = near(listed.default, policy.tariffs)
        case.error(("subscribers", "default"), f"there is no tariff {listed.default}{hint}")
    if not LEAST_IDLE <= listed.idle <= MOST_IDLE:
        case.error(("subscribers", "idle"), "is between 5s and 7d")
    _entries(case)
    if not case.findings and not case.broken:
        _room(case)


def _both(case: Case, path: Path_, rates: Rates) -> None:
    for direction in DIRECTIONS:
        if rates.of(direction) is None:
            case.error(path, f"a rate for {direction} is missing")


def _ceil(case: Case, path: Path_, rates: Rates, ceils: Rates | None) -> None:
    link = case.policy.link
    assert link
    for direction in DIRECTIONS:
        rate, ceil = rates.of(direction), ceils.of(direction) if ceils else None
        whole = link.down if direction == "down" else link.up
        if rate and ceil and ceil.of(whole) < rate.of(whole):
            under = f"{rate_text(ceil.of(whole))} is under the rate of {rate_text(rate.of(whole))}"
            case.error((*path, "ceil"), f"{direction}: {under}")
        most = ceil or rate
        if most and most.of(whole) > whole:
            over = f"{rate_text(most.of(whole))} is over the link's {rate_text(whole)}"
            case.warn((*path, "ceil" if ceil else "rate"), f"{direction}: {over}")


def _shares(case: Case, path: Path_, name: str) -> None:
    policy = case.policy
    tariff, link = policy.tariffs[name], policy.link
    assert link
    known, below = case.named("classes"), children(policy.classes)
    for class_ in tariff.classes:
        if class_ not in known:
            case.error((*path, "classes", class_), f"there is no class {class_}{near(class_, known)}", key=True)
        elif class_ in below:
            case.error((*path, "classes", class_), f"{class_} has classes below it, so no traffic of its own", key=True)
    for direction in DIRECTIONS:
        asked = tariff.rate.of(direction)
        if not asked:
            continue
        whole = asked.of(link.down if direction == "down" else link.up)
        rates = [share.rate.of(direction) for share in tariff.classes.values()]
        total = sum(rate.of(whole) for rate in rates if rate)
        if total > whole:
            message = f"{direction}: the shares come to {rate_text(total)} of {rate_text(whole)}"
            case.warn((*path, "classes"), message + "; when all are busy each gets less", key=True)


def _sites(case: Case) -> None:
    sites = case.policy.sites
    for name, site in sites.items():
        path: Path_ = ("sites", name)
        _both(case, (*path, "rate"), site.rate)
        if case.policy.link is not None:
            _ceil(case, path, site.rate, None)
        above, parent = [name], site.parent
        if parent is not None and parent not in case.named("sites"):
            case.error((*path, "parent"), f"there is no site {parent}{near(parent, sites)}")
        while parent is not None and parent in sites and parent not in above:
            above.append(parent)
            parent = sites[parent].parent
        if parent == name:
            case.error((*path, "parent"), "a site cannot be behind itself: " + " → ".join([*above, name]))
        elif len(above) > MAX_SITES:
            case.error((*path, "parent"), f"{len(above)} sites deep; there can be {MAX_SITES}")


def _entries(case: Case) -> None:
    tariffs, sites = set(case.named("tariffs")), set(case.named("sites"))
    owners: dict[str | int, str] = {}
    for name, subscriber in case.policy.subscribers.entries.items():
        path: Path_ = ("subscribers", "entries", name)
        if subscriber.tariff not in tariffs:
            case.error((*path, "tariff"), f"there is no tariff {subscriber.tariff}{near(subscriber.tariff, tariffs)}")
        if subscriber.parent is not None and subscriber.parent not in sites:
            case.error((*path, "parent"), f"there is no site {subscriber.parent}{near(subscriber.parent, sites)}")
        kinds: dict[str, Sequence[str | int]]
        kinds = {"address": subscriber.address, "mac": subscriber.mac, "vlan": subscriber.vlan}
        if not any(kinds.values()):
            case.error(path, "needs an address, a MAC address or a VLAN", key=True)
        for kind, given in kinds.items():
            for i, key in enumerate(given):
                owner = owners.setdefault(key, name)
                if owner != name or given.index(key) < i:
                    where = case.document.where(("subscribers", "entries", owner))
                    spelled = str(key).removesuffix("/32").removesuffix("/128")
                    said = f"VLAN {spelled}" if kind == "vlan" else spelled
                    case.error((*path, kind, i), f"{said} is {owner}'s already, at {where}")
        check_vlans(case, (*path, "vlan"), subscriber.vlan)
    _made_of_others(case, owners)
    _without_addresses(case)


def _without_addresses(case: Case) -> None:
    """Rules that ask for a quota that is used up know who has by addresses: some subscribers have none that we know."""
    policy = case.policy
    bridge = policy.interfaces.mode == "bridge"
    without = [n for n, s in policy.subscribers.entries.items() if not (s.address or (s.mac and not bridge))]
    if not without or "interfaces" in case.broken:
        return
    more = f" and {len(without) - 1} more" if len(without) > 1 else ""
    for name, rule in policy.rules.items():
        for i, quota in enumerate(rule.match.over):
            if quota in policy.quotas and policy.quotas[quota].each != "host":
                text = f"never holds for {without[0]}{more}: it goes by address, and none is known of them"
                case.warn(("rules", name, "match", "over", i), text)


def _made_of_others(case: Case, owners: Mapping[str | int, str]) -> None:
    """Addresses that a device made of its MAC address (RFC 4291, appendix A), which is another subscriber's."""
    for name, subscriber in case.policy.subscribers.entries.items():
        for i, prefix in enumerate(subscriber.address):
            mac = made_of(prefix)
            owner = owners.get(mac, name) if mac else name
            if owner != name:
                where = case.document.where(("subscribers", "entries", owner))
                text = (
                    f"{prefix.removesuffix('/128')} is made of {mac}, which is {owner}'s, at {where}; it stays {name}'s"
                )
                case.warn(("subscribers", "entries", name, "address", i), text)


def _room(case: Case) -> None:
    """Whether there are numbers for all of them."""
    from dpi.policy.subscribe import SITE, groups, shared_classes

    policy = case.policy
    if not (policy.subscribers.entries or policy.subscribers.default):
        return
    width = bits(len(shared_classes(policy)))
    found = groups(policy)
    total = sum(map(len, found))
    if total <= room(0, width):
        return
    lan, wan = ({port.device for port in ports} for ports in (policy.interfaces.lan, policy.interfaces.wan))
    if len(lan) > 1 or len(wan) > 1 or lan & wan:
        message = (
            f"{total:,} sites and subscribers, more than {room(0, width):,}, need one device as lan and another as wan"
        )
        case.error(("subscribers",), message, key=True)
    most = room(MOST_TREES, width)
    for group in found:
        if len(group) > most:
            site = group[0].removeprefix(SITE)
            message = f"{len(group):,} sites and subscribers are behind {site}; one can hold {most:,}: make it several"
            case.error(("sites", site), message, key=True)
    if total > most * MOST_TREES // 2:
        case.error(("subscribers",), f"{total:,} are too many; there is room for {most * MOST_TREES // 2:,}", key=True)
