"""The plan: what a policy comes to, as data.

A plan is pure: the same policy, the same ids known before and the same facts about the machine give the same
plan.  It can be printed, compared, simulated and tested without root.  `enforce` makes the kernel's half true,
`engine` the packets' half.

Everything that the kernel keeps by number (classes, dispositions, routes) has a name here, and the number is
remembered by name in `Ids`, so that a reload does not renumber what flows and counters already carry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

PORTAL = "portal"
PORTAL_PORT = 8088
HTTP = 80  # the port that plain HTTP is asked at, which proxies get
Leaf = Literal["auto", "cake", "fq_codel", "bfifo"]
Direction = Literal["down", "up"]
DIRECTIONS: tuple[Direction, ...] = ("down", "up")
Block = Literal["reject", "drop"]
CacheKind = Literal["transparent", "proxy", "dns"]


@dataclass(frozen=True)
class MarkLayout:
    """Our share of the packet's and the connection's mark; all other bits belong to others.

    Within `mask`, from its lowest bit up: the disposition, one bit `final` (user space need not see this
    flow again), three bits of route.
    """

    mask: int = 0x7FFF0000

    @property
    def shift(self) -> int:
        return (self.mask & -self.mask).bit_length() - 1

    @property
    def width(self) -> int:
        return self.mask.bit_count()

    @property
    def disposition_mask(self) -> int:
        return ((1 << (self.width - 4)) - 1) << self.shift

    @property
    def final(self) -> int:
        return 1 << (self.shift + self.width - 4)

    @property
    def route_mask(self) -> int:
        return 0b111 << (self.shift + self.width - 3)

    @property
    def untracked(self) -> int:
        """A packet's mark, of our bits, that no packet gets otherwise: of answers of our own to DNS queries."""
        return self.disposition_mask

    def disposition(self, number: int) -> int:
        return number << self.shift

    def route(self, number: int) -> int:
        return number << (self.shift + self.width - 3)


@dataclass(frozen=True)
class Ids:
    """Numbers given to names, kept from one plan to the next.

    Names stay here when they leave the policy, so that one that comes back has its number again; a number is
    given to another name only when there is no other left.
    """

    classes: dict[str, int] = field(default_factory=dict)  # HTB minor
    dispositions: dict[str, int] = field(default_factory=dict)
    routes: dict[str, int] = field(default_factory=dict)
    shares: dict[str, int] = field(default_factory=dict)  # a class within a subscriber
    branches: dict[str, int] = field(default_factory=dict)  # Branch.number of a subscriber, and of `site/NAME`


@dataclass(frozen=True)
class ShapedClass:
    """One node of a direction's tree.  Rates in bits a second, burst in bytes."""

    name: str
    minor: int
    parent: str | None  # None: below the link's root class
    rate: int
    ceil: int
    priority: int  # 0 (first served) to 7
    burst: int | None
    leaf: Leaf | None  # None for an inner node


@dataclass(frozen=True)
class Tree:
    """The HTB tree of one direction at the device where it leaves.

    A class may be in one direction's tree only; its packets in the other go to that one's default.
    """

    device: str
    direction: Direction
    rate: int  # of the link
    classes: tuple[ShapedClass, ...]  # parents before children
    default: str  # class of forwarded traffic that nothing else names
    # Shaped on this IFB instead, to which what leaves `device` in this direction is redirected: where one device
    # has both directions' trees (one of them needs it), or where several devices share one link (same ifb, same tree).
    ifb: str | None = None


@dataclass(frozen=True)
class Police:
    """A rate in bits a second above which packets are dropped; None: not in this direction."""

    per: Literal["flow", "host", "rule"]  # a host is one of the LAN
    down: int | None
    up: int | None

    def of(self, direction: Direction) -> int | None:
        return self.down if direction == "down" else self.up


@dataclass(frozen=True)
class Disposition:
    """What becomes of a flow's packets; its number travels in the mark.  One a rule, and one for the default."""

    number: int
    name: str  # the rule's name; "default" for number 1
    class_: str | None
    dscp: int | None
    block: Block | None
    police: tuple[Police, ...] = ()  # the narrowest first
    mirror: int | None = None  # NFLOG group that has a copy of the headers
    exempt: bool = False  # never shaped, never looked at again
    redirect: str | None = None  # where plain HTTP is sent: a URL, or PORTAL; all else is refused
    copy: str | None = None  # device by which copies of its packets leave


@dataclass(frozen=True)
class Health:
    kind: Literal["tcp", "http", "icmp", "none"]
    target: str  # address
    port: int | None
    path: str | None
    interval: float  # seconds
    timeout: float
    down_after: int
    up_after: int


@dataclass(frozen=True)
class Route:
    """A cache, or one of its members: where new connections to learnt destinations go.

    `kind`: transparent takes all of them, proxy plain HTTP alone; dns is an address that clients are told in place of a
    server's, and its next hops are that address.
    """

    number: int  # 1 to 7
    name: str
    next_hop4: str | None
    next_hop6: str | None
    device: str | None
    table: int
    health: Health | None
    prefixes: tuple[str, ...]  # destinations known beforehand
    learn_ttl: int  # seconds that a learnt destination stays
    when_down: Literal["normal", "unreachable"] = "normal"
    member_of: str = ""  # the cache's name, where this is one of several machines; its name is then CACHE/MEMBER
    weight: int = 1  # its part of the clients
    fills_from: tuple[str, ...] = ()  # prefixes that it fetches from, beside its next hops
    kind: CacheKind = "transparent"
    port: int = 0  # of the proxy's socket on this box; 0: the cache is elsewhere

    @property
    def here(self) -> bool:
        """Whether it is a proxy on this box, which connections are handed to rather than routed."""
        return self.port != 0

    @property
    def cache(self) -> str:
        return self.member_of or self.name

    @property
    def own(self) -> tuple[str, ...]:
        """Addresses and prefixes that are the machine's own."""
        hops = (hop for hop in (self.next_hop4, self.next_hop6) if hop)
        return tuple(dict.fromkeys([*hops, *self.fills_from]))


@dataclass(frozen=True)
class Interface:
    name: str
    role: Literal["lan", "wan"]
    vlan: int | None = None  # bridge: only its frames; router: the one that a device of the LAN is


@dataclass(frozen=True)
class PlannedShare:
    """A class within a subscriber.  Rates in bits a second."""

    offset: int  # added to the subscriber's minor
    rate: int
    ceil: int
    priority: int
    leaf: Leaf


@dataclass(frozen=True)
class Shape:
    """A branch in one direction.  Rates in bits a second, burst in bytes; equal ones are the same object.

    `weight`: the rate that was asked for, where `rate` is less because all together ask for more than there is.
    """

    rate: int
    ceil: int
    weight: int
    burst: int | None = None
    shares: tuple[PlannedShare, ...] = ()


@dataclass(frozen=True)
class Branch:
    """A site or a subscriber: a part of the tree that is added, changed and removed as one."""

    name: str  # the subscriber's id, or `site/NAME`
    number: int  # tree << 16 | first minor
    parent: int  # number of the site that it is behind; 0: the link
    down: Shape
    up: Shape
    prefixes: tuple[str, ...] = ()  # canonical, with a length
    tariff: str = ""  # a site has none
    macs: tuple[str, ...] = ()  # canonical
    vlans: tuple[int, ...] = ()

    @property
    def is_site(self) -> bool:
        return self.name.startswith("site/")

    @property
    def is_subscriber(self) -> bool:
        """Neither a site nor what all other hosts share: no id has a slash."""
        return "/" not in self.name


@dataclass(frozen=True)
class Instead:
    """What a subscriber behind a site gets of another tariff than its own, while it has used up a quota."""

    tariff: str
    parent: int  # number of the site; 0: the link
    down: Shape
    up: Shape


@dataclass(frozen=True)
class SubscriberPlan:
    """The tree of sites and subscribers, the same in both directions.

    HTB numbers classes with 16 bits.  What does not fit into the link's own tree (0) is spread over trees 1 to
    `trees`, whole sites together, each on a device of its own before the link.
    """

    trees: int  # 0: all are in the link's own tree
    shares: tuple[tuple[str, int], ...]  # class, offset; the first is that of all other traffic; none: no shares
    branches: tuple[Branch, ...]  # parents before children
    default: int = 0  # number of the branch of all other hosts; 0: they have the link's classes
    instead: tuple[Instead, ...] = ()  # for each tariff of a quota and each site with subscribers
    idle: float | None = None  # seconds without traffic after which classes are taken away; None: all are always there

    @property
    def on_demand(self) -> bool:
        """Classes of a subscriber are there only while there is traffic of theirs; sites and the default always."""
        return self.idle is not None


@dataclass(frozen=True)
class PortalPlan:
    """The daemon's page, where a rule redirects to it."""

    port: int
    page: str | None  # file


@dataclass(frozen=True)
class KernelPlan:
    mode: Literal["router", "bridge"]
    interfaces: tuple[Interface, ...]
    marks: MarkLayout
    queues: int  # NFQUEUE 0…n-1, offset by queue_base
    queue_base: int
    trees: tuple[Tree, ...]
    dispositions: tuple[Disposition, ...]
    routes: tuple[Route, ...]
    local: tuple[str, ...] = ()  # prefixes behind the LAN; tells the direction where lan and wan are one device
    subscribers: SubscriberPlan | None = None
    portal: PortalPlan | None = None

    @property
    def caches(self) -> dict[str, tuple[Route, ...]]:
        """The routes of each cache by its name: one, or those of its members."""
        found: dict[str, tuple[Route, ...]] = {}
        for route in self.routes:
            found[route.cache] = (*found.get(route.cache, ()), route)
        return found

    @property
    def targets(self) -> dict[str, int]:
        """The number under which a cache's destinations are learnt: the least of its routes'."""
        return {name: min(route.number for route in routes) for name, routes in self.caches.items()}


@dataclass(frozen=True)
class Match:
    """The conditions of a rule; all that are given must hold, empty means any."""

    apps: tuple[str, ...] = ()  # labels; a flow's app or protocol is one of them
    categories: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()  # "example.org" (it and all below), "*.example.org" (below only), "=example.org"
    local: tuple[str, ...] = ()  # prefixes of the side behind our LAN
    remote: tuple[str, ...] = ()  # prefixes of the other side
    ports: tuple[tuple[int, int], ...] = ()  # of the side that was opened to, inclusive
    transports: tuple[str, ...] = ()  # tcp, udp, icmp, sctp
    direction: Literal["out", "in"] | None = None  # who opened: out = from the LAN
    dscp: tuple[int, ...] = ()
    vlans: tuple[int, ...] = ()
    macs: tuple[str, ...] = ()  # of the side behind our LAN: `02:11:22:00:00:00/24`
    devices: tuple[str, ...] = ()  # kinds; the local side is known to be of one of them
    during: tuple[str, ...] = ()  # schedules
    congested: tuple[str, ...] = ()  # congestion
    over: tuple[str, ...] = ()  # quotas: the local side has used one of them up


@dataclass(frozen=True)
class PlannedRule:
    """Rules of one name share their disposition: a cache's `apps` make two of one rule, one of them routed."""

    name: str
    where: str  # FILE:LINE
    match: Match
    disposition: int
    route: str | None
    log: bool


@dataclass(frozen=True)
class EnginePlan:
    rules: tuple[PlannedRule, ...]  # in order, first match wins; no match: disposition 1
    lan_devices: tuple[str, ...]
    marks: MarkLayout
    max_flows: int
    signature_dirs: tuple[str, ...] = ()  # the user's own signature files
    risks: bool = False  # what servers answer is looked at as well


@dataclass(frozen=True)
class PlannedSchedule:
    """Windows of time, as the clock on the wall of a zone shows them."""

    name: str
    where: str  # FILE:LINE
    zone: str  # of the IANA time zone database
    weekly: tuple[tuple[int, int], ...]  # seconds from Monday 00:00; the end may be in the next week
    dates: tuple[tuple[str, str], ...]  # from and until, ISO 8601 without a zone
    without: tuple[tuple[str, str], ...]  # the same
    words: str  # as the policy spells it


@dataclass(frozen=True)
class PlannedQuota:
    """A volume that each subscriber or host may use in a time."""

    name: str
    where: str  # FILE:LINE
    each: Literal["subscriber", "host"]
    apps: tuple[str, ...]  # of what: apps or protocols; none: of all
    categories: tuple[str, ...]  # with those within them
    volume: int  # bytes, both directions
    per: str  # day, week, month; empty where it is a rolling window
    rolling: float  # seconds; 0 where it is the calendar's
    zone: str
    warn: tuple[float, ...]  # shares of the volume
    tariff: str  # of subscribers that have used it up; empty: their own
    words: str


@dataclass(frozen=True)
class PlannedCongestion:
    """A class that is over a share of its rate for some time."""

    name: str
    where: str  # FILE:LINE
    class_: str
    direction: Direction
    rate: int  # of the class, bits a second
    above: float  # shares of it: over this …
    below: float  # … and over again when under this
    lasting: float  # seconds, for both
    words: str


@dataclass(frozen=True)
class Conditions:
    """What holds at times, for rules to ask."""

    schedules: tuple[PlannedSchedule, ...] = ()
    quotas: tuple[PlannedQuota, ...] = ()
    congestion: tuple[PlannedCongestion, ...] = ()
    devices: tuple[str, ...] = ()  # kinds


@dataclass(frozen=True)
class RecordsPlan:
    """Where ended flows are written."""

    file: str
    rotate: int  # bytes
    keep: int  # rotated files


@dataclass(frozen=True)
class ControlPlan:
    """The daemon's unix socket (None: the program's default), and how long changes wait to be confirmed."""

    socket: str | None = None
    group: str | None = None
    confirm: float = 0.0  # seconds; 0: changes stay as they are made


@dataclass(frozen=True)
class Plan:
    kernel: KernelPlan
    engine: EnginePlan
    ids: Ids
    on_exit: Literal["clean", "keep"]
    sources: tuple[str, ...]  # files read, in order
    hash: str  # of the policy's meaning
    records: RecordsPlan | None = None
    control: ControlPlan = ControlPlan()
    conditions: Conditions = Conditions()
