"""Answers DNS queries in the resolver's place with a cache's address.

The loop holds a query of the LAN for a name whose rule routes to a cache of `kind: dns`, and says so (`Asked`).  We
answer with the resolver's address and have the query dropped.  What we do not answer in time, or at all, is let go by
the queue's reader at its deadline, and goes to the resolver as if we were not there.

Our answers bear a mark by which the table keeps them out of connection tracking: a tracked one would begin a connection
from the resolver to the client, and the client's next query, as an answer in it, would leave without NAT.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Sequence

from dpi.daemon.raw import Sender, packet
from dpi.flow_events import Asked
from dpi.policy.plan import KernelPlan, Route
from dpi.policy.spread import SLOTS, TRIES, owners

LIFE = 30  # seconds that clients may keep an answer: so long they may miss that a cache went down
LATE = 0.04  # seconds after which a query is as good as let go: the reader does so at 0.05
A, AAAA, OPT = 1, 28, 41
HEADER = struct.Struct(">6H")
RESPONSE, RECURSION_DESIRED, RECURSION_AVAILABLE, CHECKING_DISABLED = 0x8000, 0x0100, 0x0080, 0x0010
DNSSEC_OK = 0x8000


def answer(query: bytes, address4: bytes | None, address6: bytes | None) -> bytes | None:
    """The answer to a query with one question, None where it is no such thing (RFC 1035, 4.1).

    The question is given back as it was written, since resolvers check its case.  Of a type or a family that we have no
    address of, the answer is that the name has none (RFC 2308, 2.2).
    """
    if len(query) < HEADER.size:
        return None
    number, flags, questions, answers, authorities, additionals = HEADER.unpack_from(query)
    if flags & RESPONSE or questions != 1 or answers or authorities or additionals > 1:
        return None
    end = _name_end(query, HEADER.size)
    if end is None or len(query) < end + 4:
        return None
    kind, class_ = struct.unpack_from(">HH", query, end)
    end += 4
    address = {A: address4, AAAA: address6}.get(kind)
    record = b""
    if address:
        record = struct.pack(">HHHIH", 0xC000 | HEADER.size, kind, class_, LIFE, len(address)) + address
    option = _option(query[end:]) if additionals else b""
    if option is None:
        return None
    flags = RESPONSE | RECURSION_AVAILABLE | flags & (RECURSION_DESIRED | CHECKING_DISABLED)
    header = HEADER.pack(number, flags, 1, bool(record), 0, bool(option))
    return header + query[HEADER.size : end] + record + option


def _name_end(query: bytes, at: int) -> int | None:
    """Behind the name, which a question has no reason to compress."""
    while at < len(query):
        length = query[at]
        if length == 0:
            return at + 1
        if length > 63:
            return None
        at += 1 + length
    return None


def _option(rest: bytes) -> bytes | None:
    """An OPT record for one that came with the query (RFC 6891, 6.1); None where it was something else."""
    if len(rest) < 11 or rest[0] != 0 or struct.unpack_from(">H", rest, 1)[0] != OPT:
        return None
    (wants,) = struct.unpack_from(">H", rest, 7)
    return struct.pack(">BHHIH", 0, OPT, 1232, wants & DNSSEC_OK, 0)


class Overrides:
    """The caches of `kind: dns` of the plan in force.

    release(shard, numbers, drop): of held packets.  whose(address): the subscriber's name, empty where there is none.
    tell(named, answering): which routes are such caches and which of them answer now, a bit each.
    """

    def __init__(
        self,
        release: Callable[[int, list[int], bool], None],
        whose: Callable[[str], str],
        tell: Callable[[int, int], None],
    ) -> None:
        self._release = release
        self._whose = whose
        self._tell = tell
        self._caches: dict[int, Sequence[Route]] = {}
        self._own: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        self._usable: frozenset[str] = frozenset()
        self._sender: Sender | None = None
        self.answered: dict[str, int] = {}  # by route

    def use(self, plan: KernelPlan) -> None:
        """From now on these; they answer when they are known to be usable."""
        self._caches = {plan.targets[name]: routes for name, routes in plan.caches.items() if routes[0].kind == "dns"}
        self._own = [ipaddress.ip_network(own, strict=False) for route in plan.routes for own in route.own]
        self.close()
        if self._caches:
            self._sender = Sender(plan.marks.untracked)
        self.usable(frozenset())

    def close(self) -> None:
        if self._sender:
            self._sender.close()
            self._sender = None

    def usable(self, names: frozenset[str]) -> None:
        """Routes that are up and not drained."""
        self._usable = names
        answering = [n for n, routes in self._caches.items() if any(route.name in names for route in routes)]
        self._tell(sum(1 << n for n in self._caches), sum(1 << n for n in answering))

    def answer(self, found: Iterable[Asked]) -> None:
        for asked in found:
            self._release(asked.shard, [asked.hold], self._answered(asked))

    def _answered(self, asked: Asked) -> bool:
        client, server = (ipaddress.ip_address(address) for address in (asked.client, asked.server))
        if time.time() - asked.time > LATE or any(client in own for own in self._own):
            return False
        machine = self._machine(self._caches.get(asked.route, ()), client)
        if machine is None or self._sender is None:
            return False
        text = answer(asked.query, _packed(machine.next_hop4), _packed(machine.next_hop6))
        if text is None:
            return False
        body = struct.pack(">HHHH", asked.dport, asked.sport, 8 + len(text), 0) + text
        sent = self._sender.send(client.packed, packet(server.packed, client.packed, socket.IPPROTO_UDP, body, 6))
        self.answered[machine.name] = self.answered.get(machine.name, 0) + sent
        return sent

    def _machine(self, routes: Sequence[Route], client: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Route | None:
        """The client's machine, all addresses of one subscriber the same; while it is down another."""
        able = {route.name: route for route in routes if route.name in self._usable}
        if len(able) < 2:
            return next(iter(able.values()), None)
        key = self._whose(str(client)).encode() or client.packed[:8]
        machines = tuple((route.name, route.weight) for route in routes)
        for attempt in range(TRIES):
            name = owners(machines, attempt)[zlib.crc32(key, attempt) % SLOTS]
            if name in able:
                return able[name]
        return next(iter(able.values()))


def _packed(address: str | None) -> bytes | None:
    return ipaddress.ip_address(address).packed if address else None
