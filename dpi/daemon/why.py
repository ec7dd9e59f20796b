"""The answer to `dpi why`: what is known of a flow, a name or an address, and what the rules make of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from dpi.daemon.state import State
from dpi.daemon.subscriber_counts import Uses
from dpi.daemon.subscriber_counts import counted as counted_of
from dpi.match.addresses import pack
from dpi.policy.explain import Facts
from dpi.policy.plan import Branch, KernelPlan
from dpi.policy.subscriber_path import branch_of, nodes, spoken, way
from dpi.record.fields import FlowRecord
from dpi.rule_tables import categories_of, facts_of
from dpi.why.evidence import shown
from dpi.why.ruled import Ruled, class_path, ruled
from dpi.why.taught import taught
from dpi.why.wanted import Wanted, local

COUNTS = ("flows", "flows_total", "packets", "bytes", "last_hit")

Describe = Callable[[FlowRecord], dict[str, Any]]


class Counted(NamedTuple):
    """What was counted, as `dpi status` has it."""

    rules: list[dict[str, Any]]
    classes: list[dict[str, Any]]
    subscribers: Uses
    conditions: list[dict[str, Any]]


def why(state: State, what: str, describe: Describe, counted: Counted, most: int) -> dict[str, Any]:
    """{"what", "names": [{"what", "says"}], "rules", "class_path", "flows": [flow, evidence, rules, class_path, …],
    "more": how many flows were left out beyond `most`}

    What is asked for may be a subscriber's id or address: then the class path is the subscriber's own.  The first rules
    and class path are of the name or address alone, empty where flows were asked for; a condition on what only a flow
    has does not hold for it.
    """
    asked = Wanted.of(what)
    wanted, address, mac = asked.text, asked.address, asked.mac
    kernel = state.plan.kernel
    table = state.subscribers.table
    named = branch_of(kernel, what.strip())
    if named:
        flows = [r for r in state.engine.flows() if state.subscribers.of_flow(r) is named]
    else:
        flows = [r for r in state.engine.flows() if asked.takes(r)]
    flows.sort(key=lambda r: (r.protocol == "dns", -r.end))  # what uses a name before what asks for it

    def told() -> dict[str, Any]:
        return {"flows": [_flow(state, describe(r), r, counted) for r in flows[:most]], "more": len(flows[most:])}

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
        return {"what": what, "names": names, "rules": [], "class_path": path, **told()}
    device = mac or next((r.mac for r in flows if address and r.mac and local(r) == address), None)
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
    if facts is None:
        return {"what": what, "names": names, "rules": [], "class_path": [], **told()}
    rules, class_ = _rules_of(state, facts, counted)
    path = _class_path(state, class_, counted, owner)
    return {"what": what, "names": names, "rules": rules, "class_path": path, **told()}


def _by_key(state: State, address: str) -> str:
    """By which key an address is its subscriber's."""
    owner = state.subscribers.table.owner(address)
    assert owner
    return f"{owner.branch.name}'s by {state.subscribers.table.spoken(owner, address)}"


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


def _rules_of(state: State, facts: Facts, counted: Counted) -> Ruled:
    """The rules that were tried, with what they have counted."""
    told = {(e["kind"], e["name"]): f"{e['kind']} {e['name']} {e['words']}" for e in counted.conditions}
    found = ruled(state.plan, facts, state.conditions.holding, told)
    counts = {row["name"]: {key: row[key] for key in COUNTS} for row in counted.rules}
    for row in found.tried:
        row["counters"] = counts.get(row["name"])
    return found


def _flow(state: State, described: dict[str, Any], record: FlowRecord, counted: Counted) -> dict[str, Any]:
    table, signatures = state.subscribers.table, state.engine.signatures
    owner = table.owner_of_flow(record)
    known = taught(state.engine.names, record, record.start)
    return (
        described
        | shown(record, signatures, known)
        | {
            "quotas": [row for who in state.quotas.accounts_of(record) for row in state.quotas.told(who)],
            "rules": _rules_of(state, facts_of(record, signatures), counted).tried,
            "device": state.devices.words(record.mac),
            "subscriber": owner and spoken(owner.branch),
            "subscriber_by": table.spoken(owner, local(record)) if owner and owner.kind != "default" else None,
            "class_path": _class_path(state, described["class"], counted, owner.branch if owner else None),
            "inspected": record.decided_at if described["offloaded"] else record.packets_up + record.packets_down,
        }
    )


def _class_path(state: State, name: str | None, counted: Counted, owner: Branch | None) -> list[dict[str, Any]]:
    """The way to a class, with what was counted.  A subscriber's flow has the subscriber's."""
    if owner and name is not None:
        return counted_of(state, owner, way(state.plan.kernel, owner, name), counted.subscribers)
    path = list(class_path(state.plan.kernel, name))
    counts = {(row["direction"], row["name"]): row for row in counted.classes}
    for node in path:
        row = counts.get((node["direction"], node["name"]))
        node["counters"] = row and {key: row[key] for key in (*COUNTS, "drops", "backlog")}
    return path
