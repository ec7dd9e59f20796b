"""A plan's rules as the loop's tables, and the same tables asked of a flow's record.

Where no packets come (a policy that is only thought of, flows that have ended), the answer is still the loop's own:
facts_of() says of a record what decide/disposition.pyx says of a flow, and ask() looks that up in the same table.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from dpi.match.addresses import pack
from dpi.match.labels import Tables
from dpi.match.rules import Rules
from dpi.policy.conditions import NOTHING, Holding, absent
from dpi.policy.explain import Facts
from dpi.policy.link_layer import OCTETS, mac_number
from dpi.policy.plan import EnginePlan, Match, PlannedRule
from dpi.record.fields import FlowRecord

PROVISIONAL = 0.8  # flow/evidence.pxd
V4_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_PROTOCOLS = {"icmp": (1, 58), "tcp": (6,), "udp": (17,), "sctp": (132,)}
# What is asked of a name and an address, before there is a flow.
STEERED = ("apps", "categories", "hosts", "local", "remote", "disposition", "route", "absent")
_OPENED = {None: 0, "out": 1, "in": 2}

_Prefix = tuple[bytes, int]  # 16 bytes, how many bits of them count


def tables(
    plan: EnginePlan, routes: Mapping[str, int], signatures: Tables, holding: Holding | None = None
) -> tuple[Rules, Rules]:
    """The rules, and those of them that have a route, as a DNS answer is asked.

    routes: the numbers of the routes that rules name (KernelPlan.targets).  holding: the conditions that hold; a rule
    whose condition does not is never found, and keeps its number.  Raises KeyError for an app, a category or a route
    that is not known.
    """
    holding = holding or NOTHING
    rules = [
        _rule(rule, routes, signatures) | {"absent": absent(rule.match, holding)} | _narrowed(rule.match, holding)
        for rule in plan.rules
    ]
    steer = [
        {key: rule[key] for key in STEERED} for rule, planned in zip(rules, plan.rules, strict=True) if planned.route
    ]
    return Rules(rules), Rules(steer)


def facts_of(record: FlowRecord, signatures: Tables) -> Facts:
    """What rules may ask of a flow.

    By a name that is not sure they act only when the flow is settled, and asking for a name is not using it.
    """
    sure = record.decided_at > 0 or (record.app is not None and record.confidence >= PROVISIONAL)
    named = sure and record.protocol != "dns"
    app = (record.app or "") if named else ""
    inward = record.direction == "in"
    return Facts(
        app=app,
        protocol=record.protocol,
        categories=categories_of(app or record.protocol, signatures),
        host=(record.hostname or "") if named else "",
        local=record.dst if inward else record.src,
        remote=record.src if inward else record.dst,
        port=record.dport,
        transport="icmp" if record.l4.startswith("icmp") else record.l4,
        direction="in" if inward else "out",
        dscp=record.dscp,
        vlan=record.vlan,
        mac=record.mac or "",
    )


def categories_of(slug: str, signatures: Tables) -> tuple[str, ...]:
    """A label's category and those that it is within, the narrowest first."""
    label = signatures.by_slug.get(slug)
    found: list[str] = []
    category = label.category if label else None
    while category is not None and category.slug not in found:
        found.append(category.slug)
        category = signatures.category_by_slug[category.within] if category.within else None
    return tuple(found)


def ask(rules: Rules, facts: Facts, signatures: Tables) -> int | None:
    """The number of the first rule that holds, as the loop would find it; None where none does."""
    app, protocol = (signatures.by_slug.get(slug) for slug in (facts.app, facts.protocol))
    return rules.ask(
        app=app.id if app else 0,
        protocol=protocol.id if protocol else 0,
        category=signatures.category_by_slug[facts.categories[0]].id if facts.categories else 0,
        host=facts.host.encode(),
        local=pack(facts.local) if facts.local else bytes(16),
        remote=pack(facts.remote) if facts.remote else bytes(16),
        port=facts.port,
        proto=_number(facts),
        opened=_OPENED[facts.direction],
        dscp=facts.dscp,
        vlan=facts.vlan,
        mac=bytes.fromhex(facts.mac.replace(":", "")),
    )


def _number(facts: Facts) -> int:
    if facts.transport == "icmp":
        return 58 if ":" in facts.remote else 1
    if facts.transport.isdecimal():
        return int(facts.transport)
    return _PROTOCOLS.get(facts.transport, (0,))[0]  # no rule asks for others


def _rule(rule: PlannedRule, routes: Mapping[str, int], signatures: Tables) -> dict[str, Any]:
    match = rule.match
    return {
        "apps": [signatures.by_slug[slug].id for slug in match.apps],
        "protocols": [signatures.by_slug[slug].id for slug in match.protocols],
        "categories": _categories(match, signatures),
        "hosts": match.hosts,
        "local": [prefix for text in match.local for prefix in _prefixes(text)],
        "remote": [prefix for text in match.remote for prefix in _prefixes(text)],
        "ports": match.ports,
        "transports": [number for name in match.transports for number in _PROTOCOLS[name]],
        "direction": _OPENED[match.direction],
        "dscp": match.dscp,
        "vlans": match.vlans,
        "macs": [_mac(prefix) for prefix in match.macs],
        "disposition": rule.disposition,
        "route": routes[rule.route] if rule.route else 0,
        "log": rule.log,
    }


def _narrowed(match: Match, holding: Holding) -> dict[str, Any]:
    """What conditions that hold for a part of the LAN leave of the rule's own; absent where that is nothing."""
    found: dict[str, Any] = {}
    if match.over:
        over = [prefix for text in holding.prefixes(match) for prefix in _prefixes(text)]
        found["local"] = _common(over, [prefix for text in match.local for prefix in _prefixes(text)])
    if match.devices:
        known = [_mac(f"{mac}/{8 * OCTETS}") for mac in holding.macs(match)]
        found["macs"] = _common(known, list(map(_mac, match.macs)))
    return found if all(found.values()) else found | {"absent": True}


def _common(holding: list[_Prefix], own: list[_Prefix]) -> list[_Prefix]:
    """What is of both; an empty `own` is everything."""
    if not own:
        return holding
    within = [a for a in holding if any(_holds(b, a) for b in own)]
    return within + [b for b in own if any(_holds(a, b) for a in holding)]


def _holds(wide: _Prefix, narrow: _Prefix) -> bool:
    low = 128 - wide[1]
    return wide[1] <= narrow[1] and int.from_bytes(wide[0], "big") >> low == int.from_bytes(narrow[0], "big") >> low


def _categories(match: Match, signatures: Tables) -> list[int]:
    """The categories named, and those within them."""
    wanted = set(match.categories)
    for slug in wanted:
        signatures.category_by_slug[slug]
    categories = signatures.categories
    for _ in categories:
        wanted |= {each.slug for each in categories if each.within in wanted}
    return [each.id for each in categories if each.slug in wanted]


def _mac(prefix: str) -> tuple[bytes, int]:
    """The beginning of a MAC address as the rules take it."""
    bits, number = mac_number(prefix)
    return number.to_bytes(OCTETS, "big") + bytes(16 - OCTETS), bits


def _prefixes(text: str) -> list[tuple[bytes, int]]:
    """A prefix as the rules take it.  One of IPv6 leaves out where IPv4 addresses are kept; ::/0 would have them."""
    network = ipaddress.ip_network(text, strict=False)
    if isinstance(network, ipaddress.IPv4Network):
        return [(pack(str(network.network_address)), network.prefixlen + 96)]
    parts = network.address_exclude(V4_MAPPED) if V4_MAPPED.subnet_of(network) else [network]
    return [(part.network_address.packed, part.prefixlen) for part in parts]
