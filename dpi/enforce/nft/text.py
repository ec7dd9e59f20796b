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
* Where LAN and WAN are one interface, the kernel tells both ends by ICMP redirects that they can reach each other
  without us, and they go round the box.  So redirects do not leave by it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dpi.enforce.names import MAJORS, TABLE, Family, classid_text
from dpi.policy.plan import Direction, Interface, KernelPlan, Route

DIRECTIONS: tuple[Direction, ...] = ("up", "down")
LEARNT_SIZE = 65536  # addresses a route and family; more are refused, not evicted


@dataclass(frozen=True)
class Facts:
    """What the text depends on beside the plan."""

    nft_queue: bool = True  # the kernel has nft's queue statement
    beyond: tuple[str, ...] = ()  # devices that lead to caches and are neither lan nor wan


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
        f"{'ip' if version == 4 else 'ip6'} saddr {{ {', '.join(prefixes)} }} goto up"
        for version, prefixes in _by_version(plan.local)
    ]
    rules = [f"iifname . oifname vmap {{ {', '.join(writer.paths())} }}"]
    return rules, [*one_armed, "goto down"] if writer.one_armed else []


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
        self.dscp = sorted({d.dscp for d in plan.dispositions if d.dscp is not None})
        self.lan = list(dict.fromkeys(i.name for i in plan.interfaces if i.role == "lan"))
        wan = dict.fromkeys(i.name for i in plan.interfaces if i.role == "wan")
        self.wan = list(dict.fromkeys([*wan, *facts.beyond]))
        self.one_armed = sorted(set(self.lan) & set(self.wan))

    def mark(self, number: int) -> str:
        return f"{self.plan.marks.disposition(number):#010x}"

    def route_mark(self, route: Route) -> str:
        return f"{self.plan.marks.route(route.number):#010x}"

    def blocks(self) -> Iterator[list[str]]:
        yield from self.counters()
        yield from self.maps()
        for route in self.plan.routes:
            yield from self.route_sets(route)
        yield from self.decide_chains()
        yield from self.action_chains()
        for route in self.plan.routes:
            yield from self.route_chains(route)
        if self.plan.routes:
            yield from self.learn_chains()
        for direction in DIRECTIONS:
            yield self.direction_chain(direction)
        yield from self.base_chains()

    # ── objects ───────────────────────────────────────────────────────────────────────────────────────────

    def counters(self) -> Iterator[list[str]]:
        for direction in DIRECTIONS:
            yield [f"counter undecided_{direction} {{", "}"]
            for d in self.plan.dispositions:
                yield [f"counter rule{d.number}_{direction} {{", "}"]
            for route in self.plan.routes:
                yield [f"counter route{route.number}_{direction} {{", "}"]

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
            for version, prefixes in _by_version(plan.local):
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
        return any(i.vlan is not None for i in self.plan.interfaces)

    def route_sets(self, route: Route) -> Iterator[list[str]]:
        name = f"route{route.number}"
        yield [f"set {name}_dead {{", "\ttype mark", "}"]
        for version in versions(route):
            kind = f"\ttype ipv{version}_addr"
            yield [f"set {name}_learnt{version} {{", kind, f"\tsize {LEARNT_SIZE}", "\tflags dynamic,timeout", "}"]
        for version, prefixes in _by_version(route.prefixes):
            if version in versions(route):
                yield _prefix_set(f"{name}_known{version}", version, prefixes)

    # ── chains that chains go to ──────────────────────────────────────────────────────────────────────────

    def decide_chains(self) -> Iterator[list[str]]:
        marks = self.plan.marks
        keep = ~(marks.disposition_mask | marks.final) & 0xFFFFFFFF
        for d in self.plan.dispositions:
            yield _chain(f"decide{d.number}", [f"ct mark set ct mark & {keep:#010x} | {self.mark(d.number)}"])
        yield _chain(
            "decide",
            [
                f"meta mark & {self.disposition} vmap @decided",
                f"meta mark & {self.final} != 0 ct mark set ct mark | {self.final}",
            ],
        )

    def action_chains(self) -> Iterator[list[str]]:
        refuses = any(d.block == "reject" for d in self.blocked) or self.refusing_routes()
        if refuses and not self.bridge:
            yield _chain("refuse", REFUSE)
        if self.bridge_refuses():
            remember = [f"ct status ! confirmed update @{refused} {{ {flow} }}" for refused, flow in REFUSED_FLOWS]
            yield _chain("refuse_again", [*remember, "drop"])
        for value in self.dscp:
            yield _chain(f"dscp{value}", [f"ip dscp set {value}", f"ip6 dscp set {value}"])

    def bridge_refuses(self) -> bool:
        return self.bridge and any(d.block == "reject" for d in self.blocked)

    def refusing_routes(self) -> list[Route]:
        return [r for r in self.plan.routes if r.when_down == "unreachable"]

    def route_chains(self, route: Route) -> Iterator[list[str]]:
        marks, name, value = self.plan.marks, f"route{route.number}", self.route_mark(route)
        keep = f"{~marks.route_mask & 0xFFFFFFFF:#010x}"
        down = f"ct mark & {self.route} @{name}_dead"
        give = [f"ct mark set ct mark & {keep} | {value}"]
        take = [f"meta mark set meta mark & {keep} | {value}"]
        if route.when_down == "normal":
            give.append(f"{down} ct mark set ct mark & {keep}")
            take.insert(0, f"{down} ct mark set ct mark & {keep} return")
        yield _chain(f"{name}_give", give)
        yield _chain(f"{name}_take", take)

    def learn_chains(self) -> Iterator[list[str]]:
        for direction, side in (("up", "daddr"), ("down", "saddr")):
            yield _chain(
                f"learn_{direction}",
                [
                    f"meta mark & {self.route} == {self.route_mark(route)}"
                    f" update @route{route.number}_learnt{version}"
                    f" {{ {'ip' if version == 4 else 'ip6'} {side} timeout {max(1, route.learn_ttl)}s }}"
                    for route in self.plan.routes
                    for version in versions(route)
                ],
            )

    def direction_chain(self, direction: Direction) -> list[str]:
        plan = self.plan
        decides = f"meta mark & {self.decision} != 0"
        rules = [f"{decides} jump decide"]
        if plan.routes:
            opened_from_lan = "original" if direction == "up" else "reply"
            rules.append(
                f"meta mark & {self.route} != 0 {decides} ct direction {opened_from_lan} jump learn_{direction}"
            )
        rules.append(f"counter name ct mark & {self.disposition} map @rules_{direction}")
        if plan.routes:
            rules.append(f"counter name ct mark & {self.route} map @routes_{direction}")
            rules += [f"ct mark & {self.route} @route{r.number}_dead goto refuse" for r in self.refusing_routes()]
        if self.blocked:
            rules.append(f"ct mark & {self.disposition} vmap @blocked")
        trees = [t for t in plan.trees if t.direction == direction]
        if trees:
            minors = self.minors(direction)
            rules.append(f"meta priority set {classid_text(MAJORS[direction], minors[trees[0].default])}")
            rules.append(f"meta priority set ct mark & {self.disposition} map @class_{direction}")
        if self.dscp:
            rules.append(f"ct mark & {self.disposition} vmap @remarked")
        if any(t.ifb for t in trees):
            # The route has been taken: its bits of the packet's mark are free to say "to the IFB".
            keep = ~plan.marks.route_mask & 0xFFFFFFFF
            rules.append(f"meta mark set meta mark & {keep:#010x} | {plan.marks.route_mask:#010x}")
        return _chain(direction, rules)

    # ── base chains ───────────────────────────────────────────────────────────────────────────────────────

    def base_chains(self) -> Iterator[list[str]]:
        if self.one_armed:
            rules = [
                f"{'ip' if version == 4 else 'ip6'} saddr @local{version} goto up"
                for version, _ in _by_version(self.plan.local)
            ]
            yield _chain("one_armed", [*rules, "goto down"])
            devices = ", ".join(f'"{name}"' for name in self.one_armed)
            redirects = [f"oifname {{ {devices} }} {kind} drop" for kind in REDIRECTS]
            yield _base("no_redirects", "output", 0, redirects)
        if self.plan.routes:
            yield from self.steering()
        if self.bridge_refuses():
            yield from self.bridge_reject()
        if self.facts.nft_queue:
            yield self.queue_chain()
        yield _base("forward", "forward", -149, self.dispatch())

    def steering(self) -> Iterator[list[str]]:
        rules = []
        for route in self.plan.routes:  # what the cache itself asks for must not come back to it
            if route.next_hop4:
                rules.append(f"ip saddr {route.next_hop4} return")
            if route.next_hop6:
                rules.append(f"ip6 saddr {route.next_hop6} return")
        for route in self.plan.routes:
            known = {version for version, _ in _by_version(route.prefixes)}
            for version in versions(route):
                address = "ip" if version == 4 else "ip6"
                name = f"route{route.number}"
                rules.append(f"{address} daddr @{name}_learnt{version} goto {name}_give")
                if version in known:
                    rules.append(f"{address} daddr @{name}_known{version} goto {name}_give")
        yield _chain("steer", rules)
        devices = ", ".join(f'"{name}"' for name in self.lan)
        taken = ", ".join(f"{self.route_mark(r)} : goto route{r.number}_take" for r in self.plan.routes)
        yield _base(
            "prerouting",
            "prerouting",
            -150,
            [
                f"iifname {{ {devices} }} ct state new ct status ! confirmed jump steer",
                f"ct direction original ct mark & {self.route} vmap {{ {taken} }}",
            ],
        )

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
        plan = self.plan
        last = plan.queue_base + plan.queues - 1
        queues = f"{plan.queue_base}-{last}" if plan.queues > 1 else f"{last}"
        undecided = f"ct mark & {self.final} == 0"
        if self.with_vlan():
            rules = [f"{undecided} {way} queue flags bypass to {queues}" for way, _ in self.vlan_paths()]
        else:
            pairs = ", ".join(path.split(" : ")[0] for path in self.paths())
            rules = [f"{undecided} iifname . oifname {{ {pairs} }} queue flags bypass to {queues}"]
        return _base("to_queue", "forward", -150, rules)

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


REFUSED_SIZE = 65536
REFUSED = "1m"  # longer than a client's pauses between its first tries
REFUSED_FLOWS = [
    ("refused4", "ip saddr . ip daddr . meta l4proto . th sport . th dport"),
    ("refused6", "ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport"),
]
REDIRECTS = ["icmp type redirect", "icmpv6 type nd-redirect"]
REFUSE = ["meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"]


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


def versions(route: Route) -> list[int]:
    """The IP versions that a route has a way for."""
    return [
        version
        for version, hop in ((4, route.next_hop4), (6, route.next_hop6))
        if hop or (route.device and not (route.next_hop4 or route.next_hop6))
    ]


def _by_version(prefixes: tuple[str, ...]) -> list[tuple[int, list[str]]]:
    """Prefixes merged (an interval set takes no overlaps), by IP version."""
    networks = [ipaddress.ip_network(p, strict=False) for p in prefixes]
    four = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network))
    return [(v, text) for v, text in ((4, [str(n) for n in four]), (6, [str(n) for n in six])) if text]
