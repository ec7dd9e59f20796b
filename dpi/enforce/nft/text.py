"""The text of our nftables table, from the plan.

A connection carries our state in its mark, under `MarkLayout.mask`: disposition, `final`, route.  Two hooks
see forwarded packets: the queue step sends those of undecided connections to user space, and the chain
`forward` right after it (a packet accepted from a queue goes on *after* the queue's chain) stores what the
verdict's mark says, then blocks, counts and classifies by the connection's mark alone.

* nft before 1.1 and kernels before 6.13 cannot OR two registers.  So a verdict's mark is stored by a map from
  the packet's mark to a chain a disposition, whose one rule has the constants; no other bit is touched, and no
  other CPU ever sees half of it.
* The class is set in the forward hook: ip_forward() takes skb->priority from the TOS before that hook, and
  nothing in the kernel does after it.  There, unlike in postrouting, only forwarded packets pass; the box's own
  keep priority 0, which our trees send out unshaped.
* Plain `queue … to A-B` picks the queue by a hash of the two addresses that does not depend on the direction
  (nfqueue_hash() in net/netfilter/nfnetlink_queue.h); `fanout` picks it by CPU, so it is not used.
* A verdict's mark may name a route in the route bits: the server of this connection belongs there.  The kernel
  then learns the address by itself, before the packet leaves.
* Only the very first packet of a connection, not yet confirmed, can be given a route.  What falls back from
  a dead next hop loses its route for good: an established connection never moves to a cache.
* Of a cache of several machines a hash of the client's address says which one takes it, for IPv6 of its /64
  (policy/spread.py).  One that is down or drained is passed over, so only its own clients go elsewhere.
* What caches fetch is between interfaces that are not lan and wan to each other: their rules come after the jump for
  those that are, and cost traffic nothing.  Only a cache on the LAN has them before it.
* A proxy on this box is handed connections by TPROXY: they end in its socket, which has the server's address, and never
  reach the forward hook.  What the client sends is looked at in the input hook, by the queue and by the chain `up`;
  what the proxy answers is counted and given its class in the output hook.  Answers are not queued: a packet of this
  box's own is routed again when a queue changes its mark.  A connection that has its socket keeps it, whatever is said
  of the proxy's health meanwhile.
* What such a proxy fetches leaves by the output hook, from which nothing is handed to it; where it fetches with the
  client's address, the server's answers are told by their socket and kept here.
* A cache that clients are told of by DNS is a destination like any other; its connections have its route for their
  account, and what answers queries in the resolver's place (daemon/override.py) is not tracked.  So a query that NAT
  sends to another resolver is left to that one: our answer would not come from whom the client has asked.
* An exempt flow is final from the first packet that says so, and leaves before it is given a class.
* Where LAN and WAN are one interface, the kernel tells both ends by ICMP redirects that they can reach each other
  without us, and they go round the box.  So redirects do not leave by it.  What goes from the LAN back to the LAN there
  (hairpin NAT, two networks on one wire) is no traffic of the link.
* Where only one direction of a TCP connection comes by here, conntrack calls most of its packets invalid: what a client
  sends after a SYN whose answer it has not seen, an answer without its SYN.  Such packets have no connection whose mark
  could hold a decision.  Each is queued, and the chains `invalid_…` do by the verdict's mark what the others do by the
  connection's.  A lone RST tells nothing and stays out.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from dpi.enforce.names import MAJORS, REDIRECT_GROUP, TABLE, Family, classid_text
from dpi.policy.plan import HTTP, Direction, Disposition, Interface, KernelPlan, Police, Route
from dpi.policy.spread import SLOTS, TRIES, owners

DIRECTIONS: tuple[Direction, ...] = ("up", "down")
LEARNT_SIZE = 65536  # addresses a route and family; more are refused, not evicted


@dataclass(frozen=True)
class Facts:
    """What the text depends on beside the plan."""

    nft_queue: bool = True  # the kernel has nft's queue statement
    beyond: tuple[str, ...] = ()  # devices that lead to caches and are neither lan nor wan
    cache_on_lan: bool = False  # a lan device leads to one


def family(plan: KernelPlan) -> Family:
    return "bridge" if plan.mode == "bridge" else "inet"


def table_text(plan: KernelPlan, facts: Facts = Facts()) -> str:
    """The table as `nft -f` takes it."""
    lines = [f"table {family(plan)} {TABLE} {{"]
    for block in _Writer(plan, facts).blocks():
        lines += ["\t" + line if line else "" for line in block]
        lines.append("")
    lines[-1] = "}"
    return "\n".join(lines) + "\n"


def way_pairs(plan: KernelPlan, facts: Facts) -> list[tuple[str, str]]:
    """(in, out) pairs of devices between which packets are ours to see."""
    return list(_Writer(plan, facts).ways())


def directions(plan: KernelPlan, facts: Facts) -> tuple[list[str], list[str]]:
    """Rules of a chain `forward` that sends packets to the chains `up` and `down` by no named set; and of `one_armed`,
    to which it goes where lan and wan are one device."""
    writer = _Writer(plan, facts)
    if writer.with_vlan():
        return writer.dispatch(), []
    one_armed = [
        f"{address} saddr {{ {', '.join(prefixes)} }} {what}"
        for version, prefixes in local_networks(plan)
        for address in ["ip" if version == 4 else "ip6"]
        for what in (f"{address} daddr {{ {', '.join(prefixes)} }} return", "goto up")
    ]
    rules = [f"iifname . oifname vmap {{ {', '.join(writer.paths())} }}"]
    return rules, [*one_armed, "goto down"] if writer.one_armed else []


def copy_devices(plan: KernelPlan, facts: Facts) -> list[tuple[str, str]]:
    """(device, where copies go) of each device by which packets leave, where rules want copies."""
    target = next((d.copy for d in plan.dispositions if d.copy), None)
    leaving = dict.fromkeys([*(i.name for i in plan.interfaces), *facts.beyond])
    return [(device, target) for device in leaving] if target else []


def proxied_marks(plan: KernelPlan) -> str:
    """Matches connections that proxies on this box have."""
    numbers = [f"{plan.marks.route(route.number):#010x}" for route in plan.routes if route.here]
    return f"ct mark & {plan.marks.route_mask:#010x} {{ {', '.join(numbers)} }}"


def proxied_to_clients(plan: KernelPlan) -> str:
    """Matches, in the output hook, what proxies on this box answer."""
    lan = ", ".join(f'"{name}"' for name in dict.fromkeys(i.name for i in plan.interfaces if i.role == "lan"))
    return f"oifname {{ {lan} }} ct direction reply {proxied_marks(plan)}"


INVALID = "ct state invalid tcp flags & rst == 0x0"  # of TCP; packets that tell nothing left out


class _Writer:
    def __init__(self, plan: KernelPlan, facts: Facts) -> None:
        self.plan = plan
        self.facts = facts
        self.bridge = plan.mode == "bridge"
        marks = plan.marks
        self.disposition = f"{marks.disposition_mask:#010x}"
        self.final = f"{marks.final:#010x}"
        self.decision = f"{marks.disposition_mask | marks.final:#010x}"
        self.route = f"{marks.route_mask:#010x}"
        self.blocked = [d for d in plan.dispositions if d.block]
        self.policed = [d for d in plan.dispositions if d.police]
        self.mirrored = [d for d in plan.dispositions if d.mirror is not None]
        self.copied = [d for d in plan.dispositions if d.copy]
        self.redirected = [d for d in plan.dispositions if d.redirect]
        self.exempt = [d for d in plan.dispositions if d.exempt]
        self.dscp = sorted({d.dscp for d in plan.dispositions if d.dscp is not None})
        self.lan = list(dict.fromkeys(i.name for i in plan.interfaces if i.role == "lan"))
        wan = dict.fromkeys(i.name for i in plan.interfaces if i.role == "wan")
        self.wan = list(dict.fromkeys([*wan, *facts.beyond]))
        self.one_armed = sorted(set(self.lan) & set(self.wan))
        self.here = [r for r in plan.routes if r.here]
        self.named = [r for r in plan.routes if r.kind == "dns"]

    def mark(self, number: int) -> str:
        return f"{self.plan.marks.disposition(number):#010x}"

    def route_mark(self, route: Route) -> str:
        return f"{self.plan.marks.route(route.number):#010x}"

    def take_mark(self, route: Route) -> str:
        keep = ~self.plan.marks.route_mask & 0xFFFFFFFF
        return f"meta mark set meta mark & {keep:#010x} | {self.route_mark(route)}"

    def blocks(self) -> Iterator[list[str]]:
        yield from self.counters()
        yield from self.maps()
        for d in self.policed:
            yield from self.police_sets(d)
        for route in self.plan.routes:
            for state in ("dead", "drained"):
                yield [f"set route{route.number}_{state} {{", "\ttype mark", "}"]
        for name, number in self.plan.targets.items():
            yield from self.learnt_sets(number, self.plan.caches[name])
        yield from self.decide_chains()
        yield from self.action_chains()
        for route in self.plan.routes:
            yield from self.route_chains(route)
        for name, number in self.plan.targets.items():
            if len(reached(self.plan.caches[name])) and len(self.plan.caches[name]) > 1:
                yield from self.choosing(number, self.plan.caches[name])
        if self.plan.routes:
            yield from self.learn_chains()
        for direction in DIRECTIONS:
            yield _chain(f"invalid_{direction}", self.invalid_rules(direction))
            yield _chain(direction, self.direction_rules(direction))
        if self.here:
            yield _chain("proxied_down", self.proxied_rules())
        yield from self.base_chains()

    # ── objects ───────────────────────────────────────────────────────────────────────────────────────────

    def counters(self) -> Iterator[list[str]]:
        for direction in DIRECTIONS:
            yield [f"counter undecided_{direction} {{", "}"]
            for d in self.plan.dispositions:
                yield [f"counter rule{d.number}_{direction} {{", "}"]
                if d.police:
                    yield [f"counter policed{d.number}_{direction} {{", "}"]
            for route in self.plan.routes:
                yield [f"counter route{route.number}_{direction} {{", "}"]
                yield [f"counter fill{route.number}_{direction} {{", "}"]

    def maps(self) -> Iterator[list[str]]:
        plan = self.plan
        for direction in DIRECTIONS:
            counted = [f'{self.mark(0)} : "undecided_{direction}"']
            counted += [f'{self.mark(d.number)} : "rule{d.number}_{direction}"' for d in plan.dispositions]
            yield _map(f"rules_{direction}", "mark : counter", counted)
            if plan.routes:
                yield _map(
                    f"routes_{direction}",
                    "mark : counter",
                    [f'{self.route_mark(r)} : "route{r.number}_{direction}"' for r in plan.routes],
                )
            minors = self.minors(direction)
            if minors:
                classified = [
                    f"{self.mark(d.number)} : {classid_text(MAJORS[direction], minors[d.class_])}"
                    for d in plan.dispositions
                    if d.class_ in minors
                ]
                yield _map(f"class_{direction}", "mark : classid", classified)
            if self.redirected:
                chains = [f"{self.mark(d.number)} : goto redirect{d.number}_{direction}" for d in self.redirected]
                yield _map(f"redirected_{direction}", "mark : verdict", chains)
            if self.policed:
                chains = [f"{self.mark(d.number)} : jump police{d.number}_{direction}" for d in self.policed]
                yield _map(f"policed_{direction}", "mark : verdict", chains)
        if self.copied:
            copies = [f"{self.mark(d.number)} : jump copy" for d in self.copied]
            yield _map("copied", "mark : verdict", copies)
        if self.mirrored:
            groups = [f"{self.mark(d.number)} : jump mirror{d.mirror}" for d in self.mirrored]
            yield _map("mirrored", "mark : verdict", groups)
        if self.exempt:
            yield _map("exempt", "mark : verdict", [f"{self.mark(d.number)} : accept" for d in self.exempt])
        if self.blocked:
            refuse = "goto refuse_again" if self.bridge else "goto refuse"
            yield _map(
                "blocked",
                "mark : verdict",
                [f"{self.mark(d.number)} : {refuse if d.block == 'reject' else 'drop'}" for d in self.blocked],
            )
        if self.dscp:
            yield _map(
                "remarked",
                "mark : verdict",
                [f"{self.mark(d.number)} : jump dscp{d.dscp}" for d in plan.dispositions if d.dscp is not None],
            )
        yield _map(
            "decided",
            "mark : verdict",
            [f"{self.mark(d.number)} : jump decide{d.number}" for d in plan.dispositions],
        )
        if plan.local:
            for version, prefixes in local_networks(plan):
                yield _prefix_set(f"local{version}", version, prefixes)
        if self.bridge_refuses():
            for version in (4, 6):
                kind = f"\ttype ipv{version}_addr . ipv{version}_addr . inet_proto . inet_service . inet_service"
                size = f"\tsize {REFUSED_SIZE}"
                yield [f"set refused{version} {{", kind, size, "\tflags dynamic,timeout", f"\ttimeout {REFUSED}", "}"]
        if not self.with_vlan():
            yield _map("paths", "ifname . ifname : verdict", self.paths())

    def minors(self, direction: Direction) -> dict[str | None, int]:
        """Class name → minor in this direction's trees, which share their classes."""
        return {c.name: c.minor for t in self.plan.trees if t.direction == direction for c in t.classes}

    def ways(self) -> dict[tuple[str, str], str]:
        """(in, out) → chain: what goes between lan and wan; all else is not ours to see."""
        found = {}
        for lan in self.lan:
            for wan in self.wan:
                if lan == wan:
                    found[lan, wan] = "one_armed"
                else:
                    found[lan, wan] = "up"
                    found[wan, lan] = "down"
        return found

    def paths(self) -> list[str]:
        return [f'"{come}" . "{leave}" : goto {chain}' for (come, leave), chain in self.ways().items()]

    def with_vlan(self) -> bool:
        return self.bridge and any(i.vlan is not None for i in self.plan.interfaces)

    def learnt_sets(self, number: int, routes: Sequence[Route]) -> Iterator[list[str]]:
        """What a cache is asked for: what was learnt, and what the policy says."""
        for version in reached(routes):
            kind = f"\ttype ipv{version}_addr"
            name = f"route{number}_learnt{version}"
            yield [f"set {name} {{", kind, f"\tsize {LEARNT_SIZE}", "\tflags dynamic,timeout", "}"]
        for version, prefixes in _by_version(routes[0].prefixes):
            if version in reached(routes):
                yield _prefix_set(f"route{number}_known{version}", version, prefixes)

    # ── chains that chains go to ──────────────────────────────────────────────────────────────────────────

    def decide_chains(self) -> Iterator[list[str]]:
        marks = self.plan.marks
        keep = ~(marks.disposition_mask | marks.final) & 0xFFFFFFFF
        for d in self.plan.dispositions:
            value = marks.disposition(d.number) | (marks.final if d.exempt else 0)  # never looked at again
            yield _chain(f"decide{d.number}", [f"ct mark set ct mark & {keep:#010x} | {value:#010x}"])
        yield _chain(
            "decide",
            [
                f"meta mark & {self.disposition} vmap @decided",
                f"meta mark & {self.final} != 0 ct mark set ct mark | {self.final}",
            ],
        )

    def action_chains(self) -> Iterator[list[str]]:
        refuses = any(d.block == "reject" for d in self.blocked) or self.refusing_routes() or self.redirected
        if refuses and not self.bridge:
            yield _chain("refuse", REFUSE)
        if self.bridge_refuses():
            remember = [f"ct status ! confirmed update @{refused} {{ {flow} }}" for refused, flow in REFUSED_FLOWS]
            yield _chain("refuse_again", [*remember, "drop"])
        for group in sorted({d.mirror for d in self.mirrored if d.mirror is not None}):
            yield _chain(f"mirror{group}", [f"log group {group} snaplen {HEADERS}"])
        if self.copied:
            yield _chain("copy", [f"meta mark set meta mark | {self.final}"])
        for d in self.redirected:
            yield from self.redirect_chains(d)
        for d in self.policed:
            for direction in DIRECTIONS:
                yield _chain(f"police{d.number}_{direction}", self.police_rules(d, direction))
        for value in self.dscp:
            yield _chain(f"dscp{value}", [f"ip dscp set {value}", f"ip6 dscp set {value}"])

    def redirect_chains(self, d: Disposition) -> Iterator[list[str]]:
        """The connection opens, then its request is kept back: the daemon answers it (daemon/redirect.py).

        The server hears nothing but a reset of ours, and what it says of that is kept from the client.
        """
        asked, told = "ct direction original tcp dport 80", "ct direction reply tcp sport 80"
        up = [
            f'{asked} tcp flags & psh == psh log prefix "{d.number}" group {REDIRECT_GROUP} drop',
            f"{asked} tcp flags & (fin | rst) != 0x0 drop",
            f"{asked} return",
            "goto refuse",
        ]
        yield _chain(f"redirect{d.number}_up", up)
        down = [f"{told} tcp flags & syn == syn return", f"{told} drop", "goto refuse"]
        yield _chain(f"redirect{d.number}_down", down)

    def police_sets(self, d: Disposition) -> Iterator[list[str]]:
        for direction in DIRECTIONS:
            for limit in d.police:
                if limit.per != "rule" and limit.of(direction):
                    for name, kind, _ in self.police_keys(d, limit, direction):
                        body = (
                            f"\t{kind}",
                            f"\tsize {POLICED_SIZE}",
                            "\tflags dynamic,timeout",
                            f"\ttimeout {POLICED}",
                        )
                        yield [f"set {name} {{", *body, "}"]

    def police_keys(self, d: Disposition, limit: Police, direction: Direction) -> list[tuple[str, str, str]]:
        """(set, its type, what is looked up) of a limit for each host or flow.

        An element keeps the rate with which it was made, so another rate has another set.
        """
        name = f"{limit.per}{d.number}_{direction}_{_octets(limit.of(direction) or 0)}"
        if limit.per == "flow":
            return [(name, "typeof ct id", "ct id")]
        side = "saddr" if direction == "up" else "daddr"
        return [(f"{name}_4", "type ipv4_addr", f"ip {side}"), (f"{name}_6", "type ipv6_addr", f"ip6 {side}")]

    def police_rules(self, d: Disposition, direction: Direction) -> list[str]:
        """A set that is full has no limit for those that find no room."""
        rules = []
        for limit in d.police:
            bits = limit.of(direction)
            if not bits:
                continue
            above = f"limit rate over {_octets(bits)} bytes/second burst {POLICE_BURST} bytes"
            drop = f"counter name policed{d.number}_{direction} drop"
            if limit.per == "rule":
                rules.append(f"{above} {drop}")
            else:
                keys = self.police_keys(d, limit, direction)
                rules += [f"update @{name} {{ {key} {above} }} {drop}" for name, _, key in keys]
        return rules

    def bridge_refuses(self) -> bool:
        return self.bridge and any(d.block == "reject" for d in self.blocked)

    def refusing_routes(self) -> list[Route]:
        return [r for r in self.plan.routes if r.when_down == "unreachable"]

    def route_chains(self, route: Route) -> Iterator[list[str]]:
        name, value = f"route{route.number}", self.route_mark(route)
        keep = f"{~self.plan.marks.route_mask & 0xFFFFFFFF:#010x}"
        down, drained = (f"ct mark & {self.route} @{name}_{state}" for state in ("dead", "drained"))
        given, taken = f"ct mark set ct mark & {keep} | {value}", self.take_mark(route)
        away = f"ct mark set ct mark & {keep}"
        if route.kind == "dns":  # the connection goes there by itself: this is for its account
            yield _chain(f"{name}_give", [given])
            return
        give, take = [given, f"{drained} {away}"], [taken]
        if route.when_down == "normal" or route.member_of:
            give.append(f"{down} {away}")
        if route.when_down == "normal":
            take.insert(0, f"{down} {away} return")
        if route.here:
            # To its socket, else to the one that listens; where there is neither, the normal way.
            take[-1:] = [f"meta l4proto tcp tproxy {to}:{route.port} {taken} return" for to in LOOPBACK]
            take.insert(0, f"socket transparent 1 {taken} return")
            if route.when_down == "normal":
                take.append(away)
        yield _chain(f"{name}_give", give)
        yield _chain(f"{name}_take", take)
        if route.when_down == "unreachable" and route.member_of:
            yield _chain(f"{name}_refuse", [given, f"{down} return", away])

    def choosing(self, number: int, routes: Sequence[Route]) -> Iterator[list[str]]:
        """Gives a new connection to one of several machines: by hash, in the end to the first that is there."""
        chosen = f"ct mark & {self.route} != 0 return"
        for version in reached(routes):
            able = [route for route in routes if version in versions(route)]
            rules = []
            for attempt in range(TRIES if len(able) > 1 else 0):
                owned = owners(tuple((r.name, r.weight) for r in able), attempt)
                chains = {r.name: f"jump route{r.number}_give" for r in able}
                slots = ", ".join(f"{slot} : {chains[name]}" for slot, name in enumerate(owned))
                client = "ip saddr" if version == 4 else "ip6 saddr & ffff:ffff:ffff:ffff::"
                rules += [f"jhash {client} mod {SLOTS} seed {attempt + 1:#x} vmap {{ {slots} }}", chosen]
            for route in able:
                rules += [f"jump route{route.number}_give", chosen]
            if routes[0].when_down == "unreachable":
                for route in able:
                    rules += [f"jump route{route.number}_refuse", chosen]
            yield _chain(f"choose{number}_{version}", rules)

    def learn_chains(self) -> Iterator[list[str]]:
        for direction, side in (("up", "daddr"), ("down", "saddr")):
            yield _chain(
                f"learn_{direction}",
                [
                    f"meta mark & {self.route} == {self.plan.marks.route(number):#010x}"
                    f" update @route{number}_learnt{version}"
                    f" {{ {'ip' if version == 4 else 'ip6'} {side} timeout {max(1, routes[0].learn_ttl)}s }}"
                    for name, number in self.plan.targets.items()
                    for routes in [self.plan.caches[name]]
                    for version in reached(routes)
                ],
            )

    def direction_rules(self, direction: Direction) -> Iterator[str]:
        plan = self.plan
        decides = f"meta mark & {self.decision} != 0"
        yield f"ct state invalid goto invalid_{direction}"
        yield f"{decides} jump decide"
        if plan.routes:
            opened_from_lan = "original" if direction == "up" else "reply"
            yield f"meta mark & {self.route} != 0 {decides} ct direction {opened_from_lan} jump learn_{direction}"
        yield from self.counting(direction)
        if plan.routes:
            yield f"counter name ct mark & {self.route} map @routes_{direction}"
        for route in self.refusing_routes():
            yield f"ct mark & {self.route} @route{route.number}_dead goto refuse"
        yield from self.acting(direction)
        yield from self.shaping(direction)

    def invalid_rules(self, direction: Direction) -> Iterator[str]:
        """What has no connection: by the verdict's mark, packet for packet."""
        yield from self.counting(direction, "meta mark")
        yield from self.acting(direction, "meta mark")
        yield from self.shaping(direction, "meta mark")

    def proxied_rules(self) -> Iterator[str]:
        """What a proxy on this box answers: what is blocked or redirected never came to it."""
        yield from self.counting("down")
        yield f"counter name ct mark & {self.route} map @routes_down"
        if self.mirrored:
            yield f"ct mark & {self.disposition} vmap @mirrored"
        yield from self.shaping("down")

    def counting(self, direction: Direction, decision: str = "ct mark") -> Iterator[str]:
        yield f"counter name {decision} & {self.disposition} map @rules_{direction}"

    def acting(self, direction: Direction, decision: str = "ct mark") -> Iterator[str]:
        if self.mirrored:
            yield f"{decision} & {self.disposition} vmap @mirrored"
        if self.blocked:
            yield f"{decision} & {self.disposition} vmap @blocked"
        if self.redirected:
            yield f"{decision} & {self.disposition} vmap @redirected_{direction}"

    def shaping(self, direction: Direction, decision: str = "ct mark") -> Iterator[str]:
        plan = self.plan
        decided = f"{decision} & {self.disposition}"
        if self.copied:
            # The verdict has been stored: its bit of the packet's mark is free to say "copy it where it leaves".
            yield f"meta mark set meta mark & {~plan.marks.final & 0xFFFFFFFF:#010x}"
            yield f"{decided} vmap @copied"
        if self.policed:
            yield f"{decided} vmap @policed_{direction}"
        if self.exempt:
            yield f"{decided} vmap @exempt"
        trees = [t for t in plan.trees if t.direction == direction]
        if trees:
            minors = self.minors(direction)
            yield f"meta priority set {classid_text(MAJORS[direction], minors[trees[0].default])}"
            yield f"meta priority set {decided} map @class_{direction}"
        if self.dscp:
            yield f"{decided} vmap @remarked"
        if any(t.ifb for t in trees):
            # The route has been taken: its bits of the packet's mark are free to say "to the IFB".
            keep = ~plan.marks.route_mask & 0xFFFFFFFF
            yield f"meta mark set meta mark & {keep:#010x} | {plan.marks.route_mask:#010x}"

    # ── base chains ───────────────────────────────────────────────────────────────────────────────────────

    def base_chains(self) -> Iterator[list[str]]:
        if self.one_armed:
            up = [f"{address} saddr @{name} goto up" for address, name in self.local_sets()]
            yield _chain("one_armed", [*self.hairpins("return"), *up, "goto down"])
            devices = ", ".join(f'"{name}"' for name in self.one_armed)
            redirects = [f"oifname {{ {devices} }} {kind} drop" for kind in REDIRECTS]
            yield _base("no_redirects", "output", 0, redirects)
        if self.plan.routes:
            yield from self.steering()
        if self.bridge_refuses():
            yield from self.bridge_reject()
        if self.facts.nft_queue:
            yield self.queue_chain()
        if self.here:
            yield from self.proxied()
        if self.named:
            marks = self.plan.marks
            own = f"meta mark & {marks.mask:#010x} == {marks.untracked:#010x}"
            yield _base("overriding", "output", -300, [f"udp sport 53 {own} notrack"])
        fills = self.fills()
        yield _base(
            "forward",
            "forward",
            -149,
            [*fills, *self.dispatch()] if self.facts.cache_on_lan else [*self.dispatch(), *fills],
        )

    def steering(self) -> Iterator[list[str]]:
        # What a cache itself asks for must not come back to it, nor to another.
        rules = [
            f"{'ip' if version == 4 else 'ip6'} saddr {{ {', '.join(prefixes)} }} return"
            for version, prefixes in _by_version(tuple(own for r in self.plan.routes for own in r.own))
        ]
        for name, number in self.plan.targets.items():
            routes = self.plan.caches[name]
            known = {version for version, _ in _by_version(routes[0].prefixes)}
            for version in reached(routes):
                give = f"choose{number}_{version}" if len(routes) > 1 else f"route{number}_give"
                plain = f"tcp dport {HTTP} " if routes[0].kind == "proxy" else ""
                for what in ["learnt", *(["known"] if version in known else [])]:
                    address = "ip" if version == 4 else "ip6"
                    rules.append(f"{plain}{address} daddr @route{number}_{what}{version} goto {give}")
        for route in self.named:
            for hop in filter(None, (route.next_hop4, route.next_hop6)):
                rules.append(f"{'ip6' if ':' in hop else 'ip'} daddr {hop} goto route{route.number}_give")
        if self.here:
            rules.insert(0, "fib daddr type local return")
        yield _chain("steer", rules)
        devices = ", ".join(f'"{name}"' for name in self.lan)
        taken = ", ".join(
            f"{self.route_mark(r)} : goto route{r.number}_take" for r in self.plan.routes if r.kind != "dns"
        )
        fetched = []
        if self.here:
            wan = ", ".join(f'"{name}"' for name in self.wan)
            kept = f"ct direction reply socket transparent 1 {self.take_mark(self.here[0])}"
            fetched = [f"iifname {{ {wan} }} tcp sport {HTTP} {kept}"]
        yield _base(
            "prerouting",
            "prerouting",
            -150,
            [
                f"iifname {{ {devices} }} ct state new ct status ! confirmed jump steer",
                *fetched,
                *([f"ct direction original ct mark & {self.route} vmap {{ {taken} }}"] if taken else []),
            ],
        )

    def proxied(self) -> Iterator[list[str]]:
        """The ways of what proxies on this box take from clients and answer them, and of what they fetch themselves.

        What they fetch has no other sign than that it is plain HTTP of this box; the first of them is taken for it.
        """
        lan, wan = (", ".join(f'"{name}"' for name in names) for names in (self.lan, self.wan))
        fill = f"counter name fill{self.here[0].number}"
        taken = f"iifname {{ {lan} }} ct direction original {proxied_marks(self.plan)}"
        if self.facts.nft_queue:
            undecided = f"ct mark & {self.final} == 0"
            queue = f"queue flags bypass to {self.queues()}"
            yield _base("proxied_to_queue", "input", -150, [f"{undecided} {taken} {queue}"])
        yield _base(
            "proxied",
            "input",
            -149,
            [f"{taken} goto up", f"iifname {{ {wan} }} ct direction reply tcp sport {HTTP} {fill}_down"],
        )
        yield _base(
            "answered",
            "output",
            -149,
            [
                f"{proxied_to_clients(self.plan)} goto proxied_down",
                f"oifname {{ {wan} }} ct direction original tcp dport {HTTP} {fill}_up",
            ],
        )

    def fills(self) -> list[str]:
        """Counts what caches fetch: between their own addresses and the WAN."""
        wan = ", ".join(f'"{name}"' for name in self.wan)
        rules = []
        for route in self.plan.routes:
            for version, prefixes in _by_version(route.own):
                address = "ip" if version == 4 else "ip6"
                for direction, own, other, device in (("up", "s", "d", "o"), ("down", "d", "s", "i")):
                    far = f" {address} {other}addr != @local{version}" if self.has_local(version) else ""
                    rules.append(
                        f"{device}ifname {{ {wan} }} {address} {own}addr {{ {', '.join(prefixes)} }}{far}"
                        f" counter name fill{route.number}_{direction}"
                    )
        return rules

    def local_sets(self) -> list[tuple[str, str]]:
        return [("ip" if version == 4 else "ip6", f"local{version}") for version, _ in local_networks(self.plan)]

    def hairpins(self, verdict: str) -> list[str]:
        """Where LAN and WAN are one interface: what stays within the LAN."""
        devices = ", ".join(f'"{name}"' for name in self.one_armed)
        ways = f"iifname {{ {devices} }} oifname {{ {devices} }} " if verdict == "accept" else ""
        return [
            f"{ways}{address} saddr @{name} {address} daddr @{name} {verdict}"
            for address, name in (self.local_sets() if devices else ())
        ]

    def has_local(self, version: int) -> bool:
        return bool(self.one_armed) and version in (v for v, _ in local_networks(self.plan))

    def bridge_reject(self) -> Iterator[list[str]]:
        """The bridge family can reject only where packets come in: from the one after the verdict on.

        A connection whose first packet is dropped is forgotten with it: a set remembers that it is to be refused
        when that packet comes again.
        """
        rejected = ", ".join(f"{self.mark(d.number)} : goto refuse" for d in self.blocked if d.block == "reject")
        again = [f"{flow} @{refused} goto refuse" for refused, flow in REFUSED_FLOWS]
        yield _chain("refuse", REFUSE)
        yield _base("prerouting", "prerouting", -150, [f"ct mark & {self.disposition} vmap {{ {rejected} }}", *again])

    def queue_chain(self) -> list[str]:
        queues = self.queues()
        undecided = f"ct mark & {self.final} == 0"
        if self.with_vlan():
            ways = [way for way, _ in self.vlan_paths()]
        else:
            pairs = ", ".join(path.split(" : ")[0] for path in self.paths())
            ways = [f"iifname . oifname {{ {pairs} }}"]
        queued = [f"{which} {way} queue flags bypass to {queues}" for which in (undecided, INVALID) for way in ways]
        asked_of_another = ["udp dport 53 ct status dnat accept"] if self.named else []
        return _base("to_queue", "forward", -150, [*self.hairpins("accept"), *asked_of_another, *queued])

    def queues(self) -> str:
        last = self.plan.queue_base + self.plan.queues - 1
        return f"{self.plan.queue_base}-{last}" if self.plan.queues > 1 else f"{last}"

    def dispatch(self) -> list[str]:
        if self.with_vlan():
            return [f"{way} goto {direction}" for way, direction in self.vlan_paths()]
        return ["iifname . oifname vmap @paths"]

    def vlan_paths(self) -> list[tuple[str, Direction]]:
        """Bridged VLANs: (condition, direction) for every pair of ends in the same VLAN."""

        def way(come: Interface, leave: Interface, vlan: int | None) -> str:
            ends = f'iifname "{come.name}" oifname "{leave.name}"'
            return ends if vlan is None else f"{ends} vlan id {vlan}"

        found: dict[str, Direction] = {}
        for lan in (i for i in self.plan.interfaces if i.role == "lan"):
            for wan in (i for i in self.plan.interfaces if i.role == "wan"):
                if lan.vlan is None or wan.vlan is None or lan.vlan == wan.vlan:
                    vlan = lan.vlan if lan.vlan is not None else wan.vlan
                    found[way(lan, wan, vlan)] = "up"
                    found[way(wan, lan, vlan)] = "down"
        return list(found.items())


POLICED_SIZE = 65536  # hosts or flows held to a rate of their own
POLICED = "1m"  # without a packet, after which one is forgotten: its limit has long filled up again
POLICE_BURST = 65536  # bytes beside a second's worth: a GSO packet is that long
HEADERS = 128  # bytes of a mirrored packet: IPv6, TCP with options, and some payload
LOOPBACK = ("ip to 127.0.0.1", "ip6 to [::1]")  # where a proxy listens, or at all addresses
REFUSED_SIZE = 65536
REFUSED = "1m"  # longer than a client's pauses between its first tries
REFUSED_FLOWS = [
    ("refused4", "ip saddr . ip daddr . meta l4proto . th sport . th dport"),
    ("refused6", "ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport"),
]
REDIRECTS = ["icmp type redirect", "icmpv6 type nd-redirect"]
REFUSE = ["meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"]


def _octets(bits: int) -> int:
    return max(1, bits // 8)


def _map(name: str, kind: str, elements: list[str]) -> list[str]:
    body = [f"\telements = {{ {', '.join(elements)} }}"] if elements else []
    return [f"map {name} {{", f"\ttype {kind}", *body, "}"]


def _prefix_set(name: str, version: int, prefixes: list[str]) -> list[str]:
    elements = f"\telements = {{ {', '.join(prefixes)} }}"
    return [f"set {name} {{", f"\ttype ipv{version}_addr", "\tflags interval", elements, "}"]


def _chain(name: str, rules: Iterable[str]) -> list[str]:
    return [f"chain {name} {{", *(f"\t{rule}" for rule in rules), "}"]


def _base(name: str, hook: str, priority: int, rules: list[str]) -> list[str]:
    return _chain(name, [f"type filter hook {hook} priority {priority}; policy accept;", *rules])


def reached(routes: Iterable[Route]) -> list[int]:
    """The IP versions that any of them has a way for."""
    return sorted({version for route in routes for version in versions(route)})


def versions(route: Route) -> list[int]:
    """The IP versions that a route has a way for."""
    if route.kind == "dns":
        return []
    return [
        version
        for version, hop in ((4, route.next_hop4), (6, route.next_hop6))
        if hop or route.here or (route.device and not (route.next_hop4 or route.next_hop6))
    ]


def local_networks(plan: KernelPlan) -> list[tuple[int, list[str]]]:
    """What is behind the LAN, by IP version."""
    return _by_version(plan.local)


def _by_version(prefixes: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    """Prefixes merged (an interval set takes no overlaps), by IP version."""
    networks = [ipaddress.ip_network(p, strict=False) for p in prefixes]
    four = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network))
    return [(v, text) for v, text in ((4, [str(n) for n in four]), (6, [str(n) for n in six])) if text]
