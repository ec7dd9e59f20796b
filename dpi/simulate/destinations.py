"""Where new connections would go: what the kernel would know of the servers of caches.

The kernel routes by destination alone, so whoever else uses a server's address goes to the cache with it.  This keeps
what enforce/nft/caches.py has the kernel keep: of each route the prefixes of the policy, and addresses that were learnt
from DNS answers or from flows that showed their name, for as long as they stay.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpi.enforce.learn import MIN_TTL
from dpi.enforce.nft.networks import reached
from dpi.match.prefixes import Prefixes
from dpi.policy.plan import HTTP, Plan
from dpi.record.fields import FlowRecord


@dataclass(frozen=True)
class Origin:
    """Why an address is a cache's."""

    cache: str
    by: str  # dns, flow, prefix
    name: str  # the host name that it was learnt for, or the prefix


@dataclass(frozen=True)
class Cache:
    """What is steered to it, whichever of its machines takes it."""

    name: str
    number: int
    versions: tuple[int, ...]  # of IP that it is reached by
    ttl: int  # seconds that what was learnt stays
    prefixes: tuple[str, ...]
    plain: bool  # takes plain HTTP alone


def is_plain(record: FlowRecord) -> bool:
    """Whether a flow is what a proxy takes."""
    return (record.l4, record.dport) == ("tcp", HTTP)


class Destinations:
    """Addresses and the caches that their new connections go to.  All caches are taken to be up.  Times in seconds."""

    def __init__(self, plan: Plan) -> None:
        targets = plan.kernel.targets
        self._caches = [
            Cache(name, targets[name], tuple(reached(routes)), one.learn_ttl, one.prefixes, one.kind == "proxy")
            for name, routes in plan.kernel.caches.items()
            for one in routes[:1]
        ]
        self._by_number = {cache.number: cache for cache in self._caches}
        own = [prefix for route in plan.kernel.routes for prefix in route.own]
        self._own = Prefixes([(prefix, 1) for prefix in own]) if own else None
        self._learnt: dict[tuple[str, str], tuple[float, Origin]] = {}  # (cache, address) → until when, why
        self._known = {
            cache.name: Prefixes([(prefix, 1) for prefix in cache.prefixes]) for cache in self._caches if cache.prefixes
        }

    def cache(self, number: int) -> Cache | None:
        return self._by_number.get(number)

    def named(self, name: str | None) -> Cache | None:
        return next((cache for cache in self._caches if cache.name == name), None)

    def answered(self, cache: Cache, address: str, now: float, ttl: float, name: str) -> None:
        """A DNS answer named an address for a name of the cache's."""
        life = min(max(ttl, MIN_TTL), max(cache.ttl, MIN_TTL))
        self._learn(cache, address, now + life, Origin(cache.name, "dns", name))

    def shown(self, cache: Cache, address: str, now: float, name: str) -> None:
        """A flow that belongs to the cache has a packet to or from this server."""
        self._learn(cache, address, now + max(1, cache.ttl), Origin(cache.name, "flow", name))

    def _learn(self, cache: Cache, address: str, until: float, origin: Origin) -> None:
        if _version(address) not in cache.versions:
            return
        key = cache.name, address
        before = self._learnt.get(key)
        if before is None:
            self._learnt[key] = until, origin
        elif until > before[0]:
            self._learnt[key] = until, before[1]

    def find(self, source: str, address: str, now: float, *, plain: bool) -> Origin | None:
        """Which cache a connection that begins now goes to, and why; None: its normal way.  plain: is_plain() of it."""
        if not self._caches or (self._own and self._own.match(source)):
            return None
        for cache in self._caches:
            if cache.plain and not plain:
                continue
            until, origin = self._learnt.get((cache.name, address), (0.0, None))
            if origin and until > now:
                return origin
            known = self._known.get(cache.name)
            hit = known.match(address) if known else None
            if hit and _version(address) in cache.versions:
                return Origin(cache.name, "prefix", cache.prefixes[hit.entry])
        return None


def _version(address: str) -> int:
    return 6 if ":" in address else 4
