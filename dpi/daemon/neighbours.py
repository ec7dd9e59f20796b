"""The addresses of subscribers who are known by MAC addresses: learnt of the kernel's neighbours on the LAN.

What is told of one neighbour does not depend on what is told of others, so they may be told in any order.  An address
stays its device's for a while after the kernel has forgotten it, and goes at once to another that takes it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import lru_cache
from typing import NamedTuple

from dpi.enforce import neighbours
from dpi.enforce.neighbours import Neighbour
from dpi.errors import DpiError
from dpi.subscriber_table import Learnt

log = logging.getLogger("dpi")

MOST = 64  # addresses of one subscriber: beyond, those that were learnt first are left out
MOST_GONE = 16_384  # neighbours that the kernel has forgotten: beyond, so do we
GONE_SECONDS = 300.0  # that an address stays one's when the kernel has forgotten it
SETTLE_SECONDS = 0.02  # after news, so that those that come together are one change
LOOK_SECONDS = 10.0  # between two looks at what has been gone for too long
RETRY_SECONDS = 1.0


class _Entry(NamedTuple):
    mac: str
    since: float  # Unix time at which it was first told with this MAC address
    gone: float | None = None


class Addresses:
    """What is known of neighbours.  Times are Unix times."""

    def __init__(self) -> None:
        self._macs: frozenset[str] = frozenset()
        self._interfaces: frozenset[int] = frozenset()
        self._entries: dict[tuple[int, str], _Entry] = {}

    def use(self, macs: Collection[str], interfaces: Collection[int]) -> None:
        """Of these is kept what is told; all() has to follow, for of others it was not."""
        self._macs, self._interfaces = frozenset(macs), frozenset(interfaces)
        self._entries = {k: e for k, e in self._entries.items() if e.mac in self._macs and k[0] in self._interfaces}

    def tell(self, neighbour: Neighbour, now: float) -> None:
        """One has changed."""
        key = neighbour.interface, neighbour.address
        if neighbour.interface not in self._interfaces or not routed(neighbour.address):
            return
        entry = self._entries.get(key)
        if neighbour.mac is None:
            if entry and entry.gone is None:
                self._entries[key] = entry._replace(gone=now)
        elif neighbour.mac not in self._macs:
            self._entries.pop(key, None)
        else:
            since = entry.since if entry and entry.mac == neighbour.mac else now
            self._entries[key] = _Entry(neighbour.mac, since)

    def all(self, there: Iterable[Neighbour], now: float) -> None:
        """These are all that there are."""
        there = list(there)
        known = {(each.interface, each.address) for each in there}
        for interface, address in self._entries.keys() - known:
            self.tell(Neighbour(interface, address, None), now)
        for each in there:
            self.tell(each, now)

    def forget(self, now: float) -> None:
        """What has been gone for too long, or is too much."""
        gone = {key: entry.gone for key, entry in self._entries.items() if entry.gone is not None}
        old = sorted(gone, key=lambda key: gone[key])[: max(0, len(gone) - MOST_GONE)]
        for key in {*old, *(key for key, when in gone.items() if now - when >= GONE_SECONDS)}:
            del self._entries[key]

    def table(self, owner: Callable[[str], str | None], taken: Callable[[str], bool]) -> dict[str, Learnt]:
        """By address.  owner: whose a MAC address is, None for nobody's; taken: whether an address is one's already."""
        newest: dict[str, tuple[tuple[bool, float, int], str]] = {}
        for (interface, address), entry in self._entries.items():
            rank = entry.gone is None, entry.since, interface
            if address not in newest or rank > newest[address][0]:
                newest[address] = rank, entry.mac
        by_owner: dict[str, list[tuple[tuple[bool, float, int], str, str]]] = {}
        for address, (rank, mac) in newest.items():
            if (who := owner(mac)) is not None and not taken(address):
                by_owner.setdefault(who, []).append((rank, address, mac))
        found: dict[str, Learnt] = {}
        for theirs in by_owner.values():
            for rank, address, mac in sorted(theirs, reverse=True)[:MOST]:
                found[address] = Learnt(mac, rank[1])
        return found


@lru_cache(maxsize=4096)
def routed(address: str) -> bool:
    """Whether packets of it may pass a router."""
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified or parsed.is_loopback)


class Neighbours:
    """Follows the kernel."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._events: neighbours.Events | None = None
        self._news = asyncio.Event()
        self.addresses = Addresses()

    def use(self, macs: Collection[str], interfaces: Collection[int]) -> None:
        """A policy is in force: these are to be known; none: nothing is followed."""
        if not macs:
            self.close()
            return
        if self._events is None:
            self._events = neighbours.Events()
            asyncio.get_running_loop().add_reader(self._events.fileno(), self._read)
        self.addresses.use(macs, interfaces)
        self._dump()

    def close(self) -> None:
        if self._events:
            asyncio.get_running_loop().remove_reader(self._events.fileno())
            self._events.close()
            self._events, self.addresses = None, Addresses()

    def _dump(self) -> None:
        self.addresses.all(neighbours.dump(), self._clock())
        self._news.set()

    def _read(self) -> None:
        assert self._events
        try:
            found = self._events.read()
        except OSError as error:
            if not neighbours.is_lost(error):
                raise
            log.info("news of neighbours were lost: all are read again")
            self._dump()
            return
        for each in found:
            self.addresses.tell(each, self._clock())
        if found:
            self._news.set()

    async def run(self, changed: Callable[[], Awaitable[None]]) -> None:
        """changed: awaited when addresses may have come or gone."""
        while True:
            try:
                await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)
                await asyncio.sleep(SETTLE_SECONDS)
            except TimeoutError:
                pass
            self._news.clear()
            self.addresses.forget(self._clock())
            began = time.monotonic()
            try:
                await changed()
            except DpiError as error:
                log.warning("%s", error)
                self._news.set()
                await asyncio.sleep(RETRY_SECONDS)
            await asyncio.sleep(10 * (time.monotonic() - began))  # where there are many, not all the time
