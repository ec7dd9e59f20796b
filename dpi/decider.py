"""Where the two halves meet: signatures and a policy's plan, as shards name and decide flows by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dpi.core import Core
from dpi.dissect import risks as known_risks
from dpi.flow_events import FlowEvent
from dpi.match.labels import Signatures, Tables
from dpi.match.names import Names
from dpi.match.rules import Rules
from dpi.record.fields import METHODS, STATES, TLS_VERSIONS, TRANSPORTS, TUNNELS, FlowRecord

if TYPE_CHECKING:  # rules come in when a plan is loaded: classify has none, and starts in half the time without them
    from dpi.policy.conditions import Holding
    from dpi.policy.plan import EnginePlan

MAX_FLOWS = 1 << 20


class Decider:
    """What shards label and decide by, and what their numbers mean."""

    def __init__(self, signatures: Tables | None = None) -> None:
        self.tables = signatures if signatures is not None else _load()
        self.plan: EnginePlan | None = None
        self._rules: tuple[Rules, Rules, int, int] | None = None  # as Core.set_rules() takes them

    @property
    def signatures(self) -> Signatures:
        """What the tables were made of, of an engine that was given it."""
        assert isinstance(self.tables, Signatures)
        return self.tables

    def use(self, core: Core, names: Names) -> None:
        """Has a shard label from these signatures, and from these names."""
        labels = self.tables.labels
        core.use(
            self.tables.hosts,
            self.tables.prefixes,
            self.tables.ports,
            names,
            bytes(label.category.id if label else 0 for label in labels),
            {label.id: self.tables.by_slug[label.video].id for label in labels if label and label.video},
            {label.id: self.tables.by_slug[label.calls].id for label in labels if label and label.calls},
            [label.id for label in labels if label and label.shared],
            {label.id: self.tables.by_slug[label.push].id for label in labels if label and label.push},
            self.tables.declared,
            self.tables.rules,
            [label.id for label in labels if label and label.mixed],
        )

    def load_rules(
        self, plan: EnginePlan, routes: Mapping[str, int] | None = None, holding: Holding | None = None
    ) -> None:
        """Decide by this plan.

        routes: the numbers of the routes that its rules name (KernelPlan.targets).  holding: which of the conditions
        hold that rules have, None for none.  Raises KeyError for an app, a category or a route that is not known.
        """
        from dpi.rule_tables import tables

        rules, steer = tables(plan, routes or {}, self.tables, holding)
        self._rules = (rules, steer, plan.marks.shift, plan.marks.final)
        self.plan = plan

    def event(self, event: tuple[Any, ...], capture: str | None) -> FlowEvent:
        """Of a start, a label or an end, as flow_tuples.event_tuple() has it."""
        kind, reason, time, logged, route, flow = event
        record = self.record(flow, capture, reason)
        return FlowEvent(kind, reason, time / 1_000_000_000, logged, route, record)

    def record(self, flow: tuple[Any, ...], capture: str | None, reason: str | None, least: int = 0) -> FlowRecord:
        """Of flow_tuples.flow_tuple().  least: percent; labels that are less sure are left out."""
        (
            proto, version, src, sport, dst, dport, vlan, protocol, app, category,
            protocol_method, protocol_confidence, app_method, app_confidence,
            host, ja4, hassh, hassh_server, alpn, agent, content_type, tls_version, quic_version, ech, tunnel, dscp,
            decided_at,
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
            hassh,
            hassh_server,
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
