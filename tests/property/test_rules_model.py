"""The index of rules finds what asking every rule in order finds."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.match.rules import Rules

labels = st.integers(1, 6)
names = st.sampled_from(["a", "b.a", "c.b.a", "bb.a", "x.c.b.a", "a.a"])
patterns = st.builds(lambda kind, name: kind + name, st.sampled_from(["", "*.", "="]), names)
addresses = st.integers(0, 7).map(lambda n: bytes([n << 5]) + bytes(14) + bytes([n]))
prefixes = st.tuples(addresses, st.sampled_from([0, 1, 2, 3, 125, 128]))
mac_bits = st.sampled_from([1, 2, 3, 45, 48])
ports = st.tuples(st.integers(0, 5), st.integers(0, 90)).map(lambda p: (p[0], p[0] + p[1]))


def some(of: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(of, max_size=3)


rules = st.lists(
    st.fixed_dictionaries(
        {"disposition": st.just(2)},
        optional={
            "apps": some(labels),
            "protocols": some(labels),
            "categories": some(labels),
            "hosts": some(patterns),
            "local": some(prefixes),
            "remote": some(prefixes),
            "ports": some(ports),
            "transports": some(st.sampled_from([6, 17])),
            "direction": st.integers(0, 2),
            "dscp": some(st.integers(0, 2)),
            "vlans": some(st.integers(0, 2)),
            "macs": some(st.tuples(addresses.map(lambda a: bytes([a[0], 0, 0, 0, 0, a[15]]) + bytes(10)), mac_bits)),
        },
    ),
    max_size=12,
)
flows = st.fixed_dictionaries(
    {
        "app": st.integers(0, 6),
        "protocol": st.integers(0, 6),
        "category": st.integers(0, 6),
        "host": st.one_of(st.just(""), names).map(str.encode),
        "local": addresses,
        "remote": addresses,
        "port": st.integers(0, 90),
        "proto": st.sampled_from([6, 17]),
        "opened": st.integers(0, 2),
        "dscp": st.integers(0, 2),
        "vlan": st.integers(0, 2),
        "mac": st.just(b"") | addresses.map(lambda a: bytes([a[0], 0, 0, 0, 0, a[15]])),
    }
)


def host_matches(pattern: str, name: str) -> bool:
    if pattern.startswith("="):
        return name == pattern[1:]
    if pattern.startswith("*."):
        return name.endswith(pattern[1:])
    return name == pattern or name.endswith("." + pattern)


def within(prefix: tuple[bytes, int], address: bytes) -> bool:
    base, bits = prefix
    shift = 128 - bits
    return int.from_bytes(base, "big") >> shift == int.from_bytes(address, "big") >> shift


def holds(rule: dict[str, Any], flow: dict[str, Any]) -> bool:
    conditions = {
        "apps": lambda v: v in (flow["app"], flow["protocol"]),
        "protocols": lambda v: v == flow["protocol"],
        "categories": lambda v: v == flow["category"],
        "hosts": lambda v: host_matches(v, flow["host"].decode()),
        "local": lambda v: within(v, flow["local"]),
        "remote": lambda v: within(v, flow["remote"]),
        "ports": lambda v: v[0] <= flow["port"] <= v[1],
        "transports": lambda v: v == flow["proto"],
        "dscp": lambda v: v == flow["dscp"],
        "vlans": lambda v: v == flow["vlan"],
        "macs": lambda v: bool(flow["mac"]) and within(v, flow["mac"] + bytes(10)),
    }
    return rule.get("direction", 0) in (0, flow["opened"]) and all(
        any(map(test, rule[name])) for name, test in conditions.items() if rule.get(name)
    )


@given(rules, st.lists(flows, min_size=1, max_size=10))
@settings(max_examples=300, deadline=None)
def test_the_index_finds_the_first_rule_that_holds(
    policy: list[dict[str, Any]], some_flows: list[dict[str, Any]]
) -> None:
    table = Rules(policy)
    for flow in some_flows:
        expected = next((i for i, rule in enumerate(policy) if holds(rule, flow)), None)
        assert table.ask(**flow) == expected
