"""The risk that a hello asks for another app than the one whose name led its client to the server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from dpi.core import Core
from dpi.dissect.protocols import IDS
from tests.cores import (
    CLIENT,
    CLOUD,
    HOSTING,
    RESOLVER,
    SECOND,
    STREAMING,
    VIDEO,
    Connection,
    answer,
    datagram,
    dns_name,
    ended,
    label_by,
    question,
    resolve,
    risks_of,
)
from tests.handshakes import openssl_hello
from tests.quic_packets import client_hello, crypto, initial

ADDRESS = "198.51.100.9"  # nobody's
OTHER_CLIENT = "10.0.0.2"
VPN, SAME_KIND = 610, 611


def labelled(shared: Iterable[int] = (CLOUD,)) -> Core:
    one = Core(256)
    category = bytearray(1024)
    category[VIDEO], category[SAME_KIND], category[CLOUD], category[VPN] = STREAMING, STREAMING, HOSTING, 3
    hosts = [("video.example", VIDEO), ("cloud.example", CLOUD), ("vpn.example", VPN), ("films.example", SAME_KIND)]
    prefixes = [("192.0.2.0/28", CLOUD), ("203.0.113.0/24", SAME_KIND)]
    label_by(one, hosts=hosts, prefixes=prefixes, category=bytes(category), shared=list(shared))
    return one


def visit(one: Core, name: str | None, address: str = ADDRESS, port: int = 443) -> set[str]:
    connection = Connection(one, dport=port, dst=address).shake()
    connection.segment(0, 0, openssl_hello(name))
    return risks_of(connection.flow())


@pytest.mark.parametrize("looked_up", ["proxy.other.example", "gate.vpn.example"])
@pytest.mark.parametrize("port", [443, 8443])
def test_a_hello_that_asks_for_an_app_that_nobody_looked_up_there_is_odd(looked_up: str, port: int) -> None:
    one = labelled()
    resolve(one, looked_up, ADDRESS)
    assert visit(one, "www.video.example", port=port) == {"dns-name"}


def request(one: Core, said: str, port: int = 80) -> dict[str, Any]:
    """The flow of a request over HTTP, of this first line and Host."""
    connection = Connection(one, dport=port, dst=ADDRESS).shake()
    connection.segment(0, 0, said.encode() + b"\r\nAccept: */*\r\n\r\n")
    return connection.flow()


@pytest.mark.parametrize("port", [80, 8080, 3128])
@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "POST /x HTTP/1.0", "GET /chat HTTP/1.1\r\nUpgrade: websocket"])
def test_so_is_a_request_whose_host_is_an_apps(line: str, port: int) -> None:
    one = labelled()
    resolve(one, "proxy.other.example", ADDRESS)
    flow = request(one, f"{line}\r\nHost: www.video.example", port)
    assert (flow["app"], risks_of(flow)) == (VIDEO, {"dns-name"})


@pytest.mark.parametrize(
    ("looked_up", "said"),
    [
        ("proxy.other.example", "GET http://www.video.example/ HTTP/1.1\r\nHost: www.video.example"),  # through a proxy
        ("proxy.other.example", "CONNECT www.video.example:443 HTTP/1.1\r\nHost: www.video.example"),
        ("proxy.other.example", "CONNECT 192.0.2.77:22 HTTP/1.1\r\nHost: www.video.example"),
        ("proxy.other.example", "GET / HTTP/1.1\r\nHost: proxy.other.example:8080"),
        ("proxy.other.example", "GET / HTTP/1.1\r\nHost: 198.51.100.9"),
        ("proxy.other.example", "GET / HTTP/1.1\r\nHost: another.example"),
        ("www.video.example", "GET / HTTP/1.1\r\nHost: www.video.example"),  # a portal answers to any name
        ("lancache.video.example", "GET / HTTP/1.1\r\nHost: cache3.video.example"),
        ("edge.cloud.example", "GET / HTTP/1.1\r\nHost: www.video.example"),
    ],
)
def test_a_request_that_may_be_right_is_not(looked_up: str, said: str) -> None:
    one = labelled()
    resolve(one, looked_up, ADDRESS)
    assert "dns-name" not in risks_of(request(one, said))


def test_a_portal_that_has_all_names_at_its_address_is_none() -> None:
    one = labelled()
    resolve(one, "check.other.example", ADDRESS)
    resolve(one, "www.video.example", ADDRESS, sport=50001)
    assert risks_of(request(one, "GET / HTTP/1.1\r\nHost: www.video.example")) == set()


@pytest.mark.parametrize("target", ["198.51.100.77", "proxy.other.example"])
def test_a_request_within_a_proxys_tunnel_is_not_for_the_proxy(target: str) -> None:
    one = labelled()
    resolve(one, "proxy.other.example", ADDRESS)
    connection = Connection(one, dport=3128, dst=ADDRESS).shake()
    connection.segment(0, 0, asked := f"CONNECT {target}:80 HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    connection.segment(1, 0, b"HTTP/1.1 200 OK\r\n\r\n")
    connection.segment(0, len(asked), b"GET / HTTP/1.1\r\nHost: www.video.example\r\n\r\n")
    flow = connection.flow()
    assert (flow["app"], risks_of(flow)) == (VIDEO, set())


def test_so_is_one_of_quic() -> None:
    one = labelled()
    resolve(one, "proxy.other.example", ADDRESS)
    datagram(one, initial(crypto(client_hello("www.video.example"))), dst=ADDRESS)
    flow = next(flow for flow in ended(one) if flow["app"] == VIDEO)
    assert flow["protocol"] == IDS["quic"] and risks_of(flow) == {"dns-name"}


@pytest.mark.parametrize(
    ("looked_up", "asked", "address"),
    [
        ("www.video.example", "www.video.example", ADDRESS),
        ("a.video.example", "b.video.example", ADDRESS),
        ("proxy.other.example", "proxy.other.example", ADDRESS),
        ("proxy.other.example", "www.other.example", ADDRESS),
        ("proxy.other.example", "another.example", ADDRESS),  # of nobody's: no app is claimed
        ("www.video.example", "another.example", ADDRESS),
        ("proxy.other.example", "edge.cloud.example", ADDRESS),  # the network's own name, as a cover has
        ("edge.cloud.example", "www.video.example", ADDRESS),  # which carries others
        ("www.films.example", "www.video.example", ADDRESS),  # of one kind, so perhaps of one owner
        ("proxy.other.example", None, ADDRESS),
        ("proxy.other.example", "www.video.example", "192.0.2.1"),  # a network's address
        ("proxy.other.example", "www.video.example", "203.0.113.1"),  # an owner's
        ("proxy.other.example", "www.video.example", "10.1.2.3"),
        ("proxy.other.example", "www.video.example", "172.31.2.3"),
        ("proxy.other.example", "www.video.example", "192.168.2.3"),
        ("proxy.other.example", "www.video.example", "100.127.2.3"),
        ("proxy.other.example", "www.video.example", "169.254.2.3"),
    ],
)
def test_what_may_be_right_is_not_said(looked_up: str, asked: str | None, address: str) -> None:
    one = labelled()
    resolve(one, looked_up, address)
    assert "dns-name" not in visit(one, asked, address)


@pytest.mark.parametrize("address", ["172.32.2.3", "100.128.2.3", "192.169.2.3", "11.0.0.1"])
def test_addresses_beside_private_ones_are_of_the_internet(address: str) -> None:
    one = labelled()
    resolve(one, "proxy.other.example", address)
    assert visit(one, "www.video.example", address) == {"dns-name"}


def test_an_address_that_was_never_looked_up_tells_nothing() -> None:
    assert visit(labelled(), "www.video.example") == set()


@pytest.mark.parametrize("first", ["www.video.example", "third.example"])
def test_an_address_of_several_names_tells_nothing(first: str) -> None:
    for order in (0, 1):
        one = labelled()
        names = [first, "proxy.other.example"]
        resolve(one, names[order], ADDRESS)
        resolve(one, names[1 - order], ADDRESS, sport=50001)
        assert visit(one, "www.video.example") == set()


def test_nor_does_one_that_another_client_has_by_another_name() -> None:
    one = labelled()
    datagram(one, question("www.video.example"), 50001, 53, src=OTHER_CLIENT, dst=RESOLVER)
    datagram(one, answer("www.video.example", ADDRESS), 53, 50001, src=RESOLVER, dst=OTHER_CLIENT)
    resolve(one, "proxy.other.example", ADDRESS)
    assert visit(one, "www.video.example") == set()


def test_nor_what_only_another_client_looked_up() -> None:
    one = labelled()
    datagram(one, question("proxy.other.example"), 50001, 53, src=OTHER_CLIENT, dst=RESOLVER)
    datagram(one, answer("proxy.other.example", ADDRESS), 53, 50001, src=RESOLVER, dst=OTHER_CLIENT)
    assert visit(one, "www.video.example") == set()


def chain(name: str, alias: str, address: str) -> bytes:
    """An answer: the name is an alias's, and that has the address."""
    target = dns_name(alias)
    head = bytes.fromhex("0001 8180 0001 0002 0000 0000")
    where = (12 + len(dns_name(name)) + 4 + 12).to_bytes(2, "big")
    return (
        head + dns_name(name) + b"\0\1\0\1"
        + b"\xc0\x0c\0\5\0\1\0\0\1\x2c" + len(target).to_bytes(2, "big") + target
        + (0xC000 | int.from_bytes(where, "big")).to_bytes(2, "big") + b"\0\1\0\1\0\0\1\x2c\0\4"
        + bytes(map(int, address.split(".")))
    )  # fmt: skip


@pytest.mark.parametrize("name", ["www.vpn.example", "www.other.example"])
@pytest.mark.parametrize(
    ("alias", "told"), [("e1.cloud.example", False), ("e1.elsewhere.example", True), ("e1.vpn.example", True)]
)
def test_a_name_that_a_network_carries_tells_nothing_of_the_network(name: str, alias: str, told: bool) -> None:
    one = labelled()
    datagram(one, question(name), 50000, 53, dst=RESOLVER)
    datagram(one, chain(name, alias, ADDRESS), 53, 50000, src=RESOLVER, dst=CLIENT)
    assert ("dns-name" in visit(one, "www.video.example")) is told


def test_an_alias_of_a_networks_that_is_asked_for_alone_tells_nothing_either() -> None:
    one = labelled()
    datagram(one, question("www.vpn.example"), 50000, 53, dst=RESOLVER)
    datagram(one, chain("www.vpn.example", "e1.cloud.example", "198.51.100.8"), 53, 50000, src=RESOLVER, dst=CLIENT)
    resolve(one, "e1.cloud.example", ADDRESS, sport=50001)
    assert visit(one, "www.video.example") == set()


def test_a_lookup_that_is_long_ago_tells_nothing() -> None:
    one = labelled()
    resolve(one, "proxy.other.example", ADDRESS, ttl=300)
    connection = Connection(one, dst=ADDRESS)
    connection.clock = 400 * SECOND
    connection.shake().segment(0, 0, openssl_hello("www.video.example"))
    assert risks_of(connection.flow()) == set()


def test_mail_that_goes_over_to_tls_is_found_by_other_records() -> None:
    one = labelled()
    resolve(one, "mx.other.example", ADDRESS)
    connection = Connection(one, dport=25, dst=ADDRESS).shake()
    connection.segment(1, 0, greeting := b"220 mx.other.example ESMTP\r\n")
    connection.segment(0, 0, hello := b"EHLO me.example\r\n")
    connection.segment(1, len(greeting), able := b"250-mx.other.example\r\n250 STARTTLS\r\n")
    connection.segment(0, len(hello), start := b"STARTTLS\r\n")
    connection.segment(1, len(greeting) + len(able), b"220 go on\r\n")
    connection.segment(0, len(hello) + len(start), openssl_hello("www.video.example"))
    flow = connection.flow()
    assert flow["app"] == VIDEO and "dns-name" not in risks_of(flow)


def https(name: str, target: str) -> bytes:
    """An answer to a question for HTTPS: priority, target (RFC 9460)."""
    data = b"\0\1" + dns_name(target)
    head = bytes.fromhex("0001 8180 0001 0001 0000 0000") + dns_name(name) + b"\0\x41\0\1"
    return head + b"\xc0\x0c\0\x41\0\1\0\0\0\x3c" + len(data).to_bytes(2, "big") + data


def ask(one: Core, message: bytes, reply: bytes, sport: int, time: int = SECOND) -> None:
    datagram(one, message, sport, 53, dst=RESOLVER, time=time)
    datagram(one, reply, 53, sport, src=RESOLVER, dst=CLIENT, time=time)


def test_what_an_https_record_leads_to_is_the_name_that_has_it() -> None:
    one = labelled()
    name, target = "www.video.example", "svc.pool.example"
    ask(one, question(name)[:-4] + b"\0\x41\0\1", https(name, target), 50001)
    resolve(one, target, ADDRESS)
    connection = Connection(one, dst=ADDRESS).shake()
    assert connection.flow()["app"] == VIDEO
    connection.segment(0, 0, openssl_hello(name))
    assert risks_of(connection.flow()) == set()


def test_an_alias_is_remembered_for_as_long_as_its_answer_says() -> None:
    one = labelled()
    reply = chain("www.video.example", "e1.elsewhere.example", "198.51.100.8").replace(
        b"\xc0\x0c\0\5\0\1\0\0\1\x2c", b"\xc0\x0c\0\5\0\1\0\1\x51\x80"
    )
    ask(one, question("www.video.example"), reply, 50001)
    later = 7200 * SECOND
    alias = "e1.elsewhere.example"
    ask(one, question(alias), answer(alias, ADDRESS), 50002, later)
    connection = Connection(one, dst=ADDRESS)
    connection.clock = later
    connection.shake().segment(0, 0, openssl_hello("www.video.example"))
    assert risks_of(connection.flow()) == set()


def test_a_domain_that_resolvers_add_is_no_other_name() -> None:
    one = labelled()
    resolve(one, "www.video.example.corp.other.example", ADDRESS)
    assert visit(one, "www.video.example") == set()
