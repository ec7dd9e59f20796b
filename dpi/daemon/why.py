"""The answer to `dpi why`: what is known of a flow, a name or an address, and what the rules make of it."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from dpi.daemon.state import State
from dpi.daemon.subscriber_counts import Uses
from dpi.daemon.subscriber_counts import counted as counted_of
from dpi.dissect.risks import BY_SLUG
from dpi.errors import UsageError
from dpi.match.addresses import pack
from dpi.match.programs import entry_of
from dpi.policy import link_layer
from dpi.policy.explain import Facts, explain
from dpi.policy.plan import Branch, KernelPlan, Match, ShapedClass
from dpi.policy.show import actions
from dpi.policy.subscriber_path import branch_of, nodes, spoken, way
from dpi.record.fields import FlowRecord
from dpi.rule_tables import categories_of, facts_of
from dpi.simulate.outcome import DEFAULT, Outcomes
from dpi.subscriber_table import Owner

MOST = 20  # flows of one answer
COUNTS = ("flows", "flows_total", "packets", "bytes", "last_hit")
BY_NAME = ("sni", "quic-sni", "http-host", "dns-query", "dns", "certificate", "known-server")  # these gave the name too
BY_OTHERS = {  # method → what names a flow that shows nothing itself
    "neighbour": "this client found it, and no other app, at this address or beside it",
    "fingerprint": "this client has used it, and no other app, with this JA4",
}

Describe = Callable[[FlowRecord], dict[str, Any]]


class Counted(NamedTuple):
    """What was counted, as `dpi status` has it."""

    rules: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    subscribers: Uses
    conditions: list[dict[str, Any]]


def why(state: State, what: str, describe: Describe, counted: Counted) -> dict[str, Any]:
    """{"what", "names": [{"what", "says"}], "rules", "class_path", "flows": [flow, evidence, rules, class_path, …]}

    What is asked for may be a subscriber's id or address: then the class path is the subscriber's own.  The first rules
    and class path are of the name or address alone, empty where flows were asked for; a condition on what only a flow
    has does not hold for it.
    """
    wanted = what.strip().lower()
    if not wanted:
        raise UsageError("why what?  A flow, a host name, an address or a subscriber")
    address = _address(wanted)
    kernel = state.plan.kernel
    mac = _mac(wanted)
    table = state.subscribers.table
    named = branch_of(kernel, what.strip())
    if named:
        flows = [r for r in state.engine.flows() if state.subscribers.of_flow(r) is named]
    elif mac:
        flows = [r for r in state.engine.flows() if r.mac == mac]
    else:
        flows = [r for r in state.engine.flows() if _meant(r, wanted, address)]
    flows.sort(key=lambda r: (r.protocol == "dns", -r.end))  # what uses a name before what asks for it
    names: list[dict[str, str]] = []
    facts: Facts | None = None
    key = table.owner(wanted) if address else None
    owner = key.branch if key and key.branch.is_subscriber else None  # else it may be anybody's, a server's too
    owner = owner or (table.of_mac(mac) if mac else None)
    for branch in (named, owner):
        if branch:
            says = _subscriber(kernel, branch)
            if state.demand.is_asleep(branch.name):
                says += "; no queue now: it is made with the first packet"
            names.append({"what": what.strip(), "says": says})
            names += ({"what": each, "says": _by_key(state, each)} for each in table.learnt_of(branch))
    if address and owner:
        names.append({"what": what.strip(), "says": _by_key(state, wanted)})
    if named:
        path = counted_of(state, named, nodes(kernel, named), counted.subscribers)
        told = [_flow(state, describe(r), r, counted) for r in flows[:MOST]]
        return {"what": what, "names": names, "rules": [], "class_path": path, "flows": told}
    device = mac or next((r.mac for r in flows if address and r.mac and _local(r) == address), None)
    if says := state.devices.words(device):
        names.append({"what": what.strip() if mac else f"{wanted}, device {device}", "says": says})
    if mac:
        facts = Facts(mac=mac)
    elif owner and address:
        facts = Facts(local=wanted, mac=table.learnt[wanted].mac if wanted in table.learnt else "")
    elif address:
        facts = _of_address(state, wanted, names)
    elif ":" in wanted:  # a flow, or one end of it
        if not flows:
            says = "no flow that is known now has it; records have those that ended"
            names.append({"what": what.strip(), "says": says})
    elif not flows or "." in wanted:
        facts = _of_name(state, wanted, names)
    rules, path = _rules_of(state, facts, counted, owner) if facts else ([], [])
    told = [_flow(state, describe(r), r, counted) for r in flows[:MOST]]
    return {"what": what, "names": names, "rules": rules, "class_path": path, "flows": told}


def flow_id(record: FlowRecord) -> str:
    """`tcp:10.0.0.5:51234-198.51.100.7:443`; what `dpi why` takes."""
    return f"{record.l4}:{_end(record.src, record.sport)}-{_end(record.dst, record.dport)}"


def _end(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _mac(text: str) -> str | None:
    try:
        return link_layer.mac(text)
    except ValueError:
        return None


def _by_key(state: State, address: str) -> str:
    """By which key an address is its subscriber's."""
    owner = state.subscribers.table.owner(address)
    assert owner
    return f"{owner.branch.name}'s by {spoken_key(state, owner, address)}"


def spoken_key(state: State, owner: Owner, address: str) -> str:
    """`MAC address 02:11:22:33:44:55, learnt 2026-11-22 21:40:03`"""
    if owner.kind == "address":
        whole = owner.key.endswith("/128" if ":" in owner.key else "/32")
        return "its address" if whole else f"its prefix {owner.key}"
    if owner.kind == "mac":
        learnt = state.subscribers.table.learnt.get(address)
        since = f", learnt {time.strftime('%F %T', time.localtime(learnt.since))}" if learnt else ""
        return f"MAC address {owner.key}{since}"
    return f"VLAN {owner.key}"


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _local(record: FlowRecord) -> str:
    return record.dst if record.direction == "in" else record.src


def _meant(record: FlowRecord, wanted: str, address: str | None) -> bool:
    if address:
        return address in (record.src, record.dst)
    ends = _end(record.src, record.sport), _end(record.dst, record.dport)
    name = record.hostname or ""
    return wanted in (flow_id(record), *ends) or (bool(name) and (name == wanted or name.endswith("." + wanted)))


def _of_name(state: State, name: str, says: list[dict[str, str]]) -> Facts:
    """What the signatures make of a host name."""
    signatures = state.engine.signatures
    hit = signatures.hosts.match(name)
    app = ""
    if hit is not None:
        entry = signatures.host_entry(hit.entry)
        app = entry.label.slug
        says.append({"what": name, "says": f"{app}, by `{entry.text}` ({entry.where})"})
    app = _ruled(state, name, says) or app
    if not says:
        says.append({"what": name, "says": "no signature names it"})
    return Facts(app=app, host=name, categories=categories_of(app, signatures))


def _ruled(state: State, what: str, says: list[dict[str, str]]) -> str:
    """The app of the first rule that asks for a name or an address and nothing else; says all that ask for it."""
    found = state.engine.signatures.rules_for(what)
    says += [
        {"what": what, "says": f"{slug}, by a rule, where all of it holds: {rule} ({rule.where})"}
        for slug, rule in found
    ]
    return next((slug for slug, rule in found if len(rule.words) == 1 and not rule.protocols), "")


def _of_address(state: State, text: str, says: list[dict[str, str]]) -> Facts:
    """Which names the address had, and whose it is."""
    address = pack(text)
    signatures = state.engine.signatures
    app, name = "", ""
    hit = signatures.prefixes.match(address)
    if hit is not None:
        owner = signatures.prefix_entry(hit.entry)
        app = owner.label.slug
        says.append({"what": text, "says": f"{app}, by prefix {owner.text} ({owner.where})"})
    found = state.engine.names.find(None, address, time.time_ns())
    if found:
        name = str(found["name"])
        shared = ", with other names beside it" if found.get("ambiguous") else ""
        says.insert(0, {"what": text, "says": f"answered by DNS for {name}{shared}"})
        named = signatures.hosts.match(name)
        app = signatures.host_entry(named.entry).label.slug if named is not None else app
        app = _ruled(state, name, says) or app
    app = _ruled(state, text, says) or app
    if not says:
        says.append({"what": text, "says": "no name was seen for it, and no signature has its prefix"})
    return Facts(app=app, host=name, categories=categories_of(app, signatures), remote=text)


def _subscriber(kernel: KernelPlan, branch: Branch) -> str:
    """`subscriber s1001, tariff home-100, at 100.64.1.7/32, behind mast-3 → north`"""
    sites = [node.name for node in nodes(kernel, branch) if node.kind == "site" and node.direction == "down"]
    behind = f", behind {' → '.join(sites)}" if sites else ""
    at = " ".join([*branch.prefixes, *branch.macs, *(f"VLAN {vlan}" for vlan in branch.vlans)])
    return f"subscriber {branch.name}, tariff {branch.tariff}, at {at}{behind}"


def _rules_of(
    state: State, facts: Facts, counted: Counted, owner: Branch | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rules that were tried, each with what it does or the condition that failed; and the class path."""
    verdicts = explain(state.plan.engine, facts, state.conditions.holding)
    dispositions = {d.number: d for d in state.plan.kernel.dispositions}
    counts = {row["name"]: {key: row[key] for key in COUNTS} for row in counted.rules}
    told = {(e["kind"], e["name"]): f"{e['kind']} {e['name']} {e['words']}" for e in counted.conditions}
    rules: list[dict[str, Any]] = [
        {
            "name": v.rule.name,
            "where": v.rule.where,
            "matched": v.matched,
            "says": actions(v.rule, dispositions[v.rule.disposition]) if v.matched else v.reason,
            "conditions": [told[each] for each in asked(v.rule.match)],
            "counters": counts.get(v.rule.name),
        }
        for v in verdicts
    ]
    matched = next((v.rule.disposition for v in verdicts if v.matched), None)
    if matched is None:
        default = {
            "name": DEFAULT,
            "where": "no rule matches",
            "matched": True,
            "says": "the default class",
            "conditions": [],
        }
        rules.append(default | {"counters": counts.get(DEFAULT)})
    outcome = Outcomes(state.plan).of_disposition(matched or 1)
    return rules, list(_class_path(state, outcome.class_, counted, owner))


def asked(match: Match) -> Iterator[tuple[str, str]]:
    """The conditions that hold at times, by kind and name."""
    for kind, names in (
        ("schedule", match.during),
        ("congestion", match.congested),
        ("quota", match.over),
        ("device", match.devices),
    ):
        yield from ((kind, name) for name in names)


def _flow(state: State, described: dict[str, Any], record: FlowRecord, counted: Counted) -> dict[str, Any]:
    key = state.subscribers.table.owner_of_flow(record)
    owner = key.branch if key else None
    local = _local(record)
    rules, _ = _rules_of(state, facts_of(record, state.engine.signatures), counted, None)
    return described | {
        "id": flow_id(record),
        "evidence": list(_evidence(state, record)),
        "quotas": [row for who in state.quotas.accounts_of(record) for row in state.quotas.told(who)],
        "why_risky": [f"{slug} ({BY_SLUG[slug].score}): {BY_SLUG[slug].meaning}" for slug in record.risks],
        "rules": rules,
        "device": state.devices.words(record.mac),
        "subscriber": owner and spoken(owner),
        "subscriber_by": spoken_key(state, key, local) if key and key.kind != "default" else None,
        "class_path": list(_class_path(state, described["class"], counted, owner)),
        "inspected": record.decided_at if described["offloaded"] else record.packets_up + record.packets_down,
    }


def _evidence(state: State, record: FlowRecord) -> Iterator[str]:
    if record.hostname:
        how = ", which names no app" if record.method == "program" else ""
        yield f"name {record.hostname}" + (f", by {record.method}" if record.method in BY_NAME else how)
        hit = state.engine.signatures.hosts.match(record.hostname)
        if hit is not None:
            entry = state.engine.signatures.host_entry(hit.entry)
            yield f"`{entry.text}` names {entry.label.slug} ({entry.where})"
    if record.method == "rule" and (found := _rule_of(state, record)):
        yield f"a rule names {found[0]} ({found[1]})"
    if record.method == "program":
        program = state.engine.signatures.hosts.match(entry_of(record.agent or ""))
        if program is not None:
            entry = state.engine.signatures.host_entry(program.entry)
            yield f"its program is `{entry.text}`, which names {entry.label.slug} ({entry.where})"
    if record.method in BY_OTHERS:
        yield BY_OTHERS[record.method]
    if record.method == "signature":
        label = state.engine.signatures.by_slug.get(record.app or record.protocol)
        for where in state.engine.signatures.declared_at(label.id if label else 0):
            yield f"its bytes are as declared ({where})"
    for what, value in (
        ("protocol", "" if record.protocol == "unknown" else record.protocol),
        ("TLS version offered", record.tls_version),
        ("ALPN", record.alpn),
        ("JA4", record.ja4),
        ("HASSH", record.hassh),
        ("HASSH of the server", record.hassh_server),
        ("QUIC version", record.quic_version),
        ("user agent", record.agent),
    ):
        if value:
            yield f"{what} {value}"
    if record.ech:
        yield "the hello is encrypted (ECH): the name is " + ("DNS'" if record.method == "dns" else "its cover")


def _rule_of(state: State, record: FlowRecord) -> tuple[str, str] | None:
    """The app and the place of the rule of the signature files that holds for a flow."""
    signatures = state.engine.signatures
    spoken = signatures.by_slug.get(record.protocol)
    number = signatures.rules.ask(
        protocol=spoken.id if spoken else 0,
        host=(record.hostname or "").encode(),
        ja4=(record.ja4 or "").encode(),
        alpn=(record.alpn or "").encode(),
        remote=pack(record.dst),
        port=record.dport,
        proto={"tcp": 6, "udp": 17, "sctp": 132}.get(record.l4, 0),
    )
    return None if number is None else signatures.rule_at(number)


def _class_path(state: State, name: str | None, counted: Counted, owner: Branch | None) -> Iterator[dict[str, Any]]:
    """The class and those above it, in each direction, the leaf first.  A subscriber's flow has the subscriber's."""
    if owner and name is not None:
        yield from counted_of(state, owner, way(state.plan.kernel, owner, name), counted.subscribers)
        return
    counts = {(row["direction"], row["name"]): row for row in counted.classes}
    for tree in {t.direction: t for t in state.plan.kernel.trees}.values():
        known: dict[str | None, ShapedClass] = {c.name: c for c in tree.classes}
        node = known.get(name)
        while node:
            row = counts.get((tree.direction, node.name))
            yield {
                "kind": "class",
                "name": node.name,
                "direction": tree.direction,
                "rate": node.rate,
                "ceil": node.ceil,
                "counters": row and {key: row[key] for key in (*COUNTS, "drops", "backlog")},
            }
            node = known.get(node.parent)
