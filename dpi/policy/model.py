"""What a policy may say: the models that a file is checked against, key by key.

The descriptions here are the ones in the published JSON Schema, hence in an editor's help.  Only what one key
can tell by itself is checked here; what takes two of them is in checks/.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dpi.policy.fields import (
    RATE_PATTERN,
    Address,
    Device,
    Dscp,
    FilePath,
    HostPattern,
    Label,
    LinkRate,
    Name,
    OrMany,
    OrShort,
    Peer,
    Ports,
    Prefix,
    Rate,
    Seconds,
    Size,
)
from dpi.policy.plan import Direction
from dpi.policy.units import Rate as RateValue

Override = Annotated[
    bool,
    Field(
        description="In a drop-in: what is said here takes the place of what earlier files say of it",
        repr=False,  # how it came about is no part of what a policy means
    ),
]


class Section(BaseModel):
    """Unknown keys are refused, values are not guessed at."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    override: Override = False


class Port(Section):
    """An interface of the box, or one VLAN of it in bridge mode."""

    device: Device = Field(description="The interface's name")
    vlan: Annotated[int, Field(ge=1, le=4094)] | None = Field(
        default=None, description="Bridge mode: only the frames of this VLAN"
    )


def _port(value: Any) -> dict[str, Any]:
    return {"device": value}


Ports_ = Annotated[
    list[Annotated[Port, OrShort(_port, {"type": "string", "description": "The interface's name"})]],
    OrMany(),
]


class Interfaces(Section):
    """Which side is which."""

    mode: Literal["router", "bridge"] = Field(
        default="router", description="router: the box routes between lan and wan; bridge: it bridges them"
    )
    lan: Ports_ = Field(min_length=1, description="Towards the hosts whose traffic this policy is about")
    wan: Ports_ = Field(min_length=1, description="Towards the Internet")
    local: Annotated[list[Prefix], OrMany()] = Field(
        default=[],
        description="Prefixes behind the LAN; needed where lan and wan are the same interface",
    )


class Link(Section):
    """The rates at which the line really passes traffic; a little less keeps the queue on this box."""

    down: LinkRate = Field(description="From the Internet, as in 500mbit")
    up: LinkRate = Field(description="To the Internet")


class Rates(Section):
    """A rate for each direction; a direction that is left out is not shaped by this class."""

    down: Rate | None = Field(default=None, description="From the Internet")
    up: Rate | None = Field(default=None, description="To the Internet")

    def of(self, direction: Direction) -> RateValue | None:
        return self.down if direction == "down" else self.up


def _both(value: Any) -> dict[str, Any]:
    return {"down": value, "up": value}


BothRates = Annotated[
    Rates,
    OrShort(
        _both, {"type": "string", "pattern": RATE_PATTERN, "description": "One rate for both directions: 8mbit, 20%"}
    ),
]


class Class(Section):
    """A share of the link."""

    parent: Name | None = Field(default=None, description="The class that this one is part of; none: the link")
    rate: BothRates = Field(description="What the class gets whatever else is going on")
    ceil: BothRates | None = Field(
        default=None, description="What it may borrow up to; default: its rate, so that it is held to that"
    )
    priority: Annotated[int, Field(ge=0, le=7)] = Field(
        default=4, description="Who is offered spare rate first: 0 before 7"
    )
    burst: Size | None = Field(default=None, description="What may go at the link's speed at once; default: computed")
    leaf: Literal["auto", "cake", "fq_codel", "pfifo"] | None = Field(
        default=None, description="The queue at the end; auto: the best that the kernel has"
    )
    default: bool = Field(default=False, description="The class of everything that no rule puts elsewhere")


class Health(Section):
    """How a cache is known to work."""

    check: Literal["tcp", "http", "icmp", "none"] = Field(default="icmp", description="What is tried")
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


class Cache(Section):
    """A cache that new connections are routed to."""

    next_hop: Annotated[list[Address], OrMany()] = Field(
        default=[], max_length=2, description="The cache's address, or one of each family"
    )
    device: Device | None = Field(default=None, description="The interface that leads to it; default: as routed")
    table: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] | None = Field(
        default=None, description="Routing table to use; default: 26000 + the cache's number"
    )
    apps: Annotated[list[Label], OrMany()] = Field(
        default=[], description="Apps that it serves: theirs goes there unless a rule blocks, allows or routes it"
    )
    prefixes: Annotated[list[Prefix], OrMany()] = Field(
        default=[], description="Destinations that are known to be its business from the start"
    )
    learn_ttl: Seconds = Field(default=6 * 3600.0, description="How long a learnt destination stays; default: 6h")
    health: BothHealth = Field(default=Health(), description="How it is known to work; default: icmp")
    when_down: Literal["normal", "unreachable"] = Field(
        default="normal", description="normal: traffic takes its normal way; unreachable: it is refused"
    )


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


class Rule(Section):
    """What becomes of the traffic that meets the conditions.  The first rule that matches decides."""

    match: Match = Field(default=Match(), description="Conditions; none: everything")
    shape: Name | None = Field(default=None, description="Put it into this class")
    dscp: Dscp | None = Field(default=None, description="Mark its packets")
    route: Name | None = Field(default=None, description="Route its new connections to this cache")
    block: Literal["reject", "drop"] | None = Field(
        default=None, description="reject: answer with a reset or an ICMP error; drop: say nothing"
    )
    allow: bool = Field(default=False, description="Leave it alone: default class, no later rule")
    log: bool = Field(default=False, description="Note its flows in the log")
    enabled: bool = Field(default=True, description="false: as if the rule were not there")
    before: Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9_-]{0,47})$")] | None = Field(
        default=None, description="Stand before that rule, wherever it is; *: before all"
    )


class Share(Section):
    """What one class gets of a tariff; shares are of the tariff's own rate and ceil."""

    rate: BothRates = Field(description="What the class gets of it whatever else its subscriber does")
    ceil: BothRates | None = Field(default=None, description="What it may borrow up to; default: all of the tariff")


class Tariff(Section):
    """What a subscriber gets."""

    rate: BothRates = Field(description="What a subscriber gets, or its part of it where all together ask for too much")
    ceil: BothRates | None = Field(
        default=None, description="What it may borrow up to from others who are idle; default: its rate"
    )
    burst: Size | None = Field(default=None, description="What may go at once after a pause; default: computed")
    classes: dict[Name, Share] = Field(
        default={}, max_length=14, description="How it is shared among classes; none: it is not"
    )


class Site(Section):
    """A part of the network that subscribers share: a site, an access point, a cabinet, a sector."""

    parent: Name | None = Field(default=None, description="The site that this one is behind; none: the link")
    rate: BothRates = Field(description="What it carries")


class Subscriber(Section):
    """A customer with a tariff."""

    tariff: Name = Field(description="The tariff")
    address: Annotated[list[Prefix], OrMany()] = Field(
        min_length=1, description="Addresses and prefixes; of several that hold an address the longest counts"
    )
    parent: Name | None = Field(default=None, description="The site that the subscriber is behind; none: the link")


class Subscribers(Section):
    """Who is shaped by a tariff of their own."""

    default: Name | None = Field(
        default=None,
        description="Tariff that all other hosts share; default: they have the classes of the link",
    )
    entries: dict[Name, Subscriber] = Field(
        default={}, description="Subscribers by id; those in the policy's folder's *.csv files are added"
    )


class Marks(Section):
    """Our bits of the packet mark; all others belong to other software."""

    mask: Annotated[int, Field(ge=1, le=0xFFFFFFFF)] = Field(
        default=0x7FFF0000, description="Contiguous bits; default: 0x7fff0000"
    )


class Queue(Section):
    """The queues through which undecided packets reach user space."""

    count: Annotated[int, Field(ge=1, le=256)] | None = Field(
        default=None, description="How many; default: one for each core"
    )
    base: Annotated[int, Field(ge=0, le=65535)] = Field(default=0, description="Number of the first")


class Flows(Section):
    """The flow table."""

    max: Annotated[int, Field(ge=1024, le=1 << 26)] = Field(
        default=262144, description="Flows known at once; about 320 bytes each"
    )
    risks: bool = Field(default=False, description="Look at what servers answer as well, for risks")


class Records(Section):
    """Where ended flows are written, one JSON object a line."""

    file: FilePath = Field(description="The file")
    rotate: Size = Field(default=100 << 20, description="Start a new one at this size; default: 100m")
    keep: Annotated[int, Field(ge=0, le=1000)] = Field(default=5, description="How many old ones are kept")


class Control(Section):
    """How the CLI reaches the daemon, and how careful it is with changes."""

    socket: FilePath | None = Field(default=None, description="Where it is; default: /run/dpi/control.sock")
    group: Annotated[str, Field(min_length=1, max_length=32)] | None = Field(
        default=None, description="Who may use it beside root, where there is such a group; default: dpi"
    )
    confirm: Seconds | None = Field(
        default=None, description="Undo every change of policy that is not confirmed within this time; default: never"
    )


class Policy(Section):
    """A policy of dpi: which traffic gets what."""

    model_config = ConfigDict(title="dpi policy")

    version: Literal[1] = Field(description="Version of this format: 1")
    interfaces: Interfaces = Field(description="Which side is which")
    link: Link | None = Field(default=None, description="What the line carries; needed for classes")
    classes: dict[Name, Class] = Field(default={}, description="Shares of the link, by name, as a tree")
    groups: dict[Name, Annotated[list[Prefix], Field(min_length=1), OrMany()]] = Field(
        default={}, description="Hosts and networks under a name"
    )
    caches: dict[Name, Cache] = Field(default={}, description="Caches by name, seven at most")
    rules: dict[Name, Rule] = Field(default={}, description="Rules by name, in order; the first that matches decides")
    tariffs: dict[Name, Tariff] = Field(default={}, description="What subscribers get, by name")
    sites: dict[Name, Site] = Field(default={}, description="What subscribers are behind, by name, as a tree")
    subscribers: Subscribers = Field(default=Subscribers(), description="Who has which tariff")
    marks: Marks = Field(default=Marks(), description="Our bits of the packet mark")
    queue: Queue = Field(default=Queue(), description="The way to user space")
    flows: Flows = Field(default=Flows(), description="The flow table")
    records: Records | None = Field(default=None, description="Where ended flows are written; none: nowhere")
    signatures: Annotated[list[FilePath], OrMany()] = Field(
        default=[], description="Folders with your own signatures, from the policy's folder"
    )
    control: Control = Field(default=Control(), description="The daemon's socket")
    on_exit: Literal["clean", "keep"] = Field(
        default="clean", description="clean: leave nothing of ours in the kernel; keep: leave it as it is"
    )
