"""Where new connections would go: what the kernel would know of the servers of caches.

The kernel routes by destination alone, so whoever else uses a server's address goes to the cache with it.  This keeps
what enforce/nft/text.py has the kernel keep: of each route the prefixes of the policy, and addresses that were learnt
from DNS answers or from flows that showed their name, for as long as they stay.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpi.enforce.learn import MIN_TTL
from dpi.enforce.nft.text import versions
from dpi.match.prefixes import Prefixes
from dpi.policy.plan import Plan, Route


@dataclass(frozen=True)
class Origin:
    """Why an address is a cache's."""

    route: str
    by: str  # dns, flow, prefix
    name: str  # the host name that it was learnt for, or the prefix


class Destinations:
    """Addresses and the caches that their new connections go to.  All caches are taken to be up.  Times in seconds."""

    def __init__(self, plan: Plan) -> None:
        self._routes = plan.kernel.routes
        self._by_number = {route.number: route for route in self._routes}
        self._hops = {hop for route in self._routes for hop in (route.next_hop4, route.next_hop6) if hop}
        self._learnt: dict[tuple[str, str], tuple[float, Origin]] = {}  # (route, address) → until when, why
        self._known = {
            route.name: Prefixes([(prefix, 1) for prefix in route.prefixes]) for route in self._routes if route.prefixes
        }

    def route(self, number: int) -> Route | None:
        return self._by_number.get(number)

    def answered(self, route: Route, address: str, now: float, ttl: float, name: str) -> None:
        """A DNS answer named an address for a name of the cache's."""
        life = min(max(ttl, MIN_TTL), max(route.learn_ttl, MIN_TTL))
        self._learn(route, address, now + life, Origin(route.name, "dns", name))

    def shown(self, route: Route, address: str, now: float, name: str) -> None:
        """A flow that belongs to the cache has a packet to or from this server."""
        self._learn(route, address, now + max(1, route.learn_ttl), Origin(route.name, "flow", name))

    def _learn(self, route: Route, address: str, until: float, origin: Origin) -> None:
        if _version(address) not in versions(route):
            return
        key = route.name, address
        before = self._learnt.get(key)
        if before is None:
            self._learnt[key] = until, origin
        elif until > before[0]:
            self._learnt[key] = until, before[1]

    def find(self, source: str, address: str, now: float) -> Origin | None:
        """Which cache a connection that begins now goes to, and why; None: its normal way."""
        if not self._routes or source in self._hops:
            return None
        for route in self._routes:
            until, origin = self._learnt.get((route.name, address), (0.0, None))
            if origin and until > now:
                return origin
            known = self._known.get(route.name)
            hit = known.match(address) if known else None
            if hit and _version(address) in versions(route):
                return Origin(route.name, "prefix", route.prefixes[hit.entry])
        return None


def _version(address: str) -> int:
    return 6 if ":" in address else 4
