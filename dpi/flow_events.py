"""What a shard tells while flows go by, as the daemon and the simulation have it."""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

from dpi.record.fields import FlowRecord


class FlowEvent(NamedTuple):
    """A flow has started, was labelled, or has ended."""

    kind: str
    reason: str
    time: float
    logged: bool  # its rule asks for a line in the log
    route: int  # of its rule, 0 for none
    record: FlowRecord


class Learnt(NamedTuple):
    """A DNS answer gave an address of something that has a route; the answer waits for release(hold)."""

    shard: int
    address: str
    ttl: int  # seconds
    route: int
    hold: int  # 0: nothing waits
    name: str
    time: float


class Asked(NamedTuple):
    """A client of the LAN asks for a name that a cache's address may answer; the query waits for release(hold)."""

    shard: int
    client: str
    sport: int
    server: str
    dport: int
    route: int
    hold: int
    query: bytes  # the DNS message
    time: float


def learnt(shard: int, event: tuple[Any, ...]) -> Learnt:
    """Of flow_tuples.event_tuple()."""
    _, addr, ttl, route, hold, name, time = event
    return Learnt(shard, _address(addr), ttl, route, hold, name or "", time / 1_000_000_000)


def asked(shard: int, event: tuple[Any, ...]) -> Asked:
    """Of flow_tuples.event_tuple()."""
    _, src, sport, dst, dport, route, hold, query, time = event
    return Asked(shard, _address(src), sport, _address(dst), dport, route, hold, query, time / 1_000_000_000)


def _address(addr: bytes) -> str:
    address = ipaddress.IPv6Address(addr)
    return str(address.ipv4_mapped or address)
