"""The loop: what the policy makes of a flow's labels, and when that is final."""

from __future__ import annotations

import pytest

from dpi.match.rules import Rules
from tests.cores import (
    BLOCKED,
    CACHED,
    CLOUD,
    FINAL,
    REQUEST,
    RESOLVER,
    SERVER,
    SHAPED,
    SHIFT,
    SYN,
    VIDEO,
    Connection,
    as_flow,
    core,
    datagram,
    find,
    ip,
    question,
    resolve,
)
from tests.handshakes import openssl_hello


def test_a_decided_flow_gets_the_final_mark_and_every_packet_carries_it() -> None:
    connection = Connection(core(rules=[SHAPED], offload=True)).shake()
    assert connection.segment(0, 0, openssl_hello("www.video.example")) == 5 << SHIFT | FINAL
    assert connection.segment(1, 0, bytes(100)) == 5 << SHIFT | FINAL


def test_a_name_from_dns_marks_the_first_packet_but_not_for_good() -> None:
    one = core(rules=[SHAPED], offload=True)
    resolve(one, "www.video.example", SERVER)
    connection = Connection(one)
    assert connection.segment(0, 0, flags=SYN) == 5 << SHIFT
    assert connection.segment(0, 0, openssl_hello("else.example")) == 1 << SHIFT | FINAL


def test_a_flow_that_no_rule_knows_yet_is_left_without_a_mark_until_it_is_settled() -> None:
    connection = Connection(core(rules=[SHAPED], offload=True))
    assert connection.segment(0, 0, flags=SYN) is None
    assert connection.segment(0, 0, REQUEST.replace(b"video", b"other")) == 1 << SHIFT | FINAL


def test_a_name_that_is_only_guessed_does_not_act() -> None:
    """The prefix says CLOUD from the first packet on, but a name may yet come."""
    connection = Connection(core(rules=[{"apps": [CLOUD], "disposition": 9}], offload=True))
    assert connection.segment(0, 0, flags=SYN) is None
    assert connection.segment(0, 0, REQUEST) == 1 << SHIFT | FINAL


def test_a_flow_in_a_tunnel_marks_its_own_packets_and_never_the_tunnel_for_good() -> None:
    """The kernel's connection is the tunnel's, which others are in, too: no `final` and no route."""
    one = core(rules=[CACHED, BLOCKED], offload=True)
    blocked, cached = Connection(one), Connection(one, sport=40001)
    for connection in (blocked, cached):
        assert connection.segment(0, 0, flags=SYN, tunnel=1) == 1 << SHIFT  # while undecided, whatever was before
    assert blocked.segment(0, 0, openssl_hello("www.bad.example"), tunnel=1) == 6 << SHIFT
    assert cached.segment(0, 0, openssl_hello("www.video.example"), tunnel=1) == 7 << SHIFT
    assert [each.flow()["mark"] for each in (blocked, cached)] == [6 << SHIFT, 7 << SHIFT]


def test_what_shows_no_flow_in_a_tunnel_leaves_it_in_the_queue() -> None:
    one = core(rules=[SHAPED], offload=True)
    keepalive = ip("192.0.2.1"), ip("192.0.2.2")
    for _ in range(3):
        assert one.feed(src=keepalive[0], sport=0, dst=keepalive[1], dport=0, proto=47, time=1)[1] == 1 << SHIFT


@pytest.mark.parametrize(("proto", "error", "echo"), [(1, 3, 8), (1, 11, 0), (58, 2, 128)])
def test_an_icmp_error_does_not_mark_the_connection_that_it_is_about(proto: int, error: int, echo: int) -> None:
    one = core(rules=[SHAPED], offload=True)
    ends = {"src": ip("192.0.2.1"), "dst": ip("192.0.2.2"), "sport": 0, "dport": 0, "proto": proto}
    assert one.feed(**ends, icmp_type=error, time=1)[1] is None
    assert not find(one, 0, 0, proto, "192.0.2.1", "192.0.2.2")["mark"] & FINAL
    assert one.feed(**ends, icmp_type=error, tunnel=1, time=1)[1] == 1 << SHIFT  # the tunnel's connection is another
    other = ends | {"src": ip("192.0.2.3")}
    assert one.feed(**other, icmp_type=echo, time=1)[1] == 1 << SHIFT | FINAL


def test_without_a_policy_packets_of_tunnels_have_no_mark() -> None:
    assert Connection(core()).segment(0, 0, flags=SYN, tunnel=1) is None


def test_without_offload_no_mark_is_final() -> None:
    connection = Connection(core(rules=[SHAPED])).shake()
    assert connection.segment(0, 0, openssl_hello("www.video.example")) == 5 << SHIFT


def test_asking_for_a_name_is_not_using_it() -> None:
    one = core(rules=[{"hosts": ["video.example"], "disposition": 6}, SHAPED], offload=True)
    assert datagram(one, question("www.video.example"), 50000, 53, dst=RESOLVER)[1] == 1 << SHIFT


def test_a_policy_that_changes_changes_the_marks_of_flows_that_are_known() -> None:
    one = core(rules=[SHAPED, BLOCKED], offload=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    Connection(one, sport=40001).shake().segment(0, 0, openssl_hello("www.bad.example"))
    one.set_rules(Rules([{"apps": [VIDEO], "disposition": 8}, BLOCKED]), Rules([]), SHIFT, FINAL)
    changed, go_on = one.reevaluate(0)
    assert go_on == 0
    assert [(as_flow(flow)["sport"], as_flow(flow)["mark"]) for flow in changed] == [(40000, 8 << SHIFT | FINAL)]


def test_a_shorter_policy_does_not_leave_flows_with_rules_that_are_gone() -> None:
    one = core(rules=[BLOCKED] * 5000 + [{**SHAPED, "log": True}], offload=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    one.set_rules(Rules([]), Rules([]), SHIFT, FINAL)
    one.flush(0)
    assert [event[3] for event in one.drain()] == [False]


@pytest.mark.parametrize("origin", [1, 2])
def test_the_lan_is_where_the_packet_came_in(origin: int) -> None:
    rules = [{"direction": 1, "disposition": 3}, {"direction": 2, "disposition": 4}]
    mark = Connection(core(rules=rules)).segment(0, 0, flags=SYN, origin=origin)
    assert mark == (2 + origin) << SHIFT
