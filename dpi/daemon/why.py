"""The answer to `dpi why`: what is known of a flow, a name or an address, and what the rules make of it."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from dpi.dissect.risks import BY_SLUG
from dpi.errors import UsageError
from dpi.policy.explain import Facts, explain
from dpi.policy.plan import ShapedClass
from dpi.policy.show import actions
from dpi.record.fields import FlowRecord
from dpi.rule_tables import categories_of, facts_of, packed

if TYPE_CHECKING:
    from dpi.daemon.worker import Worker

MOST = 20  # flows of one answer

Describe = Callable[[FlowRecord], dict[str, Any]]


def why(worker: Worker, what: str, describe: Describe) -> dict[str, Any]:
    """{"what", "names": [{"what", "says"}], "flows": [flow, evidence, rules, class_path, …]}"""
    wanted = what.strip().lower()
    if not wanted:
        raise UsageError("why what?  A flow, a host name or an address")
    address = _address(wanted)
    flows = [r for r in worker.engine.flows() if _meant(r, wanted, address)]
    flows.sort(key=lambda r: (r.protocol == "dns", -r.end))  # what uses a name before what asks for it
    names = []
    if address:
        names += list(_of_address(worker, wanted))
    elif not flows or "." in wanted:
        names += list(_of_name(worker, wanted))
    return {"what": what, "names": names, "flows": [_flow(worker, describe(r), r) for r in flows[:MOST]]}


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


def _of_name(worker: Worker, name: str) -> Iterator[dict[str, str]]:
    """What the signatures make of a host name, and what the rules would."""
    signatures = worker.engine.signatures
    hit = signatures.hosts.match(name)
    if hit is None:
        yield {"what": name, "says": "no signature names it"}
        facts = Facts(host=name)
    else:
        entry = signatures.host_entry(hit.entry)
        yield {"what": name, "says": f"{entry.label.slug}, by `{entry.text}` ({entry.where})"}
        facts = Facts(app=entry.label.slug, host=name, categories=categories_of(entry.label.slug, signatures))
    for verdict in explain(worker.plan.engine, facts):
        if verdict.matched:
            yield {"what": name, "says": f"rule {verdict.rule.name} ({verdict.rule.where})"}
            break
    else:
        yield {"what": name, "says": "no rule: the default class"}


def _of_address(worker: Worker, text: str) -> Iterator[dict[str, str]]:
    """Which names the address had, and whose it is."""
    address = packed(text)
    signatures = worker.engine.signatures
    found = worker.engine.names.find(None, address, time.time_ns())
    if found:
        shared = ", with other names beside it" if found.get("ambiguous") else ""
        yield {"what": text, "says": f"answered by DNS for {found['name']}{shared}"}
    hit = signatures.prefixes.match(address)
    if hit is not None:
        entry = signatures.prefix_entry(hit.entry)
        yield {"what": text, "says": f"{entry.label.slug}, by prefix {entry.text} ({entry.where})"}
    if not found and hit is None:
        yield {"what": text, "says": "no name was seen for it, and no signature has its prefix"}


def _flow(worker: Worker, described: dict[str, Any], record: FlowRecord) -> dict[str, Any]:
    facts = facts_of(record, worker.engine.signatures)
    verdicts = explain(worker.plan.engine, facts)
    dispositions = {d.number: d for d in worker.plan.kernel.dispositions}
    rules = [
        {
            "name": v.rule.name,
            "where": v.rule.where,
            "matched": v.matched,
            "says": actions(v.rule, dispositions[v.rule.disposition]) if v.matched else v.reason,
        }
        for v in verdicts
    ]
    if not any(v.matched for v in verdicts):
        rules.append({"name": "default", "where": "no rule matches", "matched": True, "says": "the default class"})
    return described | {
        "id": flow_id(record),
        "evidence": list(_evidence(worker, record)),
        "why_risky": [f"{slug} ({BY_SLUG[slug].score}): {BY_SLUG[slug].meaning}" for slug in record.risks],
        "rules": rules,
        "class_path": list(_class_path(worker, described["class"])),
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


def _class_path(worker: Worker, name: str | None) -> Iterator[dict[str, Any]]:
    """The class and those above it, in each direction, the leaf first."""
    for tree in {t.direction: t for t in worker.plan.kernel.trees}.values():
        known: dict[str | None, ShapedClass] = {c.name: c for c in tree.classes}
        node = known.get(name)
        while node:
            yield {"name": node.name, "direction": tree.direction, "rate": node.rate, "ceil": node.ceil}
            node = known.get(node.parent)
