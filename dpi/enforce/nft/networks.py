"""Addresses of a plan by IP version, and by which version a cache is reached."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from dpi.policy.plan import KernelPlan, Route

WORD = {4: "ip", 6: "ip6"}  # of nft's expressions


def by_version(prefixes: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    """Prefixes merged (an interval set takes no overlaps), by IP version."""
    networks = [ipaddress.ip_network(p, strict=False) for p in prefixes]
    four = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network))
    return [(v, text) for v, text in ((4, [str(n) for n in four]), (6, [str(n) for n in six])) if text]


def local_networks(plan: KernelPlan) -> list[tuple[int, list[str]]]:
    """What is behind the LAN, by IP version."""
    return by_version(plan.local)


def versions(route: Route) -> list[int]:
    """The IP versions that a route has a way for."""
    if route.kind == "dns":
        return []
    return [
        version
        for version, hop in ((4, route.next_hop4), (6, route.next_hop6))
        if hop or route.here or (route.device and not (route.next_hop4 or route.next_hop6))
    ]


def reached(routes: Iterable[Route]) -> list[int]:
    """The IP versions that any of them has a way for."""
    return sorted({version for route in routes for version in versions(route)})
