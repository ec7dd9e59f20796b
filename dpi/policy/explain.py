"""Why a flow falls under a rule, or under none: each rule in order, and the condition at which it ended.

For people (`dpi why`).  It answers as the table does that the loop asks (dpi/match/rule_table.pyx); a property test
holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Literal

from dpi.policy.conditions import NOTHING, Holding, unmet
from dpi.policy.link_layer import mac_number, mac_text
from dpi.policy.plan import EnginePlan, Match, PlannedRule
from dpi.policy.show import several
from dpi.policy.units import dscp_name


@dataclass(frozen=True)
class Facts:
    """What is known of a flow; empty or None where it is not known (yet).

    Categories: its app's own and those that it is within; its protocol's where it has no app.
    """

    app: str = ""
    protocol: str = ""
    categories: tuple[str, ...] = ()
    host: str = ""
    local: str = ""  # addresses
    remote: str = ""
    port: int = 0  # of the side that was opened to
    transport: str = ""  # tcp, udp, icmp, sctp
    direction: Literal["out", "in"] | None = None
    dscp: int = 0
    vlan: int = 0
    mac: str = ""  # of the local side


@dataclass(frozen=True)
class Verdict:
    """What one rule says of a flow."""

    rule: PlannedRule
    matched: bool
    reason: str  # the first condition that failed, in words; empty where none did


def explain(plan: EnginePlan, facts: Facts, holding: Holding = NOTHING) -> list[Verdict]:
    """The rules up to and with the one that decides; all of them where none does."""
    verdicts = []
    for rule in plan.rules:
        reason = next(failures(rule.match, facts, holding), "")
        verdicts.append(Verdict(rule, not reason, reason))
        if not reason:
            break
    return verdicts


def failures(match: Match, facts: Facts, holding: Holding = NOTHING) -> Iterator[str]:
    """Each condition that does not hold, in words."""
    yield from unmet(match, holding)
    if match.over and (over := holding.prefixes(match)) and not _inside(facts.local, tuple(over)):
        yield f"{facts.local or 'the local address'} has not used up {' or '.join(match.over)}"
    if match.apps and facts.app not in match.apps and facts.protocol not in match.apps:
        yield f"{_is('app', facts.app or facts.protocol)}, not {_of(match.apps)}"
    if match.protocols and facts.protocol not in match.protocols:
        yield f"{_is('protocol', facts.protocol)}, not {_of(match.protocols)}"
    if match.categories and not set(match.categories) & set(facts.categories):
        yield f"{_is('category', ' in '.join(facts.categories))}, not {_of(match.categories)}"
    if match.hosts and not any(host_matches(pattern, facts.host) for pattern in match.hosts):
        yield f"{_is('host', facts.host)}, not {_of(match.hosts)}"
    for side, prefixes, address in (("local", match.local, facts.local), ("remote", match.remote, facts.remote)):
        if prefixes and not _inside(address, prefixes):
            yield f"{_is(f'{side} address', address)}, not in {_of(prefixes)}"
    if match.ports and not any(first <= facts.port <= last for first, last in match.ports):
        ranges = tuple(str(a) if a == b else f"{a}-{b}" for a, b in match.ports)
        yield f"{_is('port', str(facts.port) if facts.port else '')}, not {_of(ranges)}"
    if match.transports and facts.transport not in match.transports:
        yield f"{_is('transport', facts.transport)}, not {_of(match.transports)}"
    if match.direction is not None and facts.direction != match.direction:
        words = {"out": "from the LAN", "in": "from outside", None: "by an unknown side"}
        yield f"it was opened {words[facts.direction]}, not {words[match.direction]}"
    if match.dscp and facts.dscp not in match.dscp:
        yield f"dscp is {dscp_name(facts.dscp)}, not {_of(tuple(map(dscp_name, match.dscp)))}"
    if match.vlans and facts.vlan not in match.vlans:
        yield f"vlan is {facts.vlan}, not {_of(tuple(map(str, match.vlans)))}"
    if match.devices and (macs := holding.macs(match)) and facts.mac not in macs:
        yield f"{facts.mac or 'the device'} is not known to be {' or '.join(match.devices)}"
    if match.macs and not any(mac_matches(prefix, facts.mac) for prefix in match.macs):
        yield f"{_is('MAC address', facts.mac)}, not {_of(tuple(map(mac_text, match.macs)))}"


def mac_matches(prefix: str, mac: str) -> bool:
    """Whether a MAC address begins as `02:11:22:00:00:00/24` says."""
    bits, wanted = mac_number(prefix)
    return bool(mac) and (int(mac.replace(":", ""), 16) ^ wanted) >> 48 - bits == 0


def host_matches(pattern: str, host: str) -> bool:
    """`example.org` (it and all below), `*.example.org` (below only), `=example.org` (it alone)."""
    if not host:
        return False
    if pattern.startswith("="):
        return host == pattern[1:]
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern or host.endswith("." + pattern)


def _inside(address: str, prefixes: tuple[str, ...]) -> bool:
    if not address:
        return False
    known = ip_address(address)
    if known.version == 6 and known.ipv4_mapped:
        known = known.ipv4_mapped
    return any(known in network for network in map(ip_network, prefixes) if network.version == known.version)


def _is(what: str, value: str) -> str:
    return f"{what} is {value}" if value else f"{what} is not known"


def _of(values: tuple[str, ...]) -> str:
    return several("", values).strip()
