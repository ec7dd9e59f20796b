"""The loop: how a flow gets its labels, what the policy makes of them, and what the control plane is told."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dpi.core import Core
from dpi.dissect.protocols import IDS
from dpi.match.hosts import Hosts
from dpi.match.names import Names
from dpi.match.ports import Ports
from dpi.match.prefixes import Prefixes
from dpi.match.rules import Rules
from dpi.record.fields import METHODS
from tests.cores import (
    ACCEPT,
    ACK,
    CLIENT,
    CLIPS,
    CLOUD,
    FIN,
    FINAL,
    HOLD,
    HOSTING,
    PSH,
    RESOLVER,
    RST,
    SECOND,
    SERVER,
    SHIFT,
    STREAMING,
    SYN,
    TCP,
    UDP,
    VIDEO,
    Connection,
    answer,
    as_flow,
    core,
    datagram,
    ended,
    find,
    ip,
    question,
    resolve,
)
from tests.handshakes import client_hello, openssl_hello, record

REQUEST = b"GET / HTTP/1.1\r\nHost: www.video.example\r\nUser-Agent: test/1\r\n\r\n"
NETBIOS_SESSION = b"\x81\0\0\x44\x20" + b"CK" * 16 + b"\0\x20" + b"EE" * 16 + b"\0"
SHAPED = {"apps": [VIDEO], "disposition": 5}
BLOCKED = {"hosts": ["bad.example"], "disposition": 6}
CACHED = {"apps": [VIDEO], "disposition": 7, "route": 3}


def method(number: int) -> str:
    return METHODS[number]


# Names


def test_a_request_names_its_flow_by_its_host() -> None:
    connection = Connection(core(), dport=80).shake()
    connection.segment(0, 0, REQUEST)
    flow = connection.flow()
    assert (flow["protocol"], flow["app"], flow["category"]) == (IDS["http"], VIDEO, STREAMING)
    assert (flow["host"], flow["agent"]) == ("www.video.example", "test/1")
    assert (method(flow["app_method"]), flow["app_confidence"], flow["decided_at"]) == ("http-host", 98, 4)
    assert flow["needs"] == 0


@pytest.mark.parametrize(
    ("request_", "slug"),
    [
        (b"PROPFIND /share HTTP/1.1\r\nHost: 10.0.0.9\r\n\r\n", "webdav"),
        (b"POST /printers HTTP/1.1\r\nHost: 10.0.0.9\r\nContent-Type: application/ipp\r\n\r\n", "ipp"),
        (b"GET /live/1.m3u8?x=1 HTTP/1.1\r\nHost: 10.0.0.9\r\n\r\n", "hls"),
        (b"GET /announce?info_hash=%01 HTTP/1.1\r\nHost: 10.0.0.9\r\n\r\n", "bittorrent"),
        (b"GET /1/seg-3.m4s HTTP/1.1\r\nHost: 10.0.0.9\r\n\r\n", "mpegdash"),
        (b"GET /depot/1 HTTP/1.1\r\nHost: 10.0.0.9\r\nUser-Agent: Valve/Steam HTTP Client 1.0\r\n\r\n", "steam"),
        (b'POST / HTTP/1.1\r\nHost: 10.0.0.9\r\n\r\n{"jsonrpc": "2.0", "method": "x"}', "jsonrpc"),
        (b"POST / HTTP/1.1\r\nHost: 10.0.0.9\r\n\r\n<?xml version='1.0'?><soap:Envelope>", "soap"),
        (b"POST / HTTP/1.1\r\nHost: 10.0.0.9\r\nContent-Type: application/vnd.apache.thrift.binary\r\n\r\n", "thrift"),
        (b"POST /open/1 HTTP/1.1\r\nHost: 10.0.0.9\r\nContent-Type: application/x-fcs\r\n\r\n", "rtmp"),
        (b"GET /uri-res/N2R HTTP/1.1\r\nUser-Agent: gtk-gnutella/1.1\r\nHost: 10.0.0.9\r\n\r\n", "gnutella"),
    ],
)
def test_what_is_spoken_over_http_is_the_app_where_no_name_is_known(request_: bytes, slug: str) -> None:
    connection = Connection(core(), dport=8080).shake()
    connection.segment(0, 0, request_)
    assert (connection.flow()["protocol"], connection.flow()["app"]) == (IDS["http"], IDS[slug])
    named = Connection(core(), dport=8080).shake()
    named.segment(0, 0, request_.replace(b"10.0.0.9", b"www.video.example"))
    assert named.flow()["app"] == VIDEO


def test_what_is_certain_is_the_app_whatever_the_name() -> None:
    connection = Connection(core(), dport=80).shake()
    request = b"POST / HTTP/1.1\r\nHost: ocsp.video.example\r\nContent-Type: application/ocsp-request\r\n\r\n"
    connection.segment(0, 0, request)
    assert (connection.flow()["app"], connection.flow()["host"]) == (IDS["ocsp"], "ocsp.video.example")
    resolver = Connection(core(), dport=853).shake()
    resolver.segment(0, 0, openssl_hello("dns.video.example"))
    assert (resolver.flow()["app"], resolver.flow()["host"]) == (IDS["dohdot"], "dns.video.example")


def test_what_a_netbios_session_carries_is_its_app() -> None:
    connection = Connection(core(), dport=139).shake()
    connection.segment(0, 0, NETBIOS_SESSION)
    assert (connection.flow()["protocol"], connection.flow()["app"]) == (IDS["netbios"], 0)
    connection.segment(1, 0, b"\x82\0\0\0")
    connection.segment(0, len(NETBIOS_SESSION), b"\0\0\0\x2f\xffSMBr" + bytes(42))
    assert (connection.flow()["protocol"], connection.flow()["app"]) == (IDS["netbios"], IDS["smbv1"])
    joined_later = Connection(core(), dport=139).shake()
    joined_later.segment(0, 0, b"\0\0\0\x6c\xfeSMB" + bytes(104))
    assert (joined_later.flow()["protocol"], joined_later.flow()["app"]) == (IDS["netbios"], IDS["smbv23"])


def test_a_client_hello_names_its_flow_and_the_packets_behind_it_cost_no_dissection() -> None:
    one = core()
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    assert (connection.flow()["app"], method(connection.flow()["app_method"])) == (VIDEO, "sni")
    before = one.counters()["inspected"]
    for i in range(20):
        connection.segment(1, i * 1000, bytes(1000))
    assert one.counters()["inspected"] == before
    assert connection.flow()["bytes_down"] > 20_000


def test_a_hello_that_is_cut_into_many_small_segments_still_names_its_flow() -> None:
    connection = Connection(core()).shake()
    hello = openssl_hello("www.video.example")
    size = len(hello) // 30 + 1
    for at in range(0, len(hello), size):
        connection.segment(0, at, hello[at : at + size])
    assert (connection.flow()["app"], connection.flow()["decided_at"] > 20) == (VIDEO, True)


def test_a_hello_behind_a_syn_with_data_is_read() -> None:
    connection = Connection(core())
    connection.segment(0, 0, openssl_hello("www.video.example"), flags=SYN)
    assert connection.flow()["app"] == VIDEO


def test_a_server_side_seen_first_does_not_make_it_the_opener() -> None:
    connection = Connection(core())
    connection.segment(1, 0, flags=SYN | ACK)
    flow = connection.flow()
    assert (flow["src"], flow["sport"]) == (CLIENT, 40000)


def test_a_flow_joined_in_the_middle_is_opened_by_whoever_sends_the_request() -> None:
    one = core()
    connection = Connection(one, dport=8080)
    connection.segment(1, 0, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    connection.segment(0, 0, REQUEST)
    assert (connection.flow()["src"], connection.flow()["app"]) == (CLIENT, VIDEO)


def test_a_flow_without_a_name_is_its_addresss_owners_and_its_ports() -> None:
    one = core()
    connection = Connection(one, dport=22).shake()
    connection.segment(0, 0, flags=RST)
    (flow,) = ended(one)
    assert (flow["app"], method(flow["app_method"])) == (CLOUD, "prefix")
    assert (flow["protocol"], method(flow["protocol_method"])) == (IDS["ssh"], "port")


def test_an_address_of_a_network_that_carries_others_names_the_web_alone_and_only_beside_a_name() -> None:
    one = core(shared=True)
    datagram(one, b"\xa5" * 50, dport=9999)
    for dport, hello in ((443, openssl_hello("www.unknown.example")), (8443, record(client_hello([])))):
        Connection(one, dport=dport).shake().segment(0, 0, hello)
    flows = {flow["dport"]: flow["app"] for flow in ended(one)}
    assert flows == {9999: 0, 443: CLOUD, 8443: 0}


def test_a_flow_that_says_nothing_known_is_given_up_after_a_bounded_number_of_packets() -> None:
    one = core()
    for i in range(100):
        datagram(one, b"\xa5" * 50, time=SECOND + i)
        datagram(one, b"\xa5" * 50, 443, 40000, SERVER, CLIENT, time=SECOND + i)
    assert one.counters()["inspected"] <= 20
    assert find(one, 40000, 443, UDP)["decided_at"] <= 20


def test_a_flow_of_one_direction_is_given_up_too() -> None:
    one = core()
    for i in range(100):
        datagram(one, b"\xa5" * 50, time=SECOND + i)
    assert one.counters()["undecided"] == 0


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


def test_the_name_that_a_flow_shows_beats_the_one_its_address_had() -> None:
    one = core()
    resolve(one, "www.video.example", SERVER)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("somewhere.example"))
    flow = connection.flow()
    assert (flow["host"], flow["app"], method(flow["app_method"])) == ("somewhere.example", CLOUD, "prefix")


def test_a_server_that_was_named_once_names_the_next_flow_to_it_for_all_shards() -> None:
    names = Names(1024)
    Connection(core(names=names)).shake().segment(0, 0, openssl_hello("www.video.example"))
    other = core(names=names)
    Connection(other, sport=40001, src="10.0.0.99").segment(0, 0, flags=SYN)
    flow = find(other, 40001, 443, src="10.0.0.99")
    assert (flow["app"], method(flow["app_method"])) == (VIDEO, "known-server")


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


def test_dns_over_tcp_teaches_too() -> None:
    one = core()
    connection = Connection(one, sport=50000, dport=53, dst=RESOLVER).shake()
    for side, text in ((0, question("www.video.example")), (1, answer("www.video.example", SERVER))):
        connection.segment(side, 0, len(text).to_bytes(2, "big") + text)
    assert connection.flow()["needs"] == 0
    Connection(one).segment(0, 0, flags=SYN)
    assert find(one, 40000, 443)["app"] == VIDEO


def bursts(connection: Connection, n: int, size: int, pause: int) -> None:
    sent = 0
    for _ in range(n):
        for _ in range(size // 50_000):
            connection.segment(1, sent, bytes(100), length=50_000)
            sent += 100
        connection.clock += pause


@pytest.mark.parametrize("mixed", [False, True])
def test_a_nameless_flow_of_an_owner_with_video_is_told_by_its_bursts(mixed: bool) -> None:
    one = core(rules=[{"apps": [CLIPS], "disposition": 4}], offload=True, mixed=mixed)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello(None))
    bursts(connection, 2, 1_000_000, 2 * SECOND)
    assert (connection.flow()["app"], connection.flow()["mark"]) == (0 if mixed else CLOUD, 1 << SHIFT)
    bursts(connection, 2, 1_000_000, 2 * SECOND)
    flow = connection.flow()
    assert (flow["app"], method(flow["app_method"])) == (CLIPS, "behaviour")
    assert flow["mark"] == 4 << SHIFT | FINAL


def test_a_download_in_one_go_is_not_video_and_is_watched_for_a_bounded_time() -> None:
    one = core(offload=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello(None))
    bursts(connection, 70, 1_000_000, SECOND // 10)
    flow = connection.flow()
    assert (flow["app"], flow["needs"]) == (CLOUD, 8)
    connection.clock += 60 * SECOND
    connection.segment(1, 1 << 20, bytes(100))
    assert connection.flow()["needs"] == 0


ELSEWHERE = "198.51.100.9"  # nobody's


def talk(one: Core, seconds: int, a_second: tuple[int, int], size: int, jitter: int = 0) -> dict[str, Any]:
    """Datagrams of noise between CLIENT and ELSEWHERE, `a_second` from each side, evenly but for `jitter` ns."""
    chance = random.Random(7)
    sent = []
    for side, rate in enumerate(a_second):
        for n in range(seconds * rate):
            sent.append((SECOND + side + n * SECOND // rate + chance.randrange(jitter + 1), side))
    for time, side in sorted(sent):
        ends = (40000, 40001, CLIENT, ELSEWHERE) if side == 0 else (40001, 40000, ELSEWHERE, CLIENT)
        datagram(one, chance.randbytes(40), *ends, time, length=size)
    return find(one, 40000, 40001, UDP, dst=ELSEWHERE)


@pytest.mark.parametrize("rate", [50, 33, 17])
def test_voice_is_told_by_its_cadence(rate: int) -> None:
    rules = [{"apps": [IDS["voice"]], "disposition": 4}]
    flow = talk(core(rules=rules, offload=True), 9, (rate, rate), 200, jitter=SECOND // 100)
    assert (flow["protocol"], method(flow["protocol_method"])) == (IDS["voice"], "behaviour")
    assert flow["mark"] == 4 << SHIFT | FINAL


@pytest.mark.parametrize(
    ("a_second", "size"),
    [
        ((64, 64), 150),  # a game's clock
        ((50, 20), 150),
        ((50, 50), 900),  # video both ways
        ((30, 30), 150),
    ],
)
def test_other_clocks_are_no_voice_and_are_watched_for_seconds(a_second: tuple[int, int], size: int) -> None:
    flow = talk(core(offload=True), 10, a_second, size)
    assert (flow["protocol"], flow["needs"]) == (0, 0)
    assert talk(core(offload=True), 7, a_second, size)["needs"] == 8


def test_bulk_is_told_at_the_end_and_no_packet_of_it_is_watched() -> None:
    for sizes, expected in ((40_000, "bulk"), (400, "unknown")):
        one = core(offload=True)
        connection = Connection(one, dst=ELSEWHERE).shake()
        for n in range(300):
            connection.segment(1, n * 100, bytes(range(100, 200)), length=sizes)
        assert connection.flow()["needs"] == 0
        assert [flow["protocol"] for flow in ended(one)] == [IDS[expected]]


# Policy


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


@pytest.mark.parametrize("origin", [1, 2])
def test_the_lan_is_where_the_packet_came_in(origin: int) -> None:
    rules = [{"direction": 1, "disposition": 3}, {"direction": 2, "disposition": 4}]
    mark = Connection(core(rules=rules)).segment(0, 0, flags=SYN, origin=origin)
    assert mark == (2 + origin) << SHIFT


# Learning and holding


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


def test_a_flow_that_shows_its_name_tells_the_kernel_the_route_of_its_server_and_a_guess_does_not() -> None:
    connection = Connection(core(rules=[CACHED])).shake()
    assert connection.segment(0, 0, openssl_hello("www.video.example")) == 3 * FINAL * 2 | 7 << SHIFT
    guessed = Connection(core(rules=[CACHED | {"apps": [CLOUD]}], offload=True), dport=22).shake()
    guessed.segment(1, 0, b"SSH-2.0-OpenSSH_9.2p1\r\n")
    guessed.segment(0, 0, b"SSH-2.0-OpenSSH_9.2p1\r\n")
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


# Ends


def test_a_new_connection_on_the_same_ports_is_another_flow() -> None:
    one = core()
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    connection.segment(0, 900, flags=FIN | ACK)
    connection.segment(1, 0, flags=FIN | ACK)
    connection.isn = (9000, 9000)
    connection.shake().segment(0, 0, openssl_hello("www.cloud.example"))
    ((kind, reason, *_, flow),) = one.drain()
    assert (kind, reason, as_flow(flow)["app"]) == ("end", "reused", VIDEO)
    assert connection.flow()["app"] == CLOUD


def test_but_of_a_source_that_wants_them_as_one_it_is_the_same() -> None:
    one = core(merge=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, flags=RST | ACK)
    connection.isn = (9000, 9000)
    connection.shake().segment(0, 0, openssl_hello("www.cloud.example"))
    (flow,) = ended(one)
    assert (flow["packets_up"], flow["host"]) == (6, "www.cloud.example")


def test_silence_ends_a_flow() -> None:
    one = core()
    datagram(one, b"hello", time=SECOND)
    one.tick(100 * SECOND)
    assert [(event[0], event[1]) for event in one.drain()] == [("end", "idle")]


def test_an_offloaded_flow_lives_until_its_end_is_reported_with_the_kernels_counters() -> None:
    one = core(rules=[SHAPED], offload=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    for hour in range(1, 30):
        one.tick(hour * 3600 * SECOND)
    assert one.drain() == []
    key = (ip(SERVER), 443, ip(CLIENT), 40000, 0, TCP)
    assert one.close(key, 900, 1_000_000, 500, 40_000)
    ((kind, reason, *_, flow),) = one.drain()
    assert (kind, reason) == ("end", "reported")
    assert (as_flow(flow)["packets_down"], as_flow(flow)["bytes_up"]) == (900, 40_000)
    assert not one.close(key)


def test_a_new_connection_on_the_ports_of_an_offloaded_one_is_another_flow() -> None:
    """Its FINs went past us; the report of its end comes late and must not end the new one."""
    one = core(rules=[SHAPED], offload=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    connection.isn = (9000, 9000)
    assert connection.segment(0, 0, flags=SYN) == 5 << SHIFT  # its server is known, but it is not decided
    assert [event[1] for event in one.drain()] == ["reused"]
    assert not one.close((ip(CLIENT), 40000, ip(SERVER), 443, 0, TCP), 900, 1_000_000, 500, 40_000)
    assert one.close((ip(CLIENT), 40000, ip(SERVER), 443, 0, TCP), 1, 60, 0, 0)


def test_a_shorter_policy_does_not_leave_flows_with_rules_that_are_gone() -> None:
    one = core(rules=[BLOCKED] * 5000 + [{**SHAPED, "log": True}], offload=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    one.set_rules(Rules([]), Rules([]), SHIFT, FINAL)
    one.flush(0)
    assert [event[3] for event in one.drain()] == [False]


def test_events_tell_a_flows_start_its_labels_and_its_end() -> None:
    one = core(starts=True, labels=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    ended_flows = []
    one.flush(0)
    for event in one.drain():
        ended_flows.append((event[0], as_flow(event[5])["app"]))
    assert ended_flows == [("start", 0), ("labelled", VIDEO), ("end", VIDEO)]


def test_a_flow_of_icmp_is_decided_at_once() -> None:
    one = core()
    one.feed(src=ip(CLIENT), sport=0, dst=ip(SERVER), dport=0, proto=1, payload=bytes(56), time=SECOND)
    flow = find(one, 0, 0, 1)
    assert (flow["protocol"], flow["decided_at"], flow["needs"], flow["packets_up"]) == (IDS["icmp"], 1, 0, 1)


def test_the_category_is_the_apps_or_else_the_protocols() -> None:
    one = core()
    connection = Connection(one, dport=2222, dst="198.51.100.1").shake()
    connection.segment(1, 0, b"SSH-2.0-test\r\n", flags=PSH | ACK)
    assert connection.flow()["category"] == HOSTING


def test_a_nameless_connection_to_a_port_of_push_services_is_the_owners() -> None:
    one = core()
    one.use(
        Hosts([]), Prefixes([("192.0.2.0/28", CLOUD)]), Ports([]), Names(1024), bytes(1024), push={CLOUD: CLIPS},
    )  # fmt: skip
    for dport in (443, 5223):
        connection = Connection(one, dport=dport)
        connection.segment(0, 0, record(bytes(40), kind=23))
    assert {flow["dport"]: flow["app"] for flow in ended(one)} == {443: CLOUD, 5223: CLIPS}


# Calls

STUN_BINDING = b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)


def test_a_flow_of_a_call_is_named_by_another_from_the_same_socket_whichever_was_first() -> None:
    one = core()
    category = bytes(1024)
    one.use(
        Hosts([]), Prefixes([("192.0.2.0/28", CLOUD), ("198.51.100.0/24", VIDEO)]), Ports([]), Names(1024), category,
        calls={CLOUD: CLIPS},
    )  # fmt: skip
    stranger, peer, public = "203.0.113.5", "203.0.113.6", "198.51.100.1"
    for turn in range(4):  # a public STUN server, the app's relay, a peer; and somebody else's call
        for sport, dst, dport in (
            (40000, public, 19302), (40000, SERVER, 3478), (40000, peer, 50000), (41000, stranger, 50001),
        ):  # fmt: skip
            datagram(one, STUN_BINDING, sport, dport, dst=dst, time=SECOND + turn)
    # another socket of the client's tries the same peer
    for turn in range(4):
        datagram(one, STUN_BINDING, 42000, 50000, dst=peer, time=SECOND + 10 + turn)
    apps = {(flow["sport"], flow["dport"]): flow["app"] for flow in ended(one)}
    assert apps == {
        (40000, 19302): CLIPS, (40000, 3478): CLIPS, (40000, 50000): CLIPS, (41000, 50001): 0, (42000, 50000): CLIPS,
    }  # fmt: skip


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
