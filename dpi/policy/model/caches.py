"""Caches: where they are, how they are known to work, and what goes there."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dpi.policy.fields import Address, Device, Label, Name, OrMany, OrShort, Prefix, Seconds
from dpi.policy.model.section import Section


class Health(Section):
    """How a cache is known to work."""

    check: Literal["tcp", "http", "icmp", "none"] | None = Field(
        default=None, description="What is tried; default: icmp, of the kinds proxy and dns tcp"
    )
    target: Address | None = Field(default=None, description="Address to try; default: the next hop")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Port of tcp and http; default for http: 80"
    )
    path: Annotated[str, Field(pattern=r"^/[!-~]*$")] | None = Field(
        default=None, description="Path of http; default: /"
    )
    interval: Seconds = Field(default=5.0, description="Time between two checks; default: 5s")
    timeout: Seconds = Field(default=1.0, description="How long an answer may take; default: 1s")
    down_after: Annotated[int, Field(ge=1, le=100)] = Field(default=3, description="So many failures in a row: down")
    up_after: Annotated[int, Field(ge=1, le=100)] = Field(default=3, description="So many successes in a row: up")


def _check(value: Any) -> dict[str, Any]:
    return {"check": value}


BothHealth = Annotated[Health, OrShort(_check, {"enum": ["icmp", "none"], "description": "What is tried"})]


class Hop(Section):
    """Where a cache is."""

    next_hop: Annotated[list[Address], OrMany()] = Field(
        default=[], max_length=2, description="The cache's address, or one of each family"
    )
    address: Annotated[list[Address], OrMany()] = Field(
        default=[], max_length=2, description="kind: dns: the cache's own address, or one of each family"
    )
    device: Device | None = Field(default=None, description="The interface that leads to it; default: as routed")
    table: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] | None = Field(
        default=None, description="Routing table to use; default: 26000 + the cache's number"
    )
    fills_from: Annotated[list[Prefix], OrMany()] = Field(
        default=[],
        description="Addresses that it fetches from, beside its next hop's: never sent to a cache, counted as fill",
    )


class Member(Hop):
    """One of several machines that are a cache together."""

    weight: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, description="Its part of the clients, beside the other members' weights"
    )


class Cache(Hop):
    """A cache that new connections are routed to."""

    kind: Literal["transparent", "proxy", "dns"] = Field(
        default="transparent",
        description="transparent: takes all connections to its servers; proxy: plain HTTP, to port 80; "
        "dns: who asks for its servers' names is told its own address",
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Port of a proxy on this box, which connections are handed to (TPROXY)"
    )
    members: dict[Name, Member] = Field(
        default={}, max_length=7, description="The machines that it is made of, where there are several"
    )
    apps: Annotated[list[Label], OrMany()] = Field(
        default=[], description="Apps that it serves: theirs goes there unless a rule blocks, allows or routes it"
    )
    prefixes: Annotated[list[Prefix], OrMany()] = Field(
        default=[], description="Destinations that are known to be its business from the start"
    )
    learn_ttl: Seconds = Field(default=6 * 3600.0, description="How long a learnt destination stays; default: 6h")
    health: BothHealth = Field(default=Health(), description="How it is known to work")
    when_down: Literal["normal", "unreachable"] = Field(
        default="normal", description="normal: traffic takes its normal way; unreachable: it is refused"
    )

    @property
    def check(self) -> Literal["tcp", "http", "icmp", "none"]:
        """What is tried."""
        return self.health.check or ("icmp" if self.kind == "transparent" else "tcp")

    @property
    def check_port(self) -> int | None:
        """Where tcp and http try it."""
        if self.health.port is None and self.kind != "transparent":
            return self.port or 80
        return self.health.port or (80 if self.check == "http" else None)
