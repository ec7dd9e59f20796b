"""The loop: what DNS teaches, and what is held until a cache is known for it."""

from __future__ import annotations

import pytest

from dpi.dissect.protocols import IDS
from dpi.match.names import Names
from dpi.record.fields import METHODS
from tests.cores import (
    ACCEPT,
    ACK,
    CACHED,
    CLIENT,
    CLOUD,
    FINAL,
    HOLD,
    RESOLVER,
    SECOND,
    SERVER,
    SHAPED,
    SHIFT,
    SYN,
    UDP,
    VIDEO,
    Connection,
    answer,
    core,
    datagram,
    find,
    ip,
    label_by,
    method,
    question,
    resolve,
)
from tests.handshakes import openssl_hello, ssh_offer


def test_dns_names_the_first_packet_of_what_follows() -> None:
    one = core()
    resolve(one, "www.video.example", SERVER)
    Connection(one).segment(0, 0, flags=SYN)
    flow = find(one, 40000, 443)
    assert (flow["app"], method(flow["app_method"]), flow["app_confidence"]) == (VIDEO, "dns", 85)
    assert flow["needs"] != 0


def test_an_answer_that_nobody_asked_for_teaches_nothing() -> None:
    one = core()
    datagram(one, answer("www.video.example", SERVER), 53, 50000, RESOLVER, CLIENT)
    datagram(one, question("www.video.example", 7), 50001, 53, dst=RESOLVER)
    datagram(one, answer("www.video.example", SERVER, number=8), 53, 50001, RESOLVER, CLIENT)
    Connection(one).segment(0, 0, flags=SYN)
    assert find(one, 40000, 443)["app"] == 0


def test_but_where_its_clients_packets_do_not_come_by_it_does_if_that_is_wanted() -> None:
    """A capture of one direction: as sure as what another client was told."""
    one = core(hearsay=True)
    datagram(one, answer("www.video.example", SERVER), 53, 50000, RESOLVER, CLIENT)
    Connection(one).segment(0, 0, flags=SYN)
    flow = find(one, 40000, 443)
    assert (flow["app"], method(flow["app_method"]), flow["app_confidence"]) == (VIDEO, "dns", 70)


def test_and_not_where_they_do() -> None:
    one = core(hearsay=True)
    datagram(one, question("www.video.example", 7), 50001, 53, dst=RESOLVER)
    datagram(one, answer("www.video.example", SERVER, number=8), 53, 50001, RESOLVER, CLIENT)
    Connection(one).segment(0, 0, flags=SYN)
    assert find(one, 40000, 443)["app"] == 0


def test_the_name_that_a_flow_shows_beats_the_one_its_address_had() -> None:
    one = core()
    resolve(one, "www.video.example", SERVER)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("somewhere.example"))
    flow = connection.flow()
    assert (flow["host"], flow["app"], method(flow["app_method"])) == ("somewhere.example", CLOUD, "prefix")


def test_a_dns_flow_stays_in_work_and_is_named_by_its_first_question() -> None:
    one = core()
    resolve(one, "www.video.example", SERVER)
    resolve(one, "mail.cloud.example", "192.0.2.11", number=2)
    flow = find(one, 50000, 53, UDP, dst=RESOLVER)
    assert (flow["protocol"], flow["host"], flow["app"]) == (IDS["dns"], "www.video.example", VIDEO)
    Connection(one, dst="192.0.2.11").segment(0, 0, flags=SYN)
    assert find(one, 40000, 443, dst="192.0.2.11")["app"] == CLOUD


def test_a_dns_flow_is_named_by_the_first_question_that_is_answered() -> None:
    one = core()
    for number, name in ((1, "www.video.example"), (2, "www.cloud.example"), (3, "third.example")):
        datagram(one, question(name, number), 50000, 53, dst=RESOLVER)
    for number, name in ((2, "www.cloud.example"), (1, "www.video.example")):
        datagram(one, answer(name, SERVER, number=number), 53, 50000, src=RESOLVER, dst=CLIENT)
    flow = find(one, 50000, 53, UDP, dst=RESOLVER)
    assert (flow["host"], flow["app"], method(flow["app_method"])) == ("www.cloud.example", CLOUD, "dns-query")


@pytest.mark.parametrize(
    ("how", "addresses", "app"),
    [
        ({}, [SERVER], CLOUD),
        ({}, ["198.51.100.9", SERVER], CLOUD),
        ({}, ["198.51.100.9"], 0),
        ({}, [SERVER, "203.0.113.1"], 0),  # two services
        ({"shared": True}, [SERVER], 0),
        ({"mixed": True}, [SERVER], 0),
        ({"mixed": True}, ["192.0.2.7"], CLOUD),
    ],
)
@pytest.mark.parametrize("blind", [False, True])
def test_a_name_that_nobody_knows_is_of_the_service_whose_addresses_it_has(
    how: dict[str, bool], addresses: list[str], app: int, blind: bool
) -> None:
    one = core(blind=2 if blind else 0, **how)
    if not how:
        label_by(one, prefixes=[("192.0.2.0/28", CLOUD), ("203.0.113.0/24", VIDEO)])
    resolve(one, "www.nobody.example", *addresses)
    flow = find(one, 50000, 53, UDP, dst=RESOLVER)
    assert (flow["app"], method(flow["app_method"])) == (app, "prefix" if app else METHODS[0])
    assert flow["host"] == (None if blind else "www.nobody.example")


def test_a_name_that_is_known_beats_its_addresses() -> None:
    one = core()
    resolve(one, "www.video.example", SERVER)
    assert find(one, 50000, 53, UDP, dst=RESOLVER)["app"] == VIDEO


def test_dns_over_tcp_teaches_too() -> None:
    one = core()
    connection = Connection(one, sport=50000, dport=53, dst=RESOLVER).shake()
    for side, text in ((0, question("www.video.example")), (1, answer("www.video.example", SERVER))):
        connection.segment(side, 0, len(text).to_bytes(2, "big") + text)
    assert connection.flow()["needs"] == 0
    Connection(one).segment(0, 0, flags=SYN)
    assert find(one, 40000, 443)["app"] == VIDEO


def many(n: int) -> list[str]:
    return [f"198.51.{i >> 8}.{i & 255}" for i in range(n)]


def test_the_last_of_many_addresses_is_learnt_as_the_first_is() -> None:
    one = core(names=Names(4096))
    resolve(one, "www.video.example", *many(253))  # 4,096 bytes
    for address in (many(253)[0], many(253)[-1]):
        Connection(one, dst=address).segment(0, 0, flags=SYN)
        assert find(one, 40000, 443, dst=address)["app"] == VIDEO


def test_so_it_is_over_tcp_in_segments() -> None:
    one = core(names=Names(8192))
    connection = Connection(one, sport=50000, dport=53, dst=RESOLVER).shake()
    asked, answered = question("www.video.example"), answer("www.video.example", *many(800))
    connection.segment(0, 0, len(asked).to_bytes(2, "big") + asked)
    data = len(answered).to_bytes(2, "big") + answered
    for at in range(0, len(data), 1400):
        connection.segment(1, at, data[at : at + 1400], flags=ACK)
    assert connection.flow()["needs"] == 0
    Connection(one, dst=many(800)[-1]).segment(0, 0, flags=SYN)
    assert find(one, 40000, 443, dst=many(800)[-1])["app"] == VIDEO


# Held


def test_an_answer_with_an_address_that_a_cache_serves_is_held_until_the_kernel_knows() -> None:
    one = core(rules=[CACHED])
    verdict, _, hold = resolve(one, "www.video.example", SERVER, "192.0.2.11", ttl=60)
    assert verdict == HOLD and hold == 1
    learnt = [event for event in one.drain() if event[0] == "learnt"]
    assert [(event[1], event[2], event[3], event[4], event[5]) for event in learnt] == [
        (ip(SERVER), 60, 3, 1, "www.video.example"),
        (ip("192.0.2.11"), 60, 3, 1, "www.video.example"),
    ]


def test_an_address_told_a_moment_ago_is_not_told_again_but_is_before_it_expires() -> None:
    one = core(rules=[CACHED])
    assert resolve(one, "www.video.example", SERVER, ttl=60)[0] == HOLD
    assert resolve(one, "www.video.example", SERVER, sport=50001, time=20 * SECOND, ttl=60)[0] == ACCEPT
    assert resolve(one, "www.video.example", SERVER, sport=50002, time=40 * SECOND, ttl=60)[0] == HOLD


def test_an_answer_with_an_address_that_is_on_its_way_to_the_kernel_waits_as_well() -> None:
    one = core(rules=[CACHED])
    moments = (0, 10, 49, 51)  # milliseconds
    held = [resolve(one, "www.video.example", SERVER, sport=50000 + m, time=m * SECOND // 1000)[0] for m in moments]
    assert held == [HOLD, HOLD, HOLD, ACCEPT]
    assert [event[4] for event in one.drain() if event[0] == "learnt"] == [1, 2, 3]


def test_of_many_addresses_the_kernel_is_told_some_with_each_answer() -> None:
    one = core(rules=[CACHED], names=Names(4096))
    told: list[str] = []
    for n in range(3):
        verdict, _, _ = resolve(one, "www.video.example", *many(40), sport=50000 + n, time=(n + 1) * SECOND)
        told += [".".join(map(str, event[1][-4:])) for event in one.drain() if event[0] == "learnt"]
        assert (verdict, len(told)) == ((HOLD, 32), (HOLD, 40), (ACCEPT, 40))[n]
    assert told == many(40)


def test_a_flow_that_shows_its_name_tells_the_kernel_the_route_of_its_server_and_a_guess_does_not() -> None:
    connection = Connection(core(rules=[CACHED])).shake()
    assert connection.segment(0, 0, openssl_hello("www.video.example")) == 3 * FINAL * 2 | 7 << SHIFT
    guessed = Connection(core(rules=[CACHED | {"apps": [CLOUD]}], offload=True), dport=22).shake()
    guessed.segment(1, 0, b"SSH-2.0-OpenSSH_9.2p1\r\n")
    guessed.segment(0, 0, b"SSH-2.0-OpenSSH_9.2p1\r\n" + ssh_offer())
    guessed.segment(1, 23, ssh_offer())
    assert method(guessed.flow()["app_method"]) == "prefix"
    assert guessed.flow()["mark"] == 7 << SHIFT | FINAL


def test_an_answer_that_no_route_wants_goes_on_at_once() -> None:
    one = core(rules=[CACHED, SHAPED])
    assert resolve(one, "www.cloud.example", SERVER)[0] == ACCEPT
    assert one.counters()["held"] == 0


def test_a_ring_that_nobody_drains_holds_nothing() -> None:
    one = core(rules=[CACHED], events=2, starts=True)
    verdicts = {resolve(one, "www.video.example", f"192.0.2.{n}", sport=50000 + n)[0] for n in range(1, 250)}
    assert verdicts == {ACCEPT, HOLD}
    assert one.counters()["events_lost"] > 0
    assert resolve(one, "www.video.example", "192.0.2.251", sport=51000)[0] == ACCEPT


# A cache that is found by DNS


NAMED = 1 << CACHED["route"]


def test_a_query_for_a_name_of_a_cache_that_is_found_by_dns_is_held_and_told() -> None:
    one = core(rules=[CACHED])
    one.override(NAMED, NAMED)
    asked = question("www.VIDEO.example", 7)
    verdict, _, hold = datagram(one, asked, 50000, 53, dst=RESOLVER, origin=1)
    assert (verdict, hold) == (HOLD, 1)
    told = next(event for event in one.drain() if event[0] == "asked")
    assert told[1:] == (ip(CLIENT), 50000, ip(RESOLVER), 53, CACHED["route"], 1, asked, SECOND)
    # What the resolver says where the query got there teaches no server: nothing is routed.
    verdict, _, _ = datagram(one, answer("www.VIDEO.example", SERVER, number=7), 53, 50000, src=RESOLVER, dst=CLIENT)
    assert verdict == ACCEPT and not [event for event in one.drain() if event[0] == "learnt"]


def test_only_what_the_lan_asks_a_resolver_for_an_address_is_held() -> None:
    one = core(rules=[CACHED])
    asked = question("www.video.example")
    text = asked[:-4] + bytes([0, 16, 0, 1])  # TXT

    def held(payload: bytes = asked, dport: int = 53, origin: int = 1, sport: int = 1) -> bool:
        return datagram(one, payload, 50000 + sport, dport, dst=RESOLVER, origin=origin)[0] == HOLD

    one.override(NAMED, 0)  # nobody answers now
    assert not held()
    one.override(NAMED, NAMED)
    assert held(sport=2)
    assert not held(dport=5353, sport=3)
    assert not held(origin=2, sport=4)
    assert not held(question("www.cloud.example"), sport=5)
    assert not held(text, sport=6)
    assert not held(asked + bytes(256), sport=7)  # longer than what an event has room for


def test_dns_is_known_on_whatever_port_and_teaches_there() -> None:
    one = core()
    asks = b"\x38\x40" + question("a.video.example")[2:]  # an id as OpenVPN's first packets begin
    datagram(one, asks, 50000, 5300, dst=RESOLVER)
    datagram(one, asks[:2] + answer("a.video.example", SERVER)[2:], 5300, 50000, src=RESOLVER, dst=CLIENT)
    flow = find(one, 50000, 5300, UDP, dst=RESOLVER)
    assert (flow["protocol"], flow["host"]) == (IDS["dns"], "a.video.example")
    Connection(one).segment(0, 0, flags=SYN)
    assert find(one, 40000, 443)["app"] == VIDEO


def test_dns_over_tcp_is_known_on_whatever_port() -> None:
    connection = Connection(core(), dport=5300).shake()
    asks = question("www.video.example")
    connection.segment(0, 0, len(asks).to_bytes(2, "big") + asks)
    assert (connection.flow()["protocol"], connection.flow()["host"]) == (IDS["dns"], "www.video.example")


@pytest.mark.parametrize(
    "payload",
    [
        question("CKFDENECFDEFFCFGEFFCCACACACACACA"),  # NetBIOS' names have the same header
        question("2.dnscrypt-cert.example.org"),
        question("www.video.example")[:2] + b"\x29\0" + question("www.video.example")[4:],  # an update
        question("www.video.example")[:4] + b"\0\2" + question("www.video.example")[6:],
        bytes(5) + b"\1" + bytes(30),
    ],
    ids=["netbios", "dnscrypt", "update", "two questions", "zeros"],
)
def test_what_only_resembles_dns_needs_its_port(payload: bytes) -> None:
    one = core()
    datagram(one, payload, 50000, 5300, dst=RESOLVER)
    assert find(one, 50000, 5300, UDP, dst=RESOLVER)["protocol"] != IDS["dns"]
