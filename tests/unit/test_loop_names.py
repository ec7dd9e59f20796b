"""The loop: what names a flow, and when that is given up."""

from __future__ import annotations

import struct

import pytest

from dpi.dissect.protocols import IDS
from dpi.match.names import Names
from tests.cores import (
    ACK,
    CLIENT,
    CLIPS,
    CLOUD,
    HOSTING,
    PSH,
    REQUEST,
    RST,
    SECOND,
    SERVER,
    STREAMING,
    SYN,
    UDP,
    VIDEO,
    Connection,
    core,
    datagram,
    ended,
    find,
    ip,
    label_by,
    method,
)
from tests.handshakes import client_hello, openssl_hello, record

NETBIOS_SESSION = b"\x81\0\0\x44\x20" + b"CK" * 16 + b"\0\x20" + b"EE" * 16 + b"\0"


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
        (b"GET /scrape?info_hash=%01 HTTP/1.1\r\nHost: 10.0.0.9\r\n\r\n", "bittorrent"),
        (b"GET /announce?info_hash=%01 HTTP/1.1\r\nHost: 10.0.0.9\r\n\r\n", "bittorrent"),
        (b"GET /1/seg-3.m4s HTTP/1.1\r\nHost: 10.0.0.9\r\n\r\n", "mpegdash"),
        (
            b"GET /depot/1 HTTP/1.1\r\nHost: 10.0.0.9\r\nUser-Agent: Windows-Update-Agent/10.0\r\n\r\n",
            "windowsupdate",
        ),
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
    carried = Connection(core(shared=True), dport=8080).shake()
    carried.segment(0, 0, request_.replace(b"10.0.0.9", b"edge.cloud.example"))
    assert carried.flow()["app"] == IDS[slug]


@pytest.mark.parametrize(
    ("media_type", "body", "slug"),
    [
        (b"application/json", b'{"jsonrpc": "2.0", "method": "x"}', "jsonrpc"),
        (b"text/xml; charset=utf-8", b"<?xml version='1.0'?><soap:Envelope>", "soap"),
        (b"application/json", b'{"name": "x"}', ""),
    ],
)
def test_a_body_that_comes_behind_its_header_tells_what_is_spoken(media_type: bytes, body: bytes, slug: str) -> None:
    connection = Connection(core(), dport=8080, dst="203.0.113.7").shake()
    header = b"POST / HTTP/1.1\r\nHost: 10.0.0.9\r\nContent-Type: %s\r\nContent-Length: 99\r\n\r\n" % media_type
    connection.segment(0, 0, header)
    assert (connection.flow()["protocol"], connection.flow()["app"]) == (IDS["http"], 0)
    connection.segment(0, len(header), body)
    assert (connection.flow()["app"], connection.flow()["needs"]) == (IDS[slug] if slug else 0, 0)
    assert connection.flow()["decided_at"] == 5


def test_a_body_that_does_not_come_is_waited_for_until_the_answer() -> None:
    connection = Connection(core(), dport=8080, dst="203.0.113.7").shake()
    connection.segment(0, 0, b"POST / HTTP/1.1\r\nHost: 10.0.0.9\r\nContent-Type: application/json\r\n\r\n")
    connection.segment(1, 0, b"HTTP/1.1 100 Continue\r\n\r\n")
    assert connection.flow()["decided_at"] == 0
    other = Connection(core(), dport=8080, dst="203.0.113.7").shake()
    other.segment(0, 0, b"POST / HTTP/1.1\r\nHost: 10.0.0.9\r\nContent-Type: application/json\r\n\r\n")
    other.segment(1, 0, b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (other.flow()["app"], other.flow()["decided_at"]) == (0, 5)


@pytest.mark.parametrize(
    ("media_type", "body", "slug"),
    [
        (b"application/json", b'{"jsonrpc": "2.0", "result": 1}', "jsonrpc"),
        (b"application/vnd.apple.mpegurl", b"#EXTM3U", "hls"),
        (b"audio/mpegurl", b"#EXTM3U", "hls"),
        (b"application/json", b'{"version": "1.1", "method": "ping", "params": [], "id": 1}', "jsonrpc"),
        (b"text/plain", b"#EXTM3U\n#EXT-X-VERSION:3\n", "hls"),
        (b"application/dash+xml", b"<?xml version='1.0'?><MPD>", "mpegdash"),
        (b"application/json", b'{"name": "x"}', ""),
    ],
)
def test_an_answer_seen_first_tells_what_is_spoken(media_type: bytes, body: bytes, slug: str) -> None:
    connection = Connection(core(), dport=8080, dst="203.0.113.7")
    connection.segment(1, 0, b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n%s" % (media_type, body))
    assert (connection.flow()["protocol"], connection.flow()["app"]) == (IDS["http"], IDS[slug] if slug else 0)


def test_an_answer_seen_first_tells_that_it_goes_over_to_websocket() -> None:
    connection = Connection(core(), dport=8080, dst="203.0.113.7")
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\n"
    connection.segment(1, 0, answer % b"websocket")
    assert connection.flow()["app"] == IDS["websocket"]
    other = Connection(core(), dport=8080, dst="203.0.113.7")
    other.segment(1, 0, answer % b"TLS/1.2")
    assert other.flow()["app"] == 0


def test_of_a_connection_joined_later_the_client_is_who_has_a_clients_port() -> None:
    """What only a server says is taken from it, though it is seen first."""
    connection = Connection(core(), sport=50000, dport=1999)
    connection.segment(1, 0, b"\x0d\0\0\0\x0a8.0.36\0" + bytes(5))
    assert connection.flow()["protocol"] == IDS["mysql"]


def test_an_ocsp_request_in_a_path_is_ocsp_whatever_the_host() -> None:
    one = core()
    path = b"/ca/MFEwTzBNMEswSTAJBgUrDgMCGgUABBQ" + b"A" * 60 + b"%3D"
    for sport, host, slug in ((1, b"10.0.0.9", "ocsp"), (2, b"www.video.example", "ocsp"), (3, b"10.0.0.9", "")):
        connection = Connection(one, sport=40000 + sport, dport=80, dst="203.0.113.7").shake()
        connection.segment(0, 0, b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path if slug else path[:40], host))
        assert connection.flow()["app"] == (IDS[slug] if slug else 0)


def test_what_is_certain_is_the_app_whatever_the_name() -> None:
    connection = Connection(core(), dport=80).shake()
    request = b"POST / HTTP/1.1\r\nHost: ocsp.video.example\r\nContent-Type: application/ocsp-request\r\n\r\n"
    connection.segment(0, 0, request)
    assert (connection.flow()["app"], connection.flow()["host"]) == (IDS["ocsp"], "ocsp.video.example")
    resolver = Connection(core(), dport=853).shake()
    resolver.segment(0, 0, openssl_hello("dns.video.example", ["dot"]))
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


def test_a_server_that_was_named_once_names_the_next_flow_to_it_for_all_shards() -> None:
    names = Names(1024)
    Connection(core(names=names)).shake().segment(0, 0, openssl_hello("www.video.example"))
    other = core(names=names)
    Connection(other, sport=40001, src="10.0.0.99").segment(0, 0, flags=SYN)
    flow = find(other, 40001, 443, src="10.0.0.99")
    assert (flow["app"], method(flow["app_method"])) == (VIDEO, "known-server")


def test_a_nameless_connection_to_a_port_of_push_services_is_the_owners() -> None:
    one = core()
    label_by(one, prefixes=[("192.0.2.0/28", CLOUD)], push={CLOUD: CLIPS})
    for dport in (443, 5223):
        connection = Connection(one, dport=dport)
        connection.segment(0, 0, record(bytes(40), kind=23))
    assert {flow["dport"]: flow["app"] for flow in ended(one)} == {443: CLOUD, 5223: CLIPS}


def test_the_category_is_the_apps_or_else_the_protocols() -> None:
    one = core()
    connection = Connection(one, dport=2222, dst="198.51.100.1").shake()
    connection.segment(1, 0, b"SSH-2.0-test\r\n", flags=PSH | ACK)
    assert connection.flow()["category"] == HOSTING


def test_a_flow_of_icmp_is_decided_at_once() -> None:
    one = core()
    one.feed(src=ip(CLIENT), sport=0, dst=ip(SERVER), dport=0, proto=1, payload=bytes(56), time=SECOND)
    flow = find(one, 0, 0, 1)
    assert (flow["protocol"], flow["decided_at"], flow["needs"], flow["packets_up"]) == (IDS["icmp"], 1, 0, 1)


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


def chunk(kind: int, body: bytes) -> bytes:
    """RFC 9260, 3.2."""
    return struct.pack(">BBH", kind, 3, len(body) + 4) + body + bytes(-len(body) % 4)


@pytest.mark.parametrize(
    ("number", "slug"),
    [
        (9, "igrp"), (33, "dccp"), (46, "rsvp"), (47, "gre"), (50, "ipsec"), (88, "eigrp"), (89, "ospf"),
        (108, "ipsec"), (113, "pgm"), (115, "l2tp"), (135, "mobileipv6"), (137, "mpls"), (139, "hip"), (253, "unknown"),
    ],
)  # fmt: skip
def test_what_has_no_ports_is_named_by_its_number(number: int, slug: str) -> None:
    one = core()
    one.feed(src=ip(CLIENT), sport=0, dst=ip(SERVER), dport=0, proto=number, payload=bytes(40), time=SECOND)
    (flow,) = ended(one)
    assert flow["protocol"] == IDS[slug]


@pytest.mark.parametrize(("carried", "slug"), [(46, "diameter"), (7, "megaco"), (60, "sctp"), (None, "sctp")])
def test_an_association_is_what_its_data_says_that_it_carries(carried: int | None, slug: str) -> None:
    one = core()
    cookie = chunk(10, bytes(9))
    data = b"" if carried is None else chunk(0, struct.pack(">IHHI", 1, 0, 0, carried) + b"\1\0\0\x14")
    for payload in (chunk(1, bytes(16)), cookie + data):
        one.feed(src=ip(CLIENT), sport=2905, dst=ip(SERVER), dport=2906, proto=132, payload=payload, time=SECOND)
    (flow,) = ended(one)
    assert flow["protocol"] == IDS[slug]


@pytest.mark.parametrize(("port", "version", "slug"), [(3868, 1, "diameter"), (3868, 2, "sctp"), (3870, 1, "sctp")])
def test_diameter_without_a_number_of_its_own_is_told_by_port_and_version(port: int, version: int, slug: str) -> None:
    one = core()
    payload = chunk(0, struct.pack(">IHHI", 1, 0, 0, 0) + bytes([version, 0, 0, 20]) + bytes(16))
    one.feed(src=ip(CLIENT), sport=2905, dst=ip(SERVER), dport=port, proto=132, payload=payload, time=SECOND)
    (flow,) = ended(one)
    assert flow["protocol"] == IDS[slug]


@pytest.mark.parametrize(
    "messages",
    [
        [b"\x05\1\0", b"\x05\1\0\3\x11WWW.video.example\1\xbb"],
        [b"\x05\1\0\x05\1\0\3\x11www.video.example\1\xbb"],
        [b"\x05\2\0\2", b"\1\2me\6secret\x05\1\0\3\x11www.video.example\1\xbb"],
        [struct.pack(">BBHI", 4, 1, 443, 7) + b"me\0www.video.example\0"],
    ],
)
def test_whom_socks_is_to_connect_to_names_the_flow_and_not_the_proxy(messages: list[bytes]) -> None:
    one = core(names=Names(64))
    connection = Connection(one, dport=1080).shake()
    sent = 0
    for message in messages:
        connection.segment(0, sent, message)
        sent += len(message)
    flow = connection.flow()
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["socks"], VIDEO, "www.video.example")
    assert (method(flow["app_method"]), flow["needs"]) == ("signature", 0)
    other = Connection(one, 40001, 1080).shake()
    other.segment(0, 0, b"\x05\1\0\x05\1\0\1\xc0\0\2\1\1\xbb")
    assert other.flow()["app"] != VIDEO


def test_socks_to_an_address_has_no_name() -> None:
    connection = Connection(core(), dport=1080, dst="203.0.113.9").shake()
    connection.segment(0, 0, b"\x05\1\0")
    connection.segment(1, 0, b"\x05\0")
    connection.segment(0, 3, b"\x05\1\0\1\xc0\0\2\1\1\xbb")
    flow = connection.flow()
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["socks"], 0, None)
