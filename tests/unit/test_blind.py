"""Naming without visible names: what is hidden, what remains, and what is known when a first packet is through."""

from __future__ import annotations

from typing import Any

import pytest

from dpi.dissect.protocols import IDS
from dpi.match.names import Names
from dpi.record.fields import METHODS
from tests.cores import (
    CLIENT,
    CLIPS,
    CLOUD,
    RESOLVER,
    SECOND,
    SERVER,
    SYN,
    VIDEO,
    Connection,
    answer,
    as_flow,
    core,
    datagram,
    dns_name,
    ended,
    find,
    ip,
    question,
    resolve,
)
from tests.handshakes import client_hello, openssl_hello, record, server_name

ELSEWHERE = "203.0.113.7"  # nobody's in the tables of tests.cores
BESIDE = "203.0.113.99"
BINDING = bytes.fromhex("000100002112a442") + bytes(range(12))
REQUEST = b"GET / HTTP/1.1\r\nHost: www.video.example\r\n\r\n"


def visited(one: Any, dst: str = ELSEWHERE, payload: bytes = b"", sport: int = 40000, dport: int = 443) -> Any:
    connection = Connection(one, sport=sport, dport=dport, dst=dst).shake()
    connection.segment(0, 0, payload or openssl_hello("www.video.example"))
    return connection.flow()


def aliased(name: str, alias: str, *addresses: str) -> bytes:
    """An answer with a CNAME and the addresses that it leads to."""
    whole = answer(name, *addresses)
    body = len(question(name))
    target = dns_name(alias)
    cname = b"\xc0\x0c\0\5\0\1\0\0\1\x2c" + len(target).to_bytes(2, "big") + target
    return whole[:6] + (1 + len(addresses)).to_bytes(2, "big") + whole[8:body] + cname + whole[body:]


def first(one: Any) -> list[dict[str, Any]]:
    return [as_flow(event[5]) for event in one.drain() if event[0] == "first"]


# Hidden


@pytest.mark.parametrize("blind", [1, 2])
@pytest.mark.parametrize(("payload", "slug"), [(b"", "tls"), (REQUEST, "http")])
def test_a_blind_shard_takes_no_name_and_teaches_none(payload: bytes, slug: str, blind: int) -> None:
    names = Names(1024)
    flow = visited(core(names=names, blind=blind), payload=payload)
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS[slug], 0, None)
    assert list(names.entries(2 * SECOND)) == []
    assert (flow["ja4"] is not None) == (slug == "tls")  # a fingerprint is no name


def test_dns_counts_unless_it_is_hidden_too() -> None:
    seeing, deaf = core(blind=1), core(blind=2)
    for one in (seeing, deaf):
        resolve(one, "www.video.example", ELSEWHERE)
        visited(one)
    named, nameless = find(seeing, 40000, 443, dst=ELSEWHERE), find(deaf, 40000, 443, dst=ELSEWHERE)
    assert (named["app"], METHODS[named["app_method"]], named["host"]) == (VIDEO, "dns", "www.video.example")
    assert (nameless["app"], nameless["host"]) == (0, None)
    asked = [flow for one in (seeing, deaf) for flow in ended(one) if flow["dport"] == 53]
    assert [(flow["app"], flow["host"]) for flow in asked] == [(VIDEO, "www.video.example"), (0, None)]


# What remains


def test_a_nameless_flow_to_a_network_that_carries_others_is_nobodys() -> None:
    one = core(shared=True, blind=1)
    assert visited(one, dst=SERVER)["app"] == 0
    assert [flow["app"] for flow in ended(one)] == [0]


@pytest.mark.parametrize(("dst", "app"), [(SERVER, 0), ("192.0.2.7", CLOUD)])
def test_where_an_owner_has_many_services_an_address_names_one_only_by_its_number(dst: str, app: int) -> None:
    one = core(mixed=True, blind=1)
    visited(one, dst=dst)
    assert [flow["app"] for flow in ended(one)] == [app]


def test_but_an_unknown_name_there_is_the_owners() -> None:
    one = core(mixed=True)
    visited(one, dst=SERVER, payload=openssl_hello("unknown.example"))
    assert [flow["app"] for flow in ended(one)] == [CLOUD]


def test_a_public_stun_server_tells_nothing_of_who_calls() -> None:
    one = core()
    datagram(one, BINDING, dport=19302, dst=SERVER)
    flow = ended(one)[0]
    assert (flow["protocol"], flow["app"]) == (IDS["stun"], 0)


def test_a_carriers_name_at_the_end_of_aliases_names_no_app() -> None:
    one = core(shared=True, blind=1)
    resolve(one, "edge.cloud.example", ELSEWHERE)
    visited(one)
    flow = next(flow for flow in ended(one) if flow["dst"] == ELSEWHERE)
    assert (flow["app"], flow["host"]) == (0, "edge.cloud.example")


def test_a_record_has_the_name_that_its_address_got_while_it_lasted() -> None:
    one = core(blind=1)
    assert visited(one)["app"] == 0
    resolve(one, "www.video.example", ELSEWHERE)
    flow = next(flow for flow in ended(one) if flow["dst"] == ELSEWHERE)
    assert (flow["app"], METHODS[flow["app_method"]], flow["host"]) == (VIDEO, "dns", "www.video.example")


def test_whose_resolver_is_asked_says_nothing_of_what_for() -> None:
    one = core()
    datagram(one, question("unknown.example"), dport=53, dst=SERVER)
    flow = ended(one)[0]
    assert (flow["protocol"], flow["app"]) == (IDS["dns"], 0)


def test_who_asks_again_for_an_alias_means_the_name_that_led_to_it() -> None:
    one = core()
    datagram(one, question("www.video.example"), 50000, 53, dst=RESOLVER)
    datagram(one, aliased("www.video.example", "edge.cloud.example", SERVER), 53, 50000, src=RESOLVER, dst=CLIENT)
    resolve(one, "edge.cloud.example", ELSEWHERE, sport=50001)
    connection = Connection(one, dst=ELSEWHERE)
    connection.segment(0, 0, flags=SYN)
    flow = connection.flow()
    assert (flow["app"], flow["host"]) == (VIDEO, "www.video.example")


def test_but_not_where_names_of_two_apps_lead_to_it() -> None:
    one = core()
    for sport, name in ((50000, "www.video.example"), (50001, "www.cloud.example")):
        datagram(one, question(name), sport, 53, dst=RESOLVER)
        datagram(one, aliased(name, "edge.cdn.example", SERVER), 53, sport, src=RESOLVER, dst=CLIENT)
    resolve(one, "edge.cdn.example", ELSEWHERE, sport=50002)
    connection = Connection(one, dst=ELSEWHERE)
    connection.segment(0, 0, flags=SYN)
    assert (connection.flow()["app"], connection.flow()["host"]) == (0, "edge.cdn.example")


def test_a_nameless_flow_is_the_app_that_the_client_found_beside_it() -> None:
    one = core(blind=1)
    resolve(one, "www.video.example", BESIDE)
    visited(one)
    flow = next(flow for flow in ended(one) if flow["dst"] == ELSEWHERE)
    assert (flow["app"], METHODS[flow["app_method"]], flow["app_confidence"]) == (VIDEO, "neighbour", 50)


@pytest.mark.parametrize("name", ["www.cloud.example", "unknown.example"])
def test_but_not_where_it_found_others_there_too(name: str) -> None:
    one = core(blind=1)
    resolve(one, "www.video.example", BESIDE)
    resolve(one, name, "203.0.113.98", sport=50001)
    visited(one)
    assert next(flow for flow in ended(one) if flow["dst"] == ELSEWHERE)["app"] == 0


def test_what_is_known_of_a_network_is_forgotten_and_is_each_clients_own() -> None:
    names, app = Names(1024), 7
    names.learn_network(ip(CLIENT), ip(BESIDE), app, SECOND)
    assert names.find_network(ip(CLIENT), ip(ELSEWHERE), 2 * SECOND) == app
    assert names.find_network(ip(RESOLVER), ip(ELSEWHERE), 2 * SECOND) == 0
    assert names.find_network(ip(CLIENT), ip("203.0.114.7"), 2 * SECOND) == 0
    assert names.find_network(ip(CLIENT), ip(ELSEWHERE), 602 * SECOND) == 0
    here, there, far = (bytes.fromhex(f"20010db80000000{n}") + bytes([n] * 8) for n in (1, 1, 2))
    names.learn_network(ip(CLIENT), here, app, SECOND)
    assert names.find_network(ip(CLIENT), there[:8] + b"somebody", SECOND) == app
    assert names.find_network(ip(CLIENT), far, SECOND) == 0


ECH = 0xFE0D


def covered(name: bytes, *more: tuple[int, bytes]) -> bytes:
    return record(client_hello([(0, server_name(name)), *more]))


def test_a_cover_over_an_encrypted_name_does_not_take_the_place_of_dns() -> None:
    one = core(shared=True)
    resolve(one, "www.video.example", ELSEWHERE)
    flow = visited(one, payload=covered(b"cover.cloud.example", (ECH, bytes(40))))
    assert (flow["app"], METHODS[flow["app_method"]], flow["host"], flow["ech"]) == (
        VIDEO,
        "dns",
        "www.video.example",
        1,
    )
    flow = visited(one, payload=covered(b"cover.cloud.example"), sport=40001)
    assert (flow["app"], METHODS[flow["app_method"]], flow["host"]) == (CLOUD, "sni", "cover.cloud.example")


def test_but_a_name_that_is_no_carriers_or_was_looked_up_as_well_is_what_it_says() -> None:
    one = core(shared=True)
    resolve(one, "www.video.example", ELSEWHERE)
    flow = visited(one, payload=covered(b"www.unknown.example", (ECH, bytes(40))))
    assert (flow["app"], flow["host"]) == (0, "www.unknown.example")
    resolve(one, "edge.cloud.example", ELSEWHERE, sport=50001)
    flow = visited(one, payload=covered(b"edge.cloud.example", (ECH, bytes(40))), sport=40001)
    assert (flow["app"], METHODS[flow["app_method"]], flow["host"]) == (CLOUD, "sni", "edge.cloud.example")


def asks(agent: str, host: str = "") -> bytes:
    """A request that tells its program, and a host where one is given."""
    return f"GET / HTTP/1.1\r\n{f'Host: {host}' if host else 'Accept: */*'}\r\nUser-Agent: {agent}\r\n\r\n".encode()


@pytest.mark.parametrize("blind", [0, 1, 2])
def test_a_program_says_whose_traffic_it_is(blind: int) -> None:
    flow = visited(core(blind=blind), payload=asks("Clipper/7.1 (Linux)", "unknown.example"))
    assert (flow["app"], METHODS[flow["app_method"]], flow["app_confidence"]) == (CLIPS, "program", 75)


@pytest.mark.parametrize(
    "agent", ["Mozilla/5.0 Clipper/7.1", "Clipper2/1", "clipper-beta", "", "a=clipper", "some.clips/1", "x" * 100]
)
def test_but_only_by_the_first_word_and_all_of_it(agent: str) -> None:
    assert visited(core(), payload=asks(agent))["app"] == 0


def test_and_not_against_the_name_that_it_asks_for() -> None:
    flow = visited(core(), payload=asks("Clipper/7.1", "www.video.example"))
    assert (flow["app"], METHODS[flow["app_method"]]) == (VIDEO, "http-host")


def test_but_against_the_name_of_who_carries_it() -> None:
    flow = visited(core(shared=True), payload=asks("Clipper/7.1", "edge.cloud.example"))
    assert (flow["app"], METHODS[flow["app_method"]], flow["host"]) == (CLIPS, "program", "edge.cloud.example")


def test_what_a_program_found_at_an_address_names_what_shows_nothing_there() -> None:
    one = core(shared=True)
    visited(one, SERVER, asks("Clipper/7.1"), sport=40001, dport=80)
    visited(one, SERVER, openssl_hello(None))
    visited(one, "192.0.2.11", openssl_hello(None), sport=40002)  # another machine of the cloud's
    here, beside = (flow for flow in ended(one) if flow["dport"] == 443)
    assert (here["app"], METHODS[here["app_method"]], here["app_confidence"]) == (CLIPS, "neighbour", 50)
    assert beside["app"] == 0


def habitual(one: Any, host: str = "www.video.example", times: int = 3, first: int = 40001) -> None:
    """A client uses one program for an app, so often."""
    for sport in range(first, first + times):
        visited(one, ELSEWHERE, openssl_hello(host), sport=sport)


def nameless(one: Any, dst: str = "198.51.100.1", later: int = 0, src: str = CLIENT) -> dict[str, Any]:
    """What the record says of a flow by the same program that shows no name."""
    connection = Connection(one, src=src, dst=dst)
    connection.clock += later * SECOND
    connection.shake().segment(0, 0, openssl_hello(None))
    return next(flow for flow in ended(one) if flow["sport"] == 40000)


@pytest.mark.parametrize("dst", [SERVER, "198.51.100.1"])
def test_a_fingerprint_with_which_a_client_used_one_app_alone_names_its_nameless_flows(dst: str) -> None:
    one = core(shared=True)
    habitual(one)
    flow = nameless(one, dst)
    assert (flow["app"], METHODS[flow["app_method"]], flow["app_confidence"]) == (VIDEO, "fingerprint", 40)


def test_so_does_one_that_dns_named() -> None:
    one = core(blind=1)
    resolve(one, "www.video.example", ELSEWHERE)
    habitual(one)
    assert nameless(one)["app"] == VIDEO


def test_but_not_one_that_was_seen_twice_or_with_another_app_too() -> None:
    one = core()
    habitual(one, times=2)
    assert nameless(one)["app"] == 0
    for host in ("www.cloud.example", "unknown.example"):
        one = core()
        habitual(one)
        habitual(one, host, 1, first=40010)
        assert nameless(one)["app"] == 0


def test_nor_at_an_owner_whose_services_are_many_after_an_hour_or_to_another_client() -> None:
    for mixed, more in ((True, {"dst": SERVER}), (False, {"later": 3700}), (False, {"src": "10.0.0.2"})):
        one = core(mixed=mixed)
        habitual(one)
        assert nameless(one, **more)["app"] == 0
    one = core()
    habitual(one)
    assert nameless(one, later=3500)["app"] == VIDEO


def test_what_is_known_of_a_place_is_forgotten_and_is_each_clients_own() -> None:
    names, app = Names(1024), 7
    names.learn_place(ip(CLIENT), ip(BESIDE), app, SECOND)
    assert [names.find_place(ip(CLIENT), ip(BESIDE), at * SECOND) for at in (2, 602)] == [app, 0]
    assert names.find_place(ip(RESOLVER), ip(BESIDE), SECOND) == 0
    assert names.find_place(ip(CLIENT), ip(ELSEWHERE), SECOND) == 0
    assert {entry["kind"] for entry in names.entries(SECOND)} == {"place"}


def report(source: int) -> bytes:
    """An RTCP receiver report without a block, and SRTCP's index and tag."""
    return b"\x80\xc9\0\1" + source.to_bytes(4, "big") + b"\x80\0\0\1" + bytes(16)


def call(one: Any, ours: bytes, theirs: bytes, sport: int = 40000) -> dict[str, Any]:
    """Gets through by STUN, then both sides send something; a relay is asked from the same socket before."""
    datagram(one, BINDING, sport, 3478, dst="198.51.100.3")
    for _ in range(8):
        datagram(one, BINDING, sport, 50000, dst=ELSEWHERE)
        datagram(one, b"\1\1" + BINDING[2:], 50000, sport, src=ELSEWHERE, dst=CLIENT)
    datagram(one, ours, sport, 50000, dst=ELSEWHERE)
    datagram(one, theirs, 50000, sport, src=ELSEWHERE, dst=CLIENT)
    return find(one, sport, 50000, 17, dst=ELSEWHERE)


@pytest.mark.parametrize("parts", [(1003, 2003), (2002, 1001), (1002, 2013)])
def test_signals_calls_are_told_by_the_sources_that_its_library_counts(parts: tuple[int, int]) -> None:
    one = core()
    flow = call(one, *map(report, parts))
    assert (flow["protocol"], flow["app"]) == (IDS["stun"], IDS["signalvoip"])
    assert METHODS[flow["app_method"]] == "signature"
    relay = next(flow for flow in ended(one) if flow["dport"] == 3478)
    assert (relay["app"], METHODS[relay["app_method"]]) == (IDS["signalvoip"], "known-server")


def test_a_relay_of_a_call_names_what_else_this_client_asks_there() -> None:
    one = core()
    call(one, report(1003), report(2003))
    find(one, 40000, 3478, 17, dst="198.51.100.3")
    datagram(one, BINDING, 41000, 443, dst="198.51.100.3")
    datagram(one, BINDING, 41000, 443, src="10.0.0.2", dst="198.51.100.3")
    flows = {(flow["src"], flow["dport"]): flow for flow in ended(one)}
    assert METHODS[flows[CLIENT, 443]["app_method"]] == "neighbour"
    assert flows[CLIENT, 443]["app"] == IDS["signalvoip"]
    assert flows["10.0.0.2", 443]["app"] == 0


def test_which_gives_way_to_what_the_same_socket_does_then() -> None:
    one = core()
    call(one, report(1003), report(2003))
    for _ in range(3):
        call(one, report(1003), report(2003), 41000)
    flows = {(flow["sport"], flow["dport"]): flow for flow in ended(one)}
    assert METHODS[flows[41000, 3478]["app_method"]] == "known-server"


def test_the_same_by_rtp_itself() -> None:
    sound = b"\x90\x66\0\1\0\0\0\1" + (1002).to_bytes(4, "big") + bytes(40)
    assert call(core(), sound, report(2002))["app"] == IDS["signalvoip"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (report(1003), report(1003)),
        (report(1004), report(2003)),
        (report(0x12345678), report(2003)),
        (report(3001), report(1001)),
        (report(1003)[:9], report(2003)),
        (b"\x40" + report(1003)[1:], report(2003)),
    ],
)
def test_but_not_others_calls(ours: bytes, theirs: bytes) -> None:
    assert call(core(), ours, theirs)["app"] == 0


def test_an_address_behind_nat64_is_the_owners_of_the_ipv4_address() -> None:
    from dpi.match.prefixes import Prefixes

    table = Prefixes([("192.0.2.0/28", CLOUD), ("64:ff9b::c000:20f/128", CLIPS)])
    assert [getattr(table.match(f"64:ff9b::{text}"), "label", None) for text in ("192.0.2.1", "192.0.2.15")] == [
        CLOUD,
        CLIPS,
    ]
    assert table.match("64:ff9b::192.0.2.16") is None
    assert table.match("64:ff9b:1::192.0.2.1") is None


# The first packet


def test_a_syn_is_told_with_what_dns_the_address_and_the_port_say() -> None:
    one = core(firsts=True)
    resolve(one, "www.video.example", ELSEWHERE)
    for sport, dst, dport in ((40000, ELSEWHERE, 443), (40001, SERVER, 22), (40002, "198.51.100.1", 22)):
        Connection(one, sport=sport, dport=dport, dst=dst).shake()
    flows = [flow for flow in first(one) if flow["dport"] != 53]
    assert [(flow["app"], METHODS[flow["app_method"]], flow["protocol"], flow["packets_up"]) for flow in flows] == [
        (VIDEO, "dns", 0, 1),
        (CLOUD, "prefix", IDS["ssh"], 1),
        (0, "", IDS["ssh"], 1),
    ]
    assert find(one, 40001, 22)["app"] == 0  # the flow itself waits for better evidence


def test_a_datagram_that_names_its_flow_names_it_at_the_first_packet() -> None:
    one = core(firsts=True)
    datagram(one, question("www.video.example"), dport=53, dst=RESOLVER)
    datagram(one, answer("www.video.example", SERVER), 53, 40000, src=RESOLVER, dst=CLIENT)
    assert [(flow["protocol"], flow["app"]) for flow in first(one)] == [(IDS["dns"], VIDEO)]
