"""Live traffic: one shard a queue, each driven by a thread of its own; names that one shard learns serve all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dpi.core import Core
from dpi.decider import MAX_FLOWS, Decider
from dpi.flow_events import Asked, FlowEvent, Learnt, asked, learnt
from dpi.match.labels import Tables
from dpi.match.names import Names
from dpi.record.fields import FlowRecord

if TYPE_CHECKING:
    from dpi.policy.conditions import Holding
    from dpi.policy.plan import EnginePlan

EXAMPLES = 8  # connections told of, of each direction and shard

PackedKey = tuple[
    bytes, int, bytes, int, int, int
]  # src, sport, dst, dport, vlan, IP protocol number; addresses: 16 bytes


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


class Engine(Decider):
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
        super().__init__(signatures)
        self.names = Names()
        per_shard = max(1, max_flows // shards)
        self.cores = [
            Core(per_shard, events=events, merge=merge, offload=offload, risks=risks, starts=live, labels=live)
            for _ in range(shards)
        ]
        for core in self.cores:
            self.use(core, self.names)

    def adopt(self, signatures: Tables) -> None:
        """Label from these from the next batch on; they were loaded to keep the numbers of those before.

        Flows keep the labels that they have.  load_rules() must follow, for rules know labels by number.
        """
        self.tables = signatures
        for core in self.cores:
            self.use(core, self.names)

    def load_rules(
        self, plan: EnginePlan, routes: Mapping[str, int] | None = None, holding: Holding | None = None
    ) -> None:
        """As Decider.load_rules(), from the next batch on."""
        super().load_rules(plan, routes, holding)
        assert self._rules
        for core in self.cores:
            core.set_rules(*self._rules)

    def override(self, named: int, answering: int) -> None:
        """Routes, a bit each: those whose names lead to a cache's own address, and of these whose queries are told."""
        for core in self.cores:
            core.override(named, answering)

    def reevaluate(self) -> Iterator[FlowRecord]:
        """Asks the rules again for every flow; yields those whose mark changed, to be told to the kernel."""
        for core in self.cores:
            yield from self._chunks(core.reevaluate)

    def drain_events(self, limit: int = 1024) -> list[FlowEvent | Learnt | Asked]:
        """At most `limit` events of each shard, the oldest first."""
        out: list[FlowEvent | Learnt | Asked] = []
        for number, core in enumerate(self.cores):
            for event in core.drain(limit):
                if event[0] == "learnt":
                    out.append(learnt(number, event))
                elif event[0] == "asked":
                    out.append(asked(number, event))
                else:
                    out.append(self.event(event, None))
        return out

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

    def find_packed(self, key: PackedKey) -> FlowRecord | None:
        """The flow of this key, from either side."""
        for core in self.cores:
            flow = core.find(key)
            if flow is not None:
                return self.record(flow, None, None)
        return None

    def close_packed(self, key: PackedKey, *counters: int) -> bool:
        """The kernel reports a flow's end, with its counters; an `end` event follows.  False: not known."""
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

    def tick(self, now: int) -> None:
        """Lets time (ns since 1970) pass where no packets come."""
        for core in self.cores:
            core.tick(now)

    def _chunks(self, ask: Callable[[int], tuple[list[Any], int]]) -> Iterator[FlowRecord]:
        chunk, go_on = ask(0)
        while True:
            for flow in chunk:
                yield self.record(flow, None, None)
            if not go_on:
                return
            chunk, go_on = ask(go_on)
