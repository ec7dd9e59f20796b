"""Rules: conditions, and what becomes of the traffic that meets them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from dpi.policy.fields import Device, Dscp, HostPattern, Label, MacPrefix, Name, OrMany, OrShort, Peer, Ports, Url
from dpi.policy.model.classes import BothRates
from dpi.policy.model.section import Section


class Match(Section):
    """Conditions; all that are given must hold, and of a list any one."""

    app: Annotated[list[Label], OrMany()] = Field(default=[], min_length=1, description="App or protocol label")
    category: Annotated[list[Label], OrMany()] = Field(default=[], min_length=1, description="Category of the app")
    protocol: Annotated[list[Label], OrMany()] = Field(default=[], min_length=1, description="Protocol label")
    host: Annotated[list[HostPattern], OrMany()] = Field(default=[], min_length=1, description="Name of the server")
    local: Annotated[list[Peer], OrMany()] = Field(
        default=[], min_length=1, description="The LAN side: groups, addresses, prefixes"
    )
    remote: Annotated[list[Peer], OrMany()] = Field(
        default=[], min_length=1, description="The Internet side: groups, addresses, prefixes"
    )
    port: Annotated[list[Ports], OrMany()] = Field(
        default=[], min_length=1, description="Port that was opened to, or a range"
    )
    transport: Annotated[list[Literal["tcp", "udp", "icmp", "sctp"]], OrMany()] = Field(
        default=[], min_length=1, description="What carries it"
    )
    direction: Literal["out", "in"] | None = Field(
        default=None, description="out: opened from the LAN; in: opened from the Internet"
    )
    dscp: Annotated[list[Dscp], OrMany()] = Field(default=[], min_length=1, description="DSCP it came with")
    vlan: Annotated[list[Annotated[int, Field(ge=0, le=4094)]], OrMany()] = Field(
        default=[], min_length=1, description="VLAN it came in; 0: untagged"
    )
    mac: Annotated[list[MacPrefix], OrMany()] = Field(
        default=[], min_length=1, description="Device on the LAN side: its MAC address, or the beginning of it"
    )
    device: Annotated[list[Label], OrMany()] = Field(
        default=[], min_length=1, description="Kind of the device on the LAN side, as its DHCP messages show it"
    )
    during: Annotated[list[Name], OrMany()] = Field(
        default=[], min_length=1, description="Schedules; the rule is there only while one of them is in force"
    )
    congested: Annotated[list[Name], OrMany()] = Field(
        default=[], min_length=1, description="Congestion; the rule is there only while one of them holds"
    )
    over: Annotated[list[Name], OrMany()] = Field(
        default=[], min_length=1, description="Quotas; the LAN side has used one of them up"
    )


class Mirror(Section):
    """Where copies of packets go."""

    group: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        default=None, description="Their headers to this NFLOG group"
    )
    device: Device | None = Field(default=None, description="All of them out of this interface, as they leave")


def _group(value: Any) -> dict[str, Any]:
    return {"group": value}


BothMirrors = Annotated[
    Mirror,
    OrShort(
        _group, {"type": "integer", "minimum": 0, "maximum": 65535, "description": "Their headers to this NFLOG group"}
    ),
]


class Rule(Section):
    """What becomes of the traffic that meets the conditions.  The first rule that matches decides."""

    match: Match = Field(default=Match(), description="Conditions; none: everything")
    shape: Name | None = Field(default=None, description="Put it into this class")
    dscp: Dscp | None = Field(default=None, description="Mark its packets")
    route: Name | None = Field(default=None, description="Route its new connections to this cache")
    block: Literal["reject", "drop"] | None = Field(
        default=None, description="reject: answer with a reset or an ICMP error; drop: say nothing"
    )
    police: BothRates | None = Field(default=None, description="Drop what is above this rate, all its flows together")
    per_host: BothRates | None = Field(default=None, description="Drop what is above this rate of one host of the LAN")
    per_flow: BothRates | None = Field(default=None, description="Drop what is above this rate of one flow")
    mirror: BothMirrors | None = Field(default=None, description="Send a copy of its packets elsewhere")
    redirect: Url | None = Field(
        default=None,
        description="Answer HTTP on port 80 with a redirect to this URL or the daemon's page (portal); refuse all else",
    )
    allow: bool = Field(default=False, description="Leave it alone: default class, no later rule")
    exempt: bool = Field(default=False, description="Leave it alone altogether: no class, not looked at again")
    log: bool = Field(default=False, description="Note its flows in the log")
    enabled: bool = Field(default=True, description="false: as if the rule were not there")
    before: Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9_-]{0,47})$")] | None = Field(
        default=None, description="Stand before that rule, wherever it is; *: before all"
    )
