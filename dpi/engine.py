"""Where the two halves meet: signatures and a policy's plan go in, named and decided flows come out.

An engine has one shard a queue, each driven by a thread of its own; names that one shard learns serve all.
Offline, `classify` runs a capture through a shard of its own and yields the flows as records.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dpi.capture.pcapfile import Capture
from dpi.core import Core
from dpi.dissect import risks as known_risks
from dpi.errors import CaptureError
from dpi.flow.timers import TIMEOUT_NAMES
from dpi.match.addresses import pack
from dpi.match.labels import Signatures, Tables
from dpi.match.names import Names
from dpi.match.prefixes import Prefixes
from dpi.match.rules import Rules
from dpi.record.fields import METHODS, STATES, TLS_VERSIONS, TRANSPORTS, TUNNELS, FlowRecord
from dpi.record.lines import Lines

if TYPE_CHECKING:  # rules come in when a plan is loaded: classify has none, and starts in half the time without them
    from dpi.policy.conditions import Holding
    from dpi.policy.plan import EnginePlan, Plan

MAX_FLOWS = 1 << 20
Blind = Literal["", "names", "dns"]
BLIND: tuple[Blind, ...] = ("", "names", "dns")  # by Blind in decide/shard.pxd
# Seconds after which a silent flow of a capture has ended.  What comes on its ports before is still the same flow, as
# most who count the flows of a capture have it.  TCP asks after that long whether the other side lives (RFC 1122,
# 4.2.3.6).
SILENCE = 7200.0
EXAMPLES = 8  # connections told of, of each direction and shard
FILE_AT_ONCE = 1 << 16  # packets until a bar moves
PIPE_AT_ONCE = 64  # … and until what is known of a live one is told

Tuple5 = tuple[str, int, str, int, int, int]  # src, sport, dst, dport, vlan, IP protocol number
PackedKey = tuple[bytes, int, bytes, int, int, int]  # the same, addresses as 16 bytes


@dataclass(frozen=True, slots=True)
class FlowEvent:
    """A flow has started, was labelled, or has ended."""

    kind: str
    reason: str
    time: float
    logged: bool  # its rule asks for a line in the log
    route: int  # of its rule, 0 for none
    record: FlowRecord


@dataclass(frozen=True, slots=True)
class Learnt:
    """A DNS answer gave an address of something that has a route; the answer waits for release(hold)."""

    shard: int
    address: str
    ttl: int  # seconds
    route: int
    hold: int  # 0: nothing waits
    name: str
    time: float


@dataclass(frozen=True, slots=True)
class Asked:
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


class Example(NamedTuple):
    direction: Literal["up", "down"]
    local: str
    remote: str


class OneWay(NamedTuple):
    """TCP connections that carry something, and those of them whose packets come by in one direction alone."""

    connections: int
    up: int
    down: int
    examples: list[Example]


class Engine:
    """Names flows, and decides what becomes of them.

    max_flows: flows at a time over all shards; merge: a 5-tuple is one flow for as long as the source lasts;
    offload: the mark of a decided flow is final; live: events also for a flow's start and labels;
    risks: the server's answer is looked at as well, where only risks can be told from it.
    """

    def __init__(
        self,
        signatures: Tables | None = None,
        *,
        max_flows: int = MAX_FLOWS,
        shards: int = 1,
        merge: bool = False,
        offload: bool = False,
        live: bool = False,
        risks: bool = False,
        events: int = 4096,
    ) -> None:
        self.tables = signatures if signatures is not None else _load()
        self.names = Names()
        self.plan: EnginePlan | None = None
        self._followed: Plan | None = None  # whose schedules a capture's packets are held against
        self._switched: dict[Holding, tuple[Rules, Rules]] = {}
        self.max_flows = max_flows
        self.local: Prefixes | None = None  # what is behind the LAN, for captures; None: whoever opens is local
        per_shard = max(1, max_flows // shards)
        self.cores = [
            Core(per_shard, events=events, merge=merge, offload=offload, risks=risks, starts=live, labels=live)
            for _ in range(shards)
        ]
        for core in self.cores:
            self.use(core, self.names)

    @property
    def signatures(self) -> Signatures:
        """What the tables were made of, of an engine that was given it."""
        assert isinstance(self.tables, Signatures)
        return self.tables

    def use(self, core: Core, names: Names | None = None) -> None:
        """Has a shard label from these signatures, and from names of its own or the engine's."""
        labels = self.tables.labels
        core.use(
            self.tables.hosts,
            self.tables.prefixes,
            self.tables.ports,
            names if names is not None else self.names,
            bytes(label.category.id if label else 0 for label in labels),
            {label.id: self.tables.by_slug[label.video].id for label in labels if label and label.video},
            {label.id: self.tables.by_slug[label.calls].id for label in labels if label and label.calls},
            [label.id for label in labels if label and label.shared],
            {label.id: self.tables.by_slug[label.push].id for label in labels if label and label.push},
            self.tables.declared,
            self.tables.rules,
            [label.id for label in labels if label and label.mixed],
        )

    def adopt(self, signatures: Tables) -> None:
        """Label from these from the next batch on; they were loaded to keep the numbers of those before.

        Flows keep the labels that they have.  load_rules() must follow, for rules know labels by number.
        """
        self.tables = signatures
        for core in self.cores:
            self.use(core, self.names)

    # Policy

    def load_rules(
        self, plan: EnginePlan, routes: Mapping[str, int] | None = None, holding: Holding | None = None
    ) -> None:
        """Decide by this plan from the next batch on.

        routes: the numbers of the routes that its rules name (KernelPlan.targets).  holding: which of the conditions
        hold that rules have, None for none.  Raises KeyError for an app, a category or a route that is not known.
        """
        from dpi.rule_tables import tables

        rules, steer = tables(plan, routes or {}, self.tables, holding)
        for core in self.cores:
            core.set_rules(rules, steer, plan.marks.shift, plan.marks.final)
        self._rules = (rules, steer, plan.marks.shift, plan.marks.final)
        self.plan = plan

    def override(self, named: int, answering: int) -> None:
        """Routes, a bit each: those whose names lead to a cache's own address, and of these whose queries are told."""
        for core in self.cores:
            core.override(named, answering)

    def follow(self, plan: Plan) -> None:
        """Decide the flows of captures by this plan, with the schedules in force at the time when they are decided."""
        self.load_rules(plan.engine, plan.kernel.targets)
        self._followed = plan if plan.conditions.schedules else None

    def _switch(self, core: Core) -> int:
        """A capture's shard by what holds at its newest packet; → the time (ns) until which that is so."""
        from dpi.policy.conditions import at
        from dpi.rule_tables import tables

        assert self._followed
        plan = self._followed
        holding, _, until = at(plan.conditions, core.now() / 1_000_000_000)
        if holding not in self._switched:
            self._switched[holding] = tables(plan.engine, plan.kernel.targets, self.tables, holding)
        core.set_rules(*self._switched[holding], plan.engine.marks.shift, plan.engine.marks.final)
        return round(until * 1_000_000_000)

    def reevaluate(self) -> Iterator[FlowRecord]:
        """Asks the rules again for every flow; yields those whose mark changed, to be told to the kernel."""
        for core in self.cores:
            yield from self._chunks(core.reevaluate)

    # Captures

    def classify(
        self,
        path: str | os.PathLike[str],
        min_confidence: float = 0,
        *,
        blind: Blind = "",
        first_packet: bool = False,
    ) -> Iterator[FlowRecord]:
        """The flows of one capture, each as it ends, with fresh state.

        min_confidence: labels that are less sure are left out.  blind: as if payloads showed no names but those of
        DNS ("names"), or not even these ("dns").  first_packet: each flow as it is known when its first packet is
        through, in the order in which they begin.  Raises CaptureError (`FILE:OFFSET: …`) where the file is none,
        and at the end where it was damaged.
        """
        kind = "first" if first_packet else "end"
        least = round(min_confidence * 100)
        with Capture(path) as capture:
            name = Path(capture.path).name
            for event in self._events(self._classifier(blind, first_packet), capture):
                if event[0] == kind:
                    yield self._record(event[5], name, event[1], least)

    def replay(self, path: str | os.PathLike[str]) -> Iterator[FlowEvent | Learnt]:
        """All that would be told of one capture, in order: flows' starts, labels and ends, and what was learnt.

        As classify(), with fresh state and by the rules that are loaded.
        """
        core = self._offline(Core(self.max_flows, merge=True, starts=True, labels=True))
        with Capture(path) as capture:
            name = Path(capture.path).name
            for event in self._events(core, capture):
                yield _learnt(0, event) if event[0] == "learnt" else self._event(event, name)

    def lines(
        self, style: str, fields: Sequence[str], out: Any, *, min_confidence: float = 0, risky: bool = False
    ) -> Lines:
        """Where write() puts flows: lines of a style (record.spelling.STYLES) with these fields, in pieces to `out`."""
        return Lines(
            style,
            fields,
            labels=["unknown", *(label.slug if label else None for label in self.tables.labels[1:])],
            categories=[category.slug for category in self.tables.categories],
            rules=[rule.name for rule in self.plan.rules] if self.plan else [],
            out=out,
            least=round(min_confidence * 100),
            risky=risky,
        )

    def write(
        self,
        path: str | os.PathLike[str],
        lines: Lines,
        *,
        blind: Blind = "",
        first_packet: bool = False,
        watch: Callable[[int], bool] = lambda _: False,
    ) -> None:
        """As classify(), into `lines`, without an object for each flow; what is left there is the caller's to flush.

        watch: called now and then with the bytes of the file that are done; True ends reading there, and the flows
        known then are written.
        """
        with Capture(path) as capture:
            name = Path(capture.path).name
            core = self._classifier(blind, first_packet)
            stopped = False
            for _ in self._read(core, capture):
                lines.take(core, name, first_packet)
                if capture.size is None:
                    lines.flush()  # somebody may be waiting
                stopped = watch(capture.offset)
                if stopped:
                    break
            for _ in self._end(core):
                lines.take(core, name, first_packet)
            if capture.warning and not stopped:
                raise CaptureError(capture.warning)

    def _classifier(self, blind: Blind, first_packet: bool) -> Core:
        return self._offline(
            Core(self.max_flows, merge=True, risks=True, firsts=first_packet, blind=BLIND.index(blind))
        )

    def _offline(self, core: Core) -> Core:
        """The shard made ready for one capture, with nothing known.  It ends flows that are silent for long."""
        self.use(core, Names())
        if self.plan is not None:
            core.set_rules(*self._rules)
        core.set_local(self.local)
        for which in range(len(TIMEOUT_NAMES)):
            core.set_timeout(which, SILENCE)
        return core

    def _events(self, core: Core, capture: Capture) -> Iterator[tuple[Any, ...]]:
        """All events of one capture.  Raises CaptureError at its end where it was damaged."""
        for _ in chain(self._read(core, capture), self._end(core)):
            while events := core.drain(256):
                yield from events
        if capture.warning:
            raise CaptureError(capture.warning)

    def _read(self, core: Core, capture: Capture) -> Iterator[None]:
        """Takes the capture through; comes back where events are to be drained."""
        at_once = FILE_AT_ONCE if capture.size is not None else PIPE_AT_ONCE
        if self._followed is None:
            while core.run(capture, at_once):
                yield
            yield
            return
        more, until = core.run(capture, 1), 0  # the first packet tells the time
        while more:
            if core.now() >= until:
                first, until = until == 0, self._switch(core)
                if first:
                    core.reevaluate(0)
            yield
            more = core.run(capture, at_once, until)
        yield

    def _end(self, core: Core) -> Iterator[None]:
        """Ends all flows that are left, likewise."""
        go_on = core.flush(0, for_good=True)
        while go_on:
            yield
            go_on = core.flush(go_on, for_good=True)
        yield

    # Live

    def drain_events(self, limit: int = 1024) -> list[FlowEvent | Learnt | Asked]:
        """At most `limit` events of each shard, the oldest first."""
        out: list[FlowEvent | Learnt | Asked] = []
        for number, core in enumerate(self.cores):
            for event in core.drain(limit):
                if event[0] == "learnt":
                    out.append(_learnt(number, event))
                elif event[0] == "asked":
                    out.append(_asked(number, event))
                else:
                    out.append(self._event(event, None))
        return out

    def _event(self, event: tuple[Any, ...], capture: str | None) -> FlowEvent:
        kind, reason, time, logged, route, flow = event
        record = self._record(flow, capture, reason)
        return FlowEvent(kind, reason, time / 1_000_000_000, logged, route, record)

    def flows(self) -> Iterator[FlowRecord]:
        """Every flow now known, in chunks between which the loop goes on."""
        for core in self.cores:
            yield from self._chunks(core.flows)

    def decided_by_rule(self) -> dict[str | None, int]:
        """How many flows each rule has decided that are still there; None: those of no rule."""
        names = [*(rule.name for rule in self.plan.rules), None] if self.plan else [None]
        counts = zip(*(core.decided_by_rule(len(names) - 1) for core in self.cores), strict=True)
        found: dict[str | None, int] = {}
        for name, count in zip(names, map(sum, counts), strict=True):  # a rule may stand there twice
            found[name] = found.get(name, 0) + count
        return found

    def one_way(self) -> OneWay:
        """How many TCP connections show one side's packets alone, as far as counters are known here now."""
        found = OneWay(0, 0, 0, [])
        for core in self.cores:
            connections, up, down, examples = core.one_way(EXAMPLES)
            found = OneWay(
                found.connections + connections,
                found.up + up,
                found.down + down,
                found.examples + [Example("down" if down else "up", lan, wan) for down, lan, wan in examples],
            )
        return found

    def find_flow(self, key: Tuple5) -> FlowRecord | None:
        """The flow of (src, sport, dst, dport, vlan, protocol number), from either side."""
        return self.find_packed(_key(key))

    def find_packed(self, key: PackedKey) -> FlowRecord | None:
        """As find_flow, by addresses of 16 bytes."""
        for core in self.cores:
            flow = core.find(key)
            if flow is not None:
                return self._record(flow, None, None)
        return None

    def close_flow(
        self,
        key: Tuple5,
        packets_src: int | None = None,
        bytes_src: int | None = None,
        packets_dst: int | None = None,
        bytes_dst: int | None = None,
    ) -> bool:
        """The kernel reports a flow's end, with its counters; an `end` event follows.  False: not known."""
        packed = _key(key)
        return any(core.close(packed, packets_src, bytes_src, packets_dst, bytes_dst) for core in self.cores)

    def close_packed(self, key: PackedKey, *counters: int) -> bool:
        """As close_flow, by addresses of 16 bytes and without naming them: for the kernel's many events."""
        return any(core.close(key, *counters) for core in self.cores)

    def update_packed(self, key: PackedKey, *counters_and_now: int) -> bool:
        """What the kernel has counted so far of a flow that it has: packets and bytes of each side, and now in ns."""
        return any(core.update(key, *counters_and_now) for core in self.cores)

    def counters(self) -> dict[str, int]:
        """Sums over the shards."""
        totals: dict[str, int] = {}
        for core in self.cores:
            for name, value in core.counters().items():
                totals[name] = totals.get(name, 0) + value
        return totals

    def set_timeouts(self, seconds: dict[str, float]) -> None:
        """Idle timeouts by name (flow.timers.TIMEOUT_NAMES), 0 for ever."""
        for name, value in seconds.items():
            for core in self.cores:
                core.set_timeout(TIMEOUT_NAMES.index(name), value)

    def tick(self, now: int) -> None:
        """Lets time (ns since 1970) pass where no packets come."""
        for core in self.cores:
            core.tick(now)

    def _chunks(self, ask: Callable[[int], tuple[list[Any], int]]) -> Iterator[FlowRecord]:
        chunk, go_on = ask(0)
        while True:
            for flow in chunk:
                yield self._record(flow, None, None)
            if not go_on:
                return
            chunk, go_on = ask(go_on)

    # Records

    def _record(self, flow: tuple[Any, ...], capture: str | None, reason: str | None, least: int = 0) -> FlowRecord:
        (
            proto, version, src, sport, dst, dport, vlan, protocol, app, category,
            protocol_method, protocol_confidence, app_method, app_confidence,
            host, ja4, alpn, agent, content_type, tls_version, quic_version, ech, tunnel, dscp, decided_at,
            packets_up, bytes_up, packets_down, bytes_down, start, last, risks,
            state, flags, _needs, rule, _disposition, mark, local, mac,
        ) = flow  # fmt: skip
        labels = self.tables.labels
        if least and app_confidence < least:
            app, category = 0, 0
        if least and protocol_confidence < least:
            protocol, protocol_method, protocol_confidence = 0, 0, 0
        named = labels[app] if app else None
        spoken = labels[protocol]
        method, confidence = (app_method, app_confidence) if app else (protocol_method, protocol_confidence)
        plan = self.plan
        return FlowRecord(
            capture,
            TRANSPORTS.get(proto) or str(proto),
            version,
            src,
            sport,
            dst,
            dport,
            vlan,
            spoken.slug if spoken else "unknown",
            named.slug if named else None,
            self.tables.categories[category].slug if category else None,
            host,
            ja4,
            METHODS[method] or None,
            confidence / 100,
            decided_at,
            packets_up,
            bytes_up,
            packets_down,
            bytes_down,
            start / 1_000_000_000,
            last / 1_000_000_000,
            known_risks.names(risks),
            known_risks.score(risks),
            alpn,
            TLS_VERSIONS.get(tls_version, f"{tls_version:#06x}") if tls_version else None,
            f"{quic_version:08x}" if quic_version else None,
            bool(ech),
            agent,
            content_type,
            TUNNELS[tunnel] or None,
            dscp,
            STATES[state],
            reason or None,
            plan.rules[rule].name if plan and rule < len(plan.rules) else None,
            mark,
            {0: "out", 1: "in"}.get(local ^ (flags & 1)) if local < 2 else None,
            mac,
        )


def _load() -> Signatures:
    from dpi.match.signatures import load  # what is kept of them is enough for most who only name flows

    return load()


def _learnt(shard: int, event: tuple[Any, ...]) -> Learnt:
    _, addr, ttl, route, hold, name, time = event
    return Learnt(shard, _address(addr), ttl, route, hold, name or "", time / 1_000_000_000)


def _asked(shard: int, event: tuple[Any, ...]) -> Asked:
    _, src, sport, dst, dport, route, hold, query, time = event
    return Asked(shard, _address(src), sport, _address(dst), dport, route, hold, query, time / 1_000_000_000)


def _address(addr: bytes) -> str:
    address = ipaddress.IPv6Address(addr)
    return str(address.ipv4_mapped or address)


def _key(key: Tuple5) -> PackedKey:
    src, sport, dst, dport, vlan, proto = key
    return pack(src), sport, pack(dst), dport, vlan, proto
