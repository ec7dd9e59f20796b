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
    Dates,
    Device,
    Dscp,
    FilePath,
    HostPattern,
    Label,
    LinkRate,
    Mac,
    MacPrefix,
    Name,
    OrMany,
    OrShort,
    Peer,
    Period,
    Ports,
    Prefix,
    Rate,
    Seconds,
    Size,
    Url,
    Volume,
    Weekly,
    Zone,
)
from dpi.policy.fields import (
    Share as ShareOf,
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
        default=[], description="Addresses and prefixes; of several that hold an address the longest counts"
    )
    mac: Annotated[list[Mac], OrMany()] = Field(
        default=[], description="MAC addresses; an address that is written somewhere counts before them"
    )
    vlan: Annotated[list[Annotated[int, Field(ge=1, le=4094)]], OrMany()] = Field(
        default=[], description="VLANs of the LAN; an address or a MAC address counts before them"
    )
    parent: Name | None = Field(default=None, description="The site that the subscriber is behind; none: the link")


class Subscribers(Section):
    """Who is shaped by a tariff of their own."""

    default: Name | None = Field(
        default=None,
        description="Tariff that all other hosts share; default: they have the classes of the link",
    )
    queues: Literal["auto", "all", "on-demand"] = Field(
        default="auto",
        description="Whether a subscriber's classes are there from the start (all) or while there is traffic of theirs"
        " (on-demand); auto: on demand above 1,000 subscribers",
    )
    idle: Seconds = Field(
        default=600.0, description="On demand: how long without traffic until they are taken away; default: 10min"
    )
    entries: dict[Name, Subscriber] = Field(
        default={}, description="Subscribers by id; those in the policy's folder's *.csv files are added"
    )


class Schedule(Section):
    """Windows of time in which rules are there, by the clock on the wall."""

    zone: Zone | None = Field(default=None, description="Time zone; default: the policy's")
    weekly: Annotated[list[Weekly], OrMany()] = Field(default=[], description="Every week: days, hours, or both")
    dates: Annotated[list[Dates], OrMany()] = Field(default=[], description="Once: a date, or from one to another")
    without: Annotated[list[Dates], OrMany()] = Field(default=[], description="But not then")


class Congestion(Section):
    """A class that is busy: over a share of its rate for some time."""

    class_: Name = Field(alias="class", description="The class")
    direction: Literal["down", "up"] = Field(default="down", description="Which of its rates")
    above: ShareOf = Field(description="It begins over this share of the rate")
    below: ShareOf | None = Field(default=None, description="It ends under this share; default: four fifths of `above`")
    for_: Seconds = Field(default=30.0, alias="for", description="For so long, to begin and to end; default: 30s")


class Quota(Section):
    """A volume that each subscriber or host may use in a time, counted in both directions."""

    each: Literal["subscriber", "host"] | None = Field(
        default=None, description="Whose it is; default: each subscriber's, each host's where there are none"
    )
    app: Annotated[list[Label], OrMany()] = Field(default=[], description="Only what these apps or protocols use")
    category: Annotated[list[Label], OrMany()] = Field(default=[], description="Only what apps of these use")
    volume: Volume = Field(description="How much")
    per: Period = Field(description="day, week or month of the calendar; or a time that rolls, as 24h")
    zone: Zone | None = Field(default=None, description="Time zone of the calendar; default: the policy's")
    tariff: Name | None = Field(
        default=None, description="The tariff of a subscriber who has used it up; default: their own"
    )
    warn: Annotated[list[ShareOf], OrMany()] = Field(default=[], description="Shares of it at which to warn")


class Portal(Section):
    """The daemon's own page, for rules that redirect there."""

    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Where it is served; default: 8088"
    )
    page: FilePath | None = Field(default=None, description="A file of HTML; default: a page that says little")


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
    zone: Zone | None = Field(default=None, description="Time zone of schedules that name none")
    schedules: dict[Name, Schedule] = Field(default={}, description="Windows of time by name, for rules")
    quotas: dict[Name, Quota] = Field(default={}, description="Volumes by name, for rules")
    congestion: dict[Name, Congestion] = Field(default={}, description="Busy classes by name, for rules")
    rules: dict[Name, Rule] = Field(default={}, description="Rules by name, in order; the first that matches decides")
    tariffs: dict[Name, Tariff] = Field(default={}, description="What subscribers get, by name")
    sites: dict[Name, Site] = Field(default={}, description="What subscribers are behind, by name, as a tree")
    subscribers: Subscribers = Field(default=Subscribers(), description="Who has which tariff")
    portal: Portal = Field(default=Portal(), description="The daemon's page, for rules with redirect: portal")
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
