"""What the doctor reads off others' rules: which bits of which mark they change or ask for, and from which hooks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.enforce.doctor import iptables_save, nft_json
from dpi.enforce.doctor.marks import RoutingRule, free_mask, judge, judge_routing, used_bits
from dpi.enforce.doctor.ruleset import ALL, Effect, MarkMatch, MarkWrite, Plainly, QueueUse, Rule
from dpi.policy.plan import MarkLayout

META: dict[str, Any] = {"meta": {"key": "mark"}}
CT: dict[str, Any] = {"ct": {"key": "mark"}}
OURS = MarkLayout(0x7FFF0000)


def put(key: Any, value: Any) -> dict[str, Any]:
    return {"mangle": {"key": key, "value": value}}


def ask(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


# (statement as `nft -j` prints it, its effects)
STATEMENTS: list[tuple[Any, list[Effect]]] = [
    (ask({"payload": {"protocol": "tcp", "field": "dport"}}, 22), []),
    ({"accept": None}, []),
    (put(META, 5), [MarkWrite("packet", ALL, 5)]),
    (put(META, {"|": [{"&": [META, 0xFFFFFF01]}, 1]}), [MarkWrite("packet", 0xFF, 0x01)]),
    (put(META, {"|": [META, 0x100]}), [MarkWrite("packet", 0x100, 0x100)]),
    (put(META, {"^": [META, 7]}), [MarkWrite("packet", 7, 7)]),
    (put(META, {"&": [META, 0xFF]}), [MarkWrite("packet", 0xFFFFFF00, 0)]),
    (put(META, META), []),
    (put(META, CT), [MarkWrite("packet", ALL, 0, ALL)]),
    (put(CT, META), [MarkWrite("connection", ALL, 0, ALL)]),
    (put(CT, {"&": [META, 0xFF]}), [MarkWrite("connection", ALL, 0, 0xFF)]),
    (put(CT, {"|": [{"&": [CT, 0xFFFF0000]}, {"&": [META, 0xFFFF]}]}), [MarkWrite("connection", 0xFFFF, 0, 0xFFFF)]),
    (put(META, {"map": {"key": {"payload": {"protocol": "ip", "field": "saddr"}}, "data": "@m"}}),
     [MarkWrite("packet", ALL, ALL)]),
    (put(META, {"jhash": {"mod": 4, "offset": 16, "expr": {"meta": {"key": "iif"}}}}),
     [MarkWrite("packet", ALL, 0x1F)]),
    (put(META, {"numgen": {"mode": "inc", "mod": 2, "offset": 0}}), [MarkWrite("packet", ALL, 1)]),
    (ask(META, 5), [MarkMatch("packet", ALL, 5)]),
    (ask(META, 5, "!="), [MarkMatch("packet", ALL, ALL)]),
    (ask(META, {"set": [1, 6]}), [MarkMatch("packet", ALL, 7)]),
    (ask(META, {"range": [16, 32]}), [MarkMatch("packet", ALL, ALL)]),
    (ask({"&": [CT, 0xFF]}, 2), [MarkMatch("connection", 0xFF, 2)]),
    (ask({"&": [META, 0xFF]}, 0, "!="), [MarkMatch("packet", 0xFF, 0xFF)]),
    (ask({"concat": [CT, {"payload": {"protocol": "ip", "field": "saddr"}}]}, {"set": [{"concat": [1, "::"]}]}),
     [MarkMatch("connection", ALL, ALL)]),
    ({"vmap": {"key": META, "data": {"set": [[1, {"accept": None}]]}}}, [MarkMatch("packet", ALL, ALL)]),
    ({"mangle": {"key": {"meta": {"key": "priority"}}, "value": "1:2"}}, [Plainly("priority")]),
    (put({"tcp option": {"name": "maxseg", "field": "size"}}, {"rt": {"key": "mtu"}}), [Plainly("clamp")]),
    ({"notrack": None}, [Plainly("untracked")]),
    ({"flow": {"op": "add", "flowtable": "@ft"}}, [Plainly("flowtable")]),
    ({"xt": {"type": "target", "name": "MARK"}}, [Plainly("unreadable")]),
    ({"queue": {"num": 3}}, [QueueUse(3, 3)]),
    ({"queue": {"num": {"range": [2, 5]}, "flags": "bypass"}}, [QueueUse(2, 5)]),
    ({"queue": None}, [QueueUse(0, 0)]),
    ({"queue": {"num": {"map": {}}}}, [QueueUse(0, 65535)]),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "effects"), STATEMENTS)
def test_a_statement_of_nft_has_these_effects(statement: Any, effects: list[Effect]) -> None:
    assert list(nft_json.effects_of(statement)) == effects


IPTABLES: list[tuple[str, list[Effect]]] = [
    ("-j ACCEPT", []),
    ("-j MARK --set-xmark 0x5/0xffffffff", [MarkWrite("packet", ALL, 5)]),
    ("-j MARK --set-xmark 0x5/0xff", [MarkWrite("packet", 0xFF, 5)]),
    ("-j MARK --set-xmark 0x100/0x0", [MarkWrite("packet", 0x100, 0x100)]),
    ("-j CONNMARK --set-xmark 0x10/0xff", [MarkWrite("connection", 0xFF, 0x10)]),
    ("-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff", [MarkWrite("connection", ALL, 0, ALL)]),
    ("-j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", [MarkWrite("packet", 0xFF, 0, 0xFF)]),
    ("-j CONNMARK --restore-mark", [MarkWrite("packet", ALL, 0, ALL)]),
    ("-m mark --mark 0x3/0x7 -j ACCEPT", [MarkMatch("packet", 7, 3)]),
    ("-m mark --mark 0x3 -j ACCEPT", [MarkMatch("packet", ALL, 3)]),
    ("-m mark ! --mark 0x3/0x7 -j ACCEPT", [MarkMatch("packet", 7, 7)]),
    ("! -i lo -m connmark --mark 0x1/0xf -j ACCEPT", [MarkMatch("connection", 0xF, 1)]),
    ('-m comment --comment "a -j MARK \\"x y" -j CLASSIFY --set-class 0001:0002', [Plainly("priority")]),
    ("-p tcp -j TPROXY --on-port 3 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff", [MarkWrite("packet", ALL, 1)]),
    ("-p tcp -j TPROXY --on-port 3 --on-ip 0.0.0.0 --tproxy-mark 0x0/0x0", []),
    ("-j NFQUEUE --queue-num 4 --queue-bypass", [QueueUse(4, 4)]),
    ("-j NFQUEUE --queue-balance 0:3", [QueueUse(0, 3)]),
    ("-j CT --notrack", [Plainly("untracked")]),
    ("-j CT --zone 3", []),
    ("-j FLOWOFFLOAD --hw", [Plainly("flowtable")]),
    ("-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu", [Plainly("clamp")]),
]


@pytest.mark.parametrize(("rule", "effects"), IPTABLES)
def test_a_rule_of_iptables_has_these_effects(rule: str, effects: list[Effect]) -> None:
    found = iptables_save.parse(f"*mangle\n:FORWARD ACCEPT [0:0]\n-A FORWARD {rule}\nCOMMIT\n", "iptables-save")
    assert [effect for each in found.rules for effect in each.effects] == effects


def test_a_chain_is_reached_from_the_hooks_of_those_that_jump_to_it() -> None:
    saved = """*mangle
:PREROUTING ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:a - [0:0]
:b - [0:0]
:c - [0:0]
-A PREROUTING -j a
-A a -g b
-A OUTPUT -j b
-A b -j MARK --set-xmark 0x1/0xffffffff
-A c -j MARK --set-xmark 0x2/0xffffffff
COMMIT
"""
    found = iptables_save.parse(saved, "iptables-save")
    assert [rule.hooks for rule in found.rules] == [{"prerouting", "output"}, frozenset()]
    assert [rule.at("prerouting") for rule in found.rules] == [True, True]
    assert [rule.at("forward") for rule in found.rules] == [False, True]
    assert [(chain.hook, chain.where) for chain in found.dropping] == [
        ("forward", "iptables table mangle, chain FORWARD")
    ]
    assert iptables_save.tables(saved) == ["mangle"]


def listing(*items: dict[str, Any]) -> str:
    return json.dumps({"nftables": [{"metainfo": {}}, *items]})


def rule(chain: str, *expr: Any, table: str = "t", family: str = "inet") -> dict[str, Any]:
    return {"rule": {"family": family, "table": table, "chain": chain, "handle": 7, "expr": list(expr)}}


def chain(name: str, hook: str | None = None, **more: Any) -> dict[str, Any]:
    return {"chain": {"family": "inet", "table": "t", "name": name} | ({"hook": hook} if hook else {}) | more}


def test_chains_of_nft_are_followed_and_drops_and_flowtables_are_listed() -> None:
    found = nft_json.parse(
        listing(
            chain("f", "forward", policy="drop"),
            chain("x"),
            {"flowtable": {"family": "inet", "table": "t", "name": "fast", "dev": ["eth0", "eth1"]}},
            rule("f", {"vmap": {"key": "iif", "data": {"set": [["lo", {"jump": {"target": "x"}}]]}}}),
            rule("x", put(META, 1)),
        )
    )
    assert [(r.where, r.hooks) for r in found.rules] == [("nft table inet t, chain x, handle 7", {"forward"})]
    assert found.flowtables == [("table inet t, flowtable fast", ("eth0", "eth1"))]
    assert [d.hook for d in found.dropping] == ["forward"]


def test_our_table_and_those_that_iptables_has_shown_are_left_out() -> None:
    text = listing(
        rule("c", put(META, 1), table="dpi"),
        rule("c", put(META, 1), table="dpi", family="bridge"),
        rule("c", put(META, 1), table="mangle", family="ip"),
        rule("c", put(META, 1), table="dpi", family="ip"),
    )
    found = nft_json.parse(text, {("ip", "mangle")})
    assert [r.where for r in found.rules] == ["nft table ip dpi, chain c, handle 7"]


@settings(deadline=None)
@given(st.recursive(
    st.none() | st.integers() | st.sampled_from(["mark", "meta", "ct", "key"]) | st.just(META) | st.just(CT),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["mangle", "match", "key", "value", "left", "right", "op", "&", "|", "^", "queue", "num", "set",
                         "range", "meta", "ct", "vmap", "jhash", "mod", "jump", "rule", "chain", "expr", "flowtable"]),
        inner, max_size=4),
    max_leaves=20,
))  # fmt: skip
def test_any_json_is_read_without_a_fault(value: Any) -> None:
    nft_json.parse(json.dumps({"nftables": [value]}))
    nft_json.parse(json.dumps({"nftables": [{"rule": {"family": "ip", "table": "t", "chain": "c", "expr": [value]}}]}))


@settings(deadline=None)
@given(st.text(st.sampled_from("-AjmMARK*:! \"'\\/0x1f\n")), st.sampled_from(["", "*mangle\n-A FORWARD "]))
def test_any_text_is_read_without_a_fault(text: str, before: str) -> None:
    iptables_save.parse(before + text, "iptables-save")


EXPRESSIONS = st.recursive(
    st.integers(0, ALL) | st.just(META) | st.just(CT),
    lambda inner: st.builds(
        lambda op, a, b: {op: [a, b]}, st.sampled_from("&|^"), inner, inner
    ),
    max_leaves=6,
)  # fmt: skip


def computed(expression: Any, packet: int, connection: int) -> int:
    """What the kernel computes."""
    if isinstance(expression, int):
        return expression
    if expression == META:
        return packet
    if expression == CT:
        return connection
    ((operator, (a, b)),) = expression.items()
    x, y = computed(a, packet, connection), computed(b, packet, connection)
    return x & y if operator == "&" else x | y if operator == "|" else x ^ y


@settings(deadline=None)
@given(EXPRESSIONS, st.integers(0, ALL), st.integers(0, ALL))
def test_what_is_said_of_an_expression_holds_for_every_value(expression: Any, packet: int, connection: int) -> None:
    value = nft_json.evaluate(expression, "packet")
    got = computed(expression, packet, connection)
    own, other = value.own & ~value.ones, value.other & ~value.ones
    assert got & own == packet & own
    assert got & other == connection & other
    assert got & ~value.any & ALL == 0


# ── what follows from it ──────────────────────────────────────────────────────────────────────────────────────


def judged(effect: Effect, *hooks: str, routed: bool = False, redirected: bool = False) -> list[str]:
    one = Rule("somewhere", "show", frozenset(hooks), (effect,))
    return [found.level for found in judge(one, OURS, routed=routed, redirected=redirected)]


def test_what_is_written_into_the_connections_mark_is_always_an_error() -> None:
    for write in (
        MarkWrite("connection", ALL, 5),
        MarkWrite("connection", ALL, 0, ALL),
        MarkWrite("connection", 1 << 16, 0),
    ):
        assert judged(write, "forward") == judged(write) == ["error"]
        assert judged(write, "output") == ["note"]


def test_a_rule_for_packets_of_a_tunnel_only_is_no_error() -> None:
    save = MarkWrite("connection", ALL, 0, ALL)
    for mark, level in ((0xCA6C, "warning"), (0x10000, "error"), (0, "error"), (ALL, "error")):
        one = Rule("somewhere", "show", frozenset({"postrouting"}), (MarkMatch("packet", ALL, mark), save))
        assert [f.level for f in judge(one, OURS, routed=True, redirected=False)] == ["warning", level]


def test_clearing_the_packets_mark_matters_between_where_we_set_and_read_it() -> None:
    clears = MarkWrite("packet", ALL, 5)
    assert judged(clears, "prerouting") == ["note"]
    assert judged(clears, "prerouting", routed=True) == ["error"]
    assert judged(clears, routed=True) == ["error"]  # who knows from where
    assert judged(clears, "postrouting", routed=True) == ["note"]
    assert judged(clears, "postrouting", redirected=True) == ["error"]


def test_others_values_in_our_bits_are_an_error_until_we_have_read_them() -> None:
    sets = MarkWrite("packet", 0xFF0000, 0x40000)
    assert judged(sets, "prerouting") == judged(sets, "forward") == judged(sets) == ["error"]
    assert judged(sets, "postrouting") == ["note"]


def test_bits_that_are_not_ours_are_nobodys_business() -> None:
    for effect in (MarkWrite("packet", 0xFFFF, 5), MarkMatch("connection", 0xFF, 1), QueueUse(0, 1), Plainly("clamp")):
        assert judged(effect, "forward") == []


def test_matching_all_bits_or_ours_is_a_warning() -> None:
    assert judged(MarkMatch("packet", ALL, 5), "forward") == ["warning"]
    assert judged(MarkMatch("connection", 0xFF0000, 0x10000), "forward") == ["warning"]


@pytest.mark.parametrize(
    ("value", "mask", "level"),
    [
        (5, 0xFF, None),
        (0x80000, 0xFF0000, "error"),
        (0, 0xFF0000, "warning"),
        (0xCA6C, ALL, "note"),
        (0x10005, ALL, "error"),
    ],
)
def test_a_routing_rule_is_judged_by_value_and_mask(value: int, mask: int, level: str | None) -> None:
    found = judge_routing(RoutingRule(4, 100, value, mask, 52), OURS)
    assert (found and found.level) == level


def test_a_free_mask_is_the_widest_gap_without_the_top_bit() -> None:
    assert free_mask(0) == 0x7FFF0000
    assert free_mask(0x00FF0000) == 0x0000FFFE
    assert free_mask(ALL) is None
    assert free_mask(0x03FFFFFF) == 0xFC000000  # not without it
    assert free_mask(0x01FFFFFF, least=10) is None


@settings(deadline=None)
@given(st.integers(0, ALL), st.integers(1, 20))
def test_a_free_mask_is_contiguous_wide_enough_and_free(used: int, least: int) -> None:
    mask = free_mask(used, least)
    if mask is not None:
        low = mask & -mask
        assert not mask & used and mask <= ALL
        assert not mask & (mask + low)
        assert mask.bit_count() >= max(least, 6)


def test_who_names_no_mask_means_the_bits_of_the_value() -> None:
    rules = [
        Rule("", "", frozenset(), (MarkWrite("packet", ALL, 0x5), MarkMatch("connection", 0xF00, 0x100))),
        Rule("", "", frozenset(), (MarkMatch("packet", ALL, ALL),)),
    ]
    routing = [RoutingRule(4, 1, 0xCA6C, ALL, 1), RoutingRule(4, 1, 0x10000, 0xF0000, 1)]
    assert used_bits(rules, routing) == 0x5 | 0xF00 | 0xCA6C | 0xF0000
