"""The loop, begun in the middle of flows: ports tell who opened them, so that the server's side is looked up."""

from __future__ import annotations

import pytest

from tests.cores import (
    CLIENT,
    REQUEST,
    SERVER,
    UDP,
    VIDEO,
    Connection,
    core,
    datagram,
    ended,
    find,
    ip,
    method,
    resolve,
)

CIPHERED = b"\x17\x03\x03\x00\x20" + bytes(range(32))
BLOCKED = {"remote": [(ip(SERVER), 128)], "disposition": 6}


@pytest.mark.parametrize("sport", [40000, 2000])
def test_a_name_that_the_client_looked_up_is_that_of_a_flow_whose_server_comes_first(sport: int) -> None:
    one = core()
    resolve(one, "www.video.example", SERVER)
    connection = Connection(one, sport)
    connection.segment(1, 0, CIPHERED)
    connection.segment(0, 0, CIPHERED)
    flow = connection.flow()
    assert (flow["app"], method(flow["app_method"]), flow["host"]) == (VIDEO, "dns", "www.video.example")
    assert (flow["src"], flow["sport"], flow["packets_up"]) == (CLIENT, sport, 1)


def test_and_so_is_what_another_flow_has_shown_there() -> None:
    one = core()
    Connection(one, 40000, 80).shake().segment(0, 0, REQUEST)
    late = Connection(one, 40001, 80)
    late.segment(1, 0, CIPHERED)
    assert (late.flow()["app"], method(late.flow()["app_method"])) == (VIDEO, "known-server")


def test_a_rule_about_the_far_end_holds() -> None:
    one = core(rules=[BLOCKED])
    late = Connection(one)
    late.segment(1, 0, CIPHERED)
    assert ended(one)[0]["disposition"] == 6


@pytest.mark.parametrize(
    ("sport", "dport", "opener"),
    [
        (443, 40000, "receiver"),  # a service answers
        (443, 8443, "receiver"),
        (40000, 443, "sender"),
        (5060, 40000, "sender"),  # an exchange calls a telephone
        (53, 53, "sender"),
        (67, 68, "sender"),
    ],
)
def test_the_first_datagram_is_the_openers_but_where_its_port_is_a_services(
    sport: int, dport: int, opener: str
) -> None:
    one = core()
    datagram(one, b"\xff" * 40, sport, dport)
    flow = find(one, sport, dport, UDP)
    assert flow["sport"] == (sport if opener == "sender" else dport)


def test_what_is_sent_to_a_group_is_no_answer() -> None:
    one = core()
    datagram(one, b"\xff" * 40, 123, 40000, dst="224.0.1.1")
    assert find(one, 123, 40000, UDP, dst="224.0.1.1")["sport"] == 123
