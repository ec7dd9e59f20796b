"""The answer to `dpi why`: what is known of a flow, a name or an address, and what the rules make of it."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dpi.dissect.risks import BY_SLUG
from dpi.errors import UsageError
from dpi.policy.explain import Facts, explain
from dpi.policy.plan import ShapedClass
from dpi.policy.show import actions
from dpi.record.fields import FlowRecord
from dpi.rule_tables import categories_of, facts_of, packed
from dpi.simulate.outcome import DEFAULT, Outcomes

if TYPE_CHECKING:
    from dpi.daemon.worker import Worker

MOST = 20  # flows of one answer
COUNTS = ("flows", "flows_total", "packets", "bytes", "last_hit")

Describe = Callable[[FlowRecord], dict[str, Any]]


class Counted(NamedTuple):
    """What was counted, as `dpi status` has it."""

    rules: list[dict[str, Any]]
    classes: list[dict[str, Any]]


def why(worker: Worker, what: str, describe: Describe, counted: Counted) -> dict[str, Any]:
    """{"what", "names": [{"what", "says"}], "rules", "class_path", "flows": [flow, evidence, rules, class_path, …]}

    The first rules and class path are of the name or address alone, empty where flows were asked for; a condition on
    what only a flow has does not hold for it.
    """
    wanted = what.strip().lower()
    if not wanted:
        raise UsageError("why what?  A flow, a host name or an address")
    address = _address(wanted)
    flows = [r for r in worker.engine.flows() if _meant(r, wanted, address)]
    flows.sort(key=lambda r: (r.protocol == "dns", -r.end))  # what uses a name before what asks for it
    names: list[dict[str, str]] = []
    facts: Facts | None = None
    if address:
        facts = _of_address(worker, wanted, names)
    elif not flows or "." in wanted:
        facts = _of_name(worker, wanted, names)
    rules, path = _rules_of(worker, facts, counted) if facts else ([], [])
    told = [_flow(worker, describe(r), r, counted) for r in flows[:MOST]]
    return {"what": what, "names": names, "rules": rules, "class_path": path, "flows": told}


def flow_id(record: FlowRecord) -> str:
    """`tcp:10.0.0.5:51234-198.51.100.7:443`; what `dpi why` takes."""
    return f"{record.l4}:{_end(record.src, record.sport)}-{_end(record.dst, record.dport)}"


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _meant(record: FlowRecord, wanted: str, address: str | None) -> bool:
    if address:
        return address in (record.src, record.dst)
    ends = _end(record.src, record.sport), _end(record.dst, record.dport)
    name = record.hostname or ""
    return wanted in (flow_id(record), *ends) or (bool(name) and (name == wanted or name.endswith("." + wanted)))


def _of_name(worker: Worker, name: str, says: list[dict[str, str]]) -> Facts:
    """What the signatures make of a host name."""
    signatures = worker.engine.signatures
    hit = signatures.hosts.match(name)
    if hit is None:
        says.append({"what": name, "says": "no signature names it"})
        return Facts(host=name)
    entry = signatures.host_entry(hit.entry)
    says.append({"what": name, "says": f"{entry.label.slug}, by `{entry.text}` ({entry.where})"})
    return Facts(app=entry.label.slug, host=name, categories=categories_of(entry.label.slug, signatures))


def _of_address(worker: Worker, text: str, says: list[dict[str, str]]) -> Facts:
    """Which names the address had, and whose it is."""
    address = packed(text)
    signatures = worker.engine.signatures
    app, name = "", ""
    hit = signatures.prefixes.match(address)
    if hit is not None:
        owner = signatures.prefix_entry(hit.entry)
        app = owner.label.slug
        says.append({"what": text, "says": f"{app}, by prefix {owner.text} ({owner.where})"})
    found = worker.engine.names.find(None, address, time.time_ns())
    if found:
        name = str(found["name"])
        shared = ", with other names beside it" if found.get("ambiguous") else ""
        says.insert(0, {"what": text, "says": f"answered by DNS for {name}{shared}"})
        named = signatures.hosts.match(name)
        app = signatures.host_entry(named.entry).label.slug if named is not None else app
    if not says:
        says.append({"what": text, "says": "no name was seen for it, and no signature has its prefix"})
    return Facts(app=app, host=name, categories=categories_of(app, signatures), remote=text)


def _rules_of(worker: Worker, facts: Facts, counted: Counted) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rules that were tried, each with what it does or the condition that failed; and the class path."""
    verdicts = explain(worker.plan.engine, facts)
    dispositions = {d.number: d for d in worker.plan.kernel.dispositions}
    counts = {row["name"]: {key: row[key] for key in COUNTS} for row in counted.rules}
    rules: list[dict[str, Any]] = [
        {
            "name": v.rule.name,
            "where": v.rule.where,
            "matched": v.matched,
            "says": actions(v.rule, dispositions[v.rule.disposition]) if v.matched else v.reason,
            "counters": counts.get(v.rule.name),
        }
        for v in verdicts
    ]
    matched = next((v.rule.disposition for v in verdicts if v.matched), None)
    if matched is None:
        default = {"name": DEFAULT, "where": "no rule matches", "matched": True, "says": "the default class"}
        rules.append(default | {"counters": counts.get(DEFAULT)})
    outcome = Outcomes(worker.plan).of_disposition(matched or 1)
    return rules, list(_class_path(worker, outcome.class_, counted))


def _flow(worker: Worker, described: dict[str, Any], record: FlowRecord, counted: Counted) -> dict[str, Any]:
    rules, _ = _rules_of(worker, facts_of(record, worker.engine.signatures), counted)
    return described | {
        "id": flow_id(record),
        "evidence": list(_evidence(worker, record)),
        "why_risky": [f"{slug} ({BY_SLUG[slug].score}): {BY_SLUG[slug].meaning}" for slug in record.risks],
        "rules": rules,
        "class_path": list(_class_path(worker, described["class"], counted)),
        "inspected": record.decided_at if described["offloaded"] else record.packets_up + record.packets_down,
    }


def _evidence(worker: Worker, record: FlowRecord) -> Iterator[str]:
    if record.hostname:
        yield f"name {record.hostname}, by {record.method}"
        hit = worker.engine.signatures.hosts.match(record.hostname)
        if hit is not None:
            entry = worker.engine.signatures.host_entry(hit.entry)
            yield f"`{entry.text}` names {entry.label.slug} ({entry.where})"
    if record.method == "rule" and (found := _rule_of(worker, record)):
        yield f"a rule names {found[0]} ({found[1]})"
    if record.method == "signature":
        label = worker.engine.signatures.by_slug.get(record.app or record.protocol)
        for where in worker.engine.signatures.declared_at(label.id if label else 0):
            yield f"its bytes are as declared ({where})"
    for what, value in (
        ("protocol", "" if record.protocol == "unknown" else record.protocol),
        ("TLS version offered", record.tls_version),
        ("ALPN", record.alpn),
        ("JA4", record.ja4),
        ("QUIC version", record.quic_version),
        ("user agent", record.agent),
    ):
        if value:
            yield f"{what} {value}"
    if record.ech:
        yield "the hello is encrypted (ECH): the name is its cover"


def _rule_of(worker: Worker, record: FlowRecord) -> tuple[str, str] | None:
    """The app and the place of the rule of the signature files that holds for a flow."""
    signatures = worker.engine.signatures
    spoken = signatures.by_slug.get(record.protocol)
    number = signatures.rules.ask(
        protocol=spoken.id if spoken else 0,
        host=(record.hostname or "").encode(),
        ja4=(record.ja4 or "").encode(),
        alpn=(record.alpn or "").encode(),
        remote=packed(record.dst),
        port=record.dport,
        proto={"tcp": 6, "udp": 17, "sctp": 132}.get(record.l4, 0),
    )
    return None if number is None else signatures.rule_at(number)


def _class_path(worker: Worker, name: str | None, counted: Counted) -> Iterator[dict[str, Any]]:
    """The class and those above it, in each direction, the leaf first."""
    counts = {(row["direction"], row["name"]): row for row in counted.classes}
    for tree in {t.direction: t for t in worker.plan.kernel.trees}.values():
        known: dict[str | None, ShapedClass] = {c.name: c for c in tree.classes}
        node = known.get(name)
        while node:
            row = counts.get((tree.direction, node.name))
            yield {
                "name": node.name,
                "direction": tree.direction,
                "rate": node.rate,
                "ceil": node.ceil,
                "counters": row and {key: row[key] for key in (*COUNTS, "drops", "backlog")},
            }
            node = known.get(node.parent)
