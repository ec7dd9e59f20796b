"""The loop: within a proxy's tunnel a flow is named as if it had begun there, and stays the proxy's."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from dpi.dissect.protocols import IDS
from dpi.match.names import Names
from tests.cores import CACHED, REQUEST, SHIFT, VIDEO, Connection, core, ended, method, resolve, risks_of
from tests.handshakes import openssl_hello, self_signed, server_flight

CLIENT, SERVER = 0, 1
ADDRESS = b"\xcb\0\x71\5"  # 203.0.113.5, of the documentation (RFC 5737)
HELLO = openssl_hello("www.video.example", ["h2"])
CONNECT = b"CONNECT 203.0.113.5:443 HTTP/1.1\r\nHost: 203.0.113.5:443\r\n\r\n"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
SOCKS5 = b"\5\1\0\1" + ADDRESS + b"\1\xbb"
GRANTED5 = b"\5\0\0\1" + bytes(6)
SOCKS4 = b"\4\1\1\xbb" + ADDRESS + b"me\0"
Said = list[tuple[int, bytes]]
TUNNELS: dict[str, tuple[str, Said]] = {
    "CONNECT": ("httpconnect", [(CLIENT, CONNECT), (SERVER, ESTABLISHED)]),
    "CONNECT to an IPv6 address": (
        "httpconnect",
        [(CLIENT, b"CONNECT [2001:db8::5]:443 HTTP/1.1\r\n\r\n"), (SERVER, ESTABLISHED)],
    ),
    "CONNECT, refused at first": (
        "httpconnect",
        [
            (CLIENT, CONNECT),
            (SERVER, b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic\r\nContent-Length: 9\r\n\r\nwho is it"),
            (CLIENT, CONNECT[:-2] + b"Proxy-Authorization: Digest x\r\n\r\n"),
            (SERVER, ESTABLISHED),
        ],
    ),
    "CONNECT through another": (
        "httpconnect",
        [(CLIENT, CONNECT), (SERVER, ESTABLISHED), (CLIENT, CONNECT), (SERVER, ESTABLISHED)],
    ),
    "SOCKS5": ("socks", [(CLIENT, b"\5\1\0"), (SERVER, b"\5\0"), (CLIENT, SOCKS5), (SERVER, GRANTED5)]),
    "SOCKS5 with a login": (
        "socks",
        [
            (CLIENT, b"\5\2\0\2"),
            (SERVER, b"\5\2"),
            (CLIENT, b"\1\2me\6secret"),
            (SERVER, b"\1\0"),
            (CLIENT, SOCKS5),
            (SERVER, GRANTED5),
        ],
    ),
    "SOCKS5 to an IPv6 address": (
        "socks",
        [
            (CLIENT, b"\5\1\0"),
            (SERVER, b"\5\0"),
            (CLIENT, b"\5\1\0\4" + bytes(15) + b"\5\1\xbb"),
            (SERVER, b"\5\0\0\4" + bytes(18)),
        ],
    ),
    "SOCKS4": ("socks", [(CLIENT, SOCKS4), (SERVER, b"\0\x5a" + bytes(6))]),
}


def say(connection: Connection, said: Said) -> None:
    """In turn; a client that says nothing more acknowledges it."""
    sent = [0, 0]
    for side, message in said:
        connection.segment(side, sent[side], message)
        sent[side] += len(message)


def told(said: Said, **more: Any) -> dict[str, Any]:
    connection = Connection(core(**more), dport=3128, dst="203.0.113.9").shake()
    say(connection, said)
    return connection.flow()


@pytest.mark.parametrize(("slug", "said"), TUNNELS.values(), ids=TUNNELS)
def test_a_hello_in_a_tunnel_names_the_app_and_the_flow_stays_the_proxys(slug: str, said: Said) -> None:
    flow = told([*said, (CLIENT, HELLO)])
    bare = Connection(core()).shake()
    bare.segment(CLIENT, 0, HELLO)
    for field in ("app", "host", "ja4", "alpn", "tls_version", "app_method", "app_confidence"):
        assert flow[field] == bare.flow()[field], field
    assert (flow["protocol"], flow["app"], flow["needs"]) == (IDS[slug], VIDEO, 0)


@pytest.mark.parametrize(("slug", "said"), TUNNELS.values(), ids=TUNNELS)
def test_so_does_a_request(slug: str, said: Said) -> None:
    flow = told([*said, (CLIENT, REQUEST)])
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS[slug], VIDEO, "www.video.example")
    assert (method(flow["app_method"]), flow["agent"], flow["needs"]) == ("http-host", "test/1", 0)


@pytest.mark.parametrize(("slug", "said"), TUNNELS.values(), ids=TUNNELS)
def test_a_client_that_does_not_wait_is_named_the_same(slug: str, said: Said) -> None:
    asked = b"".join(message for side, message in said if side == CLIENT)
    for messages in ([asked + HELLO], [asked, HELLO], [asked[:9], asked[9:] + HELLO[:1], HELLO[1:]]):
        flow = told([(CLIENT, message) for message in messages])
        assert (flow["protocol"], flow["app"], flow["host"]) == (IDS[slug], VIDEO, "www.video.example")


@pytest.mark.parametrize(("slug", "said"), TUNNELS.values(), ids=TUNNELS)
@pytest.mark.parametrize("inside", [b"SSH-2.0-x\r\n", bytes(range(128, 255)), b"\x13BitTorrent protocol"])
def test_what_is_none_of_both_ends_it(slug: str, said: Said, inside: bytes) -> None:
    flow = told([*said, (CLIENT, inside)])
    assert (flow["protocol"], flow["app"], flow["needs"]) == (IDS[slug], 0, 0)


def test_a_name_that_is_known_is_the_flows_at_once() -> None:
    asked: list[Said] = [
        [(CLIENT, b"CONNECT www.video.example:443 HTTP/1.1\r\n\r\n")],
        [(CLIENT, b"\5\1\0"), (SERVER, b"\5\0"), (CLIENT, b"\5\1\0\3\x11www.video.example\1\xbb")],
        [(CLIENT, b"\4\1\1\xbb\0\0\0\1\0www.video.example\0")],
    ]
    for said in asked:
        assert told(said)["needs"] == 0
        flow = told([*said, (CLIENT, openssl_hello("www.cloud.example"))])
        assert (flow["app"], flow["host"], flow["ja4"]) == (VIDEO, "www.video.example", None)
        connected = b"".join(message for side, message in said if side == CLIENT)
        for hello in (openssl_hello("www.cloud.example"), openssl_hello("www.cloud.example")[:150]):
            flow = told([(CLIENT, connected + hello)])
            assert (flow["app"], flow["host"]) == (VIDEO, "www.video.example")


@pytest.mark.parametrize(
    "asked",
    [
        [(CLIENT, b"CONNECT fine.example:443 HTTP/1.1\r\n\r\n"), (SERVER, ESTABLISHED)],
        [(CLIENT, b"\5\1\0\5\1\0\3\x0cfine.example\1\xbb"), (SERVER, b"\5\0" + GRANTED5)],
        [(CLIENT, b"\4\1\1\xbb\0\0\0\1\0fine.example\0"), (SERVER, b"\0\x5a" + bytes(6))],
    ],
    ids=["CONNECT", "SOCKS5", "SOCKS4A"],
)
def test_a_name_of_nobodys_gives_way_to_an_apps_and_to_no_others(asked: Said) -> None:
    assert told(asked)["host"] == "fine.example"
    flow = told([*asked, (CLIENT, HELLO)])
    assert (flow["app"], flow["host"], flow["needs"]) == (VIDEO, "www.video.example", 0)
    flow = told([*asked, (CLIENT, openssl_hello("other.example"))])
    assert (flow["app"], flow["host"], flow["needs"]) == (0, "fine.example", 0)
    assert flow["ja4"] is not None
    flow = told([*asked, (CLIENT, openssl_hello(None))])
    assert flow["host"] == "fine.example"


def test_a_rule_acts_on_what_is_in_the_tunnel() -> None:
    blocked = [{"apps": [VIDEO], "disposition": 6}]
    for _, said in TUNNELS.values():
        connection = Connection(core(rules=blocked), dport=3128, dst="203.0.113.9").shake()
        say(connection, [*said, (CLIENT, HELLO)])
        assert connection.flow()["mark"] == 6 << SHIFT


def test_a_name_that_a_rule_asks_for_stays_the_name() -> None:
    """So that no hello takes a flow out of it."""
    refused = [{"hosts": ["fine.example"], "disposition": 6}]
    connect = b"CONNECT www.fine.example:443 HTTP/1.1\r\n\r\n"
    flow = told([(CLIENT, connect)], rules=refused)
    assert (flow["mark"], flow["needs"]) == (6 << SHIFT, 0)
    flow = told([(CLIENT, connect), (SERVER, ESTABLISHED), (CLIENT, HELLO)], rules=refused)
    assert (flow["mark"], flow["host"]) == (6 << SHIFT, "www.fine.example")
    assert told([(CLIENT, connect.replace(b"fine", b"mine")), (CLIENT, HELLO)], rules=refused)["app"] == VIDEO


def test_nothing_is_learnt_for_the_proxys_address() -> None:
    program = REQUEST.replace(b"www.video.example", b"203.0.113.5").replace(b"test/1", b"clipper/1")
    for _, said in TUNNELS.values():
        for inside in (HELLO, REQUEST, program):
            one = core(names=Names(64))
            first = Connection(one, 40000, 3128, dst="203.0.113.9").shake()
            say(first, [*said, (CLIENT, inside)])
            assert first.flow()["app"] != 0
            for dport in (3128, 443):
                Connection(one, 40001, dport, dst="203.0.113.9").shake().segment(CLIENT, 0, openssl_hello(None))
            assert [flow["app"] for flow in ended(one)[1:]] == [0, 0]


def test_no_cache_gets_the_way_to_a_proxy() -> None:
    for _, said in TUNNELS.values():
        connection = Connection(core(rules=[CACHED]), dport=3128, dst="203.0.113.9").shake()
        say(connection, [*said, (CLIENT, HELLO)])
        assert connection.flow()["mark"] == 7 << SHIFT


@pytest.mark.parametrize(("slug", "said"), TUNNELS.values(), ids=TUNNELS)
@pytest.mark.parametrize("waits", [True, False], ids=["waits", "does not wait"])
def test_a_certificate_in_a_tunnel_names_what_shows_no_name(tmp_path: Path, slug: str, said: Said, waits: bool) -> None:
    flight = server_flight(tmp_path, ssl.TLSVersion.TLSv1_2, *self_signed("x", ["mail.video.example"]))
    hello = (CLIENT, openssl_hello(None, highest=ssl.TLSVersion.TLSv1_2))
    if waits:
        flow = told([*said, hello, (SERVER, flight)], risks=True)
    elif slug == "httpconnect" and len(said) > 2:
        return
    else:
        asked = [each for each in said if each[0] == CLIENT]
        flow = told([*asked, hello, *(each for each in said if each[0] == SERVER), (SERVER, flight)], risks=True)
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS[slug], VIDEO, "mail.video.example")
    assert "certificate-self-signed" in risks_of(flow)


def test_a_hello_whose_rest_never_comes_tells_its_name() -> None:
    for slug, said in TUNNELS.values():
        connection = Connection(core(), dport=3128, dst="203.0.113.9").shake()
        say(connection, [*said, (CLIENT, HELLO[:220])])
        (flow,) = ended(connection.core)
        assert (flow["protocol"], flow["app"], flow["host"]) == (IDS[slug], VIDEO, "www.video.example")


def test_a_tunnel_that_stays_silent_or_is_refused_is_what_it_was() -> None:
    connection = Connection(core(), dport=3128, dst="203.0.113.9").shake()
    say(connection, [(CLIENT, CONNECT), (SERVER, b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")])
    (flow,) = ended(connection.core)
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["httpconnect"], 0, "203.0.113.5")


def test_what_only_the_server_says_is_looked_at_for_some_packets_alone() -> None:
    for _, said in TUNNELS.values():
        flow = told([*said, *[(SERVER, bytes(1400))] * 64])
        assert flow["needs"] == 0 and flow["decided_at"] <= 80


def test_requests_to_proxies_are_read_eight_times_at_the_most() -> None:
    flow = told([(CLIENT, CONNECT * 9 + HELLO)])
    assert (flow["app"], flow["needs"]) == (0, 0)
    assert told([(CLIENT, CONNECT * 8 + HELLO)])["app"] == VIDEO
    assert told([(CLIENT, CONNECT)] * 8 + [(CLIENT, HELLO)])["app"] == VIDEO


def test_what_opens_no_tunnel_is_done_with_its_request() -> None:
    for request in (
        b"\5\1\0\5\2\0\1" + ADDRESS + b"\1\xbb",
        b"\5\1\0\5\3\0\1" + bytes(6),
        b"\4\2\1\xbb" + ADDRESS + b"\0",
    ):
        flow = told([(CLIENT, request)])
        assert (flow["protocol"], flow["needs"]) == (IDS["socks"], 0)


def test_a_name_from_dns_is_the_proxys_until_the_tunnel_shows_another() -> None:
    one = core(names=Names(64))
    resolve(one, "www.cloud.example", "203.0.113.9")
    connection = Connection(one, dport=1080, dst="203.0.113.9").shake()
    say(connection, TUNNELS["SOCKS5"][1])
    assert connection.flow()["host"] == "www.cloud.example"
    connection.segment(CLIENT, 13, HELLO)
    assert (connection.flow()["app"], connection.flow()["host"]) == (VIDEO, "www.video.example")
