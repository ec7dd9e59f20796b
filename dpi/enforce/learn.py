"""What the daemon tells the kernel between two applies: servers that belong to a cache, and caches' health."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Iterable
from typing import NamedTuple

from dpi.enforce.netlink import NOT_FOUND, netfilter
from dpi.enforce.nft.elements import Element, change
from dpi.enforce.nft.networks import reached
from dpi.enforce.nft.view import family
from dpi.errors import KernelError
from dpi.policy.plan import KernelPlan

KNOWN = 65_536  # addresses remembered, so that a name asked for again costs no netlink
MIN_TTL = 10.0  # seconds; some names change with every answer, their connections take longer to begin


class _Cache(NamedTuple):
    name: str
    number: int  # of its sets
    versions: tuple[int, ...]  # of IP that it is reached by
    ttl: int  # seconds


class Learner:
    """Puts destinations into the sets by which new connections are routed.  May be called from any thread.

    Belongs to one plan; after a reload make a new one (the kernel keeps what was learnt).
    """

    def __init__(self, plan: KernelPlan) -> None:
        self._family = family(plan)
        self._caches = {
            name: _Cache(name, plan.targets[name], tuple(reached(routes)), routes[0].learn_ttl)
            for name, routes in plan.caches.items()
        }
        self._netfilter = netfilter()
        self._lock = threading.Lock()
        self._known: dict[tuple[int, bytes], float] = {}  # (route, address) → when it ends, monotonic
        self.refused = 0  # addresses for which the set had no room

    def close(self) -> None:
        self._netfilter.close()

    def forget(self) -> None:
        """The sets were made anew: what they had is to be told again."""
        with self._lock:
            self._known.clear()

    def learn(self, cache: str, addresses: Iterable[tuple[str | bytes, float]]) -> int:
        """(address, seconds to live) pairs → how many of them the kernel has been told.

        Addresses as text or packed.  One that the kernel has is told again only when half its time is over;
        the life is never longer than the cache's `learn_ttl`.  Unknown caches and IP versions for which the
        cache has no next hop are passed over.  KernelError when our table is gone.
        """
        wanted = self._caches.get(cache)
        if wanted is None:
            return 0
        now = time.monotonic()
        batches: dict[int, dict[bytes, float]] = {}
        with self._lock:
            for address, ttl in addresses:
                packed = _packed(address)
                version = 4 if len(packed) == 4 else 6
                life = min(max(ttl, MIN_TTL), max(wanted.ttl, MIN_TTL))
                if version in wanted.versions and self._known.get((wanted.number, packed), 0) - now < life / 2:
                    batches.setdefault(version, {})[packed] = life
            return sum(self._send(wanted, version, batch, now) for version, batch in batches.items())

    def _send(self, route: _Cache, version: int, batch: dict[bytes, float], now: float) -> int:
        name = f"route{route.number}_learnt{version}"
        fresh = [Element(key, life) for key, life in batch.items()]
        again = [Element(e.key) for e in fresh if self._known.get((route.number, e.key), 0) > now]
        code = change(self._netfilter, self._family, name, add=fresh, remove=again)
        if code in NOT_FOUND and again:  # one had just ended
            code = change(self._netfilter, self._family, name, add=fresh)
        if code == errno.ENFILE:
            self.refused += len(fresh)
            return 0
        if code:
            raise KernelError(f"learning for {route.name}: {os.strerror(code)}")
        if len(self._known) + len(fresh) > KNOWN:
            self._known = {key: end for key, end in self._known.items() if end > now}
            if len(self._known) + len(fresh) > KNOWN:
                self._known.clear()
        self._known.update({(route.number, key): now + life for key, life in batch.items()})
        return len(fresh)


def set_route_state(plan: KernelPlan, name: str, up: bool) -> None:
    """See `dpi.enforce.set_route_state`."""
    _tell(plan, name, "dead", not up)


def set_route_drained(plan: KernelPlan, name: str, drained: bool) -> None:
    """See `dpi.enforce.set_route_drained`."""
    _tell(plan, name, "drained", drained)


def _tell(plan: KernelPlan, name: str, state: str, is_so: bool) -> None:
    route = next((r for r in plan.routes if r.name == name), None)
    if route is None:
        raise KernelError(f"no route named {name}")
    mark = Element(struct.pack("=I", plan.marks.route(route.number)))
    with netfilter() as kernel:
        set_name = f"route{route.number}_{state}"
        # To add what is there is no error, to remove what is not would be: so not so is both, in one transaction.
        code = change(kernel, family(plan), set_name, add=[mark], then_remove=[] if is_so else [mark])
    if code:
        raise KernelError(f"route {name}: {os.strerror(code)}")


def _packed(address: str | bytes) -> bytes:
    if isinstance(address, bytes):
        return address
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
