"""What others say of a server: it names flows, and no rule acts on it before the flow itself has told."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dpi.core import Core
from dpi.match.rules import Rules
from dpi.record.fields import METHODS
from tests.cores import (
    ACK,
    CACHED,
    CLIENT,
    CLOUD,
    FINAL,
    PSH,
    RESOLVER,
    SECOND,
    SERVER,
    SHIFT,
    SYN,
    UDP,
    VIDEO,
    Connection,
    answer,
    core,
    datagram,
    ended,
    find,
    ip,
    label_by,
    question,
    resolve,
)
from tests.handshakes import client_hello as tls_hello
from tests.handshakes import dtls_fragment, dtls_record, openssl_hello, self_signed, server_flight, server_name
from tests.quic_packets import client_hello, crypto, initial

OTHER = "10.0.0.2"
NOBODYS = "198.51.100.9"
BLOCKED = 6 << SHIFT
BLOCK_VIDEO = [{"apps": [VIDEO], "disposition": 6}]
BLOCK_CLOUD = [{"apps": [CLOUD], "disposition": 6}]
ROUTE = 3 * (FINAL << 1)
BLOCK_HOST = [{"hosts": ["blocked.example"], "disposition": 6}]
CONNECT = b"CONNECT www.video.example:443 HTTP/1.1\r\nHost: www.video.example:443\r\n\r\n"
ABSOLUTE = b"GET http://www.video.example/ HTTP/1.1\r\nHost: www.video.example\r\n\r\n"
PLAIN = b"GET / HTTP/1.1\r\nHost: www.video.example\r\n\r\n"


def shown(one: Core, payload: bytes, dst: str = NOBODYS, port: int = 443, src: str = OTHER) -> None:
    """Another client's connection says this first."""
    Connection(one, sport=41000, dport=port, src=src, dst=dst).shake().segment(0, 0, payload)


def syn(one: Core, dst: str = NOBODYS, port: int = 443) -> tuple[int | None, dict[str, Any]]:
    """The mark of our client's SYN, and its flow."""
    mark = Connection(one, dport=port, dst=dst).segment(0, 0, flags=SYN)
    return mark, find(one, 40000, port, dst=dst)


def test_a_name_that_another_client_showed_names_a_flow_and_blocks_nothing_at_once() -> None:
    one = core(rules=BLOCK_VIDEO)
    shown(one, openssl_hello("www.video.example"))
    mark, flow = syn(one)
    assert (flow["app"], METHODS[flow["app_method"]], flow["app_confidence"]) == (VIDEO, "known-server", 75)
    assert mark is None


def test_at_an_address_of_the_apps_own_it_does() -> None:
    one = core(rules=BLOCK_CLOUD)
    shown(one, openssl_hello("www.cloud.example"), dst=SERVER)
    mark, flow = syn(one, dst=SERVER)
    assert (flow["app"], flow["app_confidence"], mark) == (CLOUD, 80, BLOCKED)


@pytest.mark.parametrize("request_", [CONNECT, ABSOLUTE])
def test_a_proxy_is_not_whom_it_is_asked_for(request_: bytes) -> None:
    one = core(rules=BLOCK_VIDEO)
    shown(one, request_, port=3128)
    assert find(one, 41000, 3128, src=OTHER, dst=NOBODYS)["app"] == VIDEO
    mark, flow = syn(one, port=3128)
    assert (flow["app"], mark) == (0, None)


@pytest.mark.parametrize("payload", [openssl_hello("www.video.example"), PLAIN])
def test_what_no_server_has_answered_teaches_nothing(payload: bytes) -> None:
    one = core(rules=BLOCK_VIDEO)
    forged = Connection(one, sport=41000, src=OTHER, dst=NOBODYS)
    forged.segment(0, 0, flags=SYN)
    forged.segment(0, 0, payload)
    assert find(one, 41000, 443, src=OTHER, dst=NOBODYS)["app"] == VIDEO
    assert syn(one)[1]["app"] == 0


def test_in_a_capture_of_one_direction_it_does() -> None:
    one = core(hearsay=True)
    forged = Connection(one, sport=41000, src=OTHER, dst=NOBODYS)
    forged.segment(0, 0, flags=SYN)
    forged.segment(0, 0, openssl_hello("www.video.example"))
    assert syn(one)[1]["app"] == VIDEO


QUIC = initial(crypto(client_hello("www.video.example")))
DTLS = dtls_record(dtls_fragment(tls_hello([(0, server_name(b"www.video.example"))], version=0xFEFD, cookie=b"")))


def later(one: Core) -> tuple[int, str]:
    """What our client's next flow to the same server is, whose bytes tell nothing."""
    datagram(one, b"\x40" + bytes(40), dst=NOBODYS)
    flow = find(one, 40000, 443, UDP, dst=NOBODYS)
    return flow["app"], METHODS[flow["app_method"]]


@pytest.mark.parametrize("hello", [QUIC, DTLS], ids=["quic", "dtls"])
def test_what_a_first_datagram_shows_counts_for_others_once_the_server_has_answered(hello: bytes) -> None:
    one = core()
    for _ in range(3):
        datagram(one, hello, 41000, src=OTHER, dst=NOBODYS)
    assert find(one, 41000, 443, UDP, src=OTHER, dst=NOBODYS)["app"] == VIDEO
    assert later(one) == (0, "")
    one = core()
    datagram(one, hello, 41000, src=OTHER, dst=NOBODYS)
    datagram(one, b"\x40" + bytes(40), 443, 41000, src=NOBODYS, dst=OTHER)
    assert later(one) == (VIDEO, "known-server")


def test_or_had_before() -> None:
    one = core()
    datagram(one, b"\x40" + bytes(40), 443, 41000, src=NOBODYS, dst=OTHER)
    datagram(one, QUIC, 41000, src=OTHER, dst=NOBODYS)
    assert later(one) == (VIDEO, "known-server")


def test_a_message_that_there_is_no_way_is_no_answer() -> None:
    one = core()
    datagram(one, QUIC, 41000, src=OTHER, dst=NOBODYS)
    one.feed(src=ip(NOBODYS), sport=0, dst=ip(OTHER), dport=0, proto=1, icmp_type=3, payload=QUIC[:64], time=SECOND)
    assert later(one) == (0, "")


def test_of_what_a_capture_has_one_direction_of_the_first_datagram_counts() -> None:
    one = core(hearsay=True)
    datagram(one, QUIC, 41000, src=OTHER, dst=NOBODYS)
    assert later(one) == (VIDEO, "known-server")


@pytest.mark.parametrize("answered", [False, True])
def test_a_forged_hello_teaches_its_sender_nothing_of_what_is_beside_the_server(answered: bool) -> None:
    one = core()
    datagram(one, QUIC, 41000, dst=NOBODYS)
    if answered:
        datagram(one, b"\x40" + bytes(40), 443, 41000, src=NOBODYS, dst=CLIENT)
    Connection(one, dst="198.51.100.10").shake().segment(0, 0, openssl_hello(None))
    beside = next(flow for flow in ended(one) if flow["dst"] == "198.51.100.10")
    assert beside["app"] == (VIDEO if answered else 0)


def test_such_a_flow_stays_in_the_queue_until_the_answer_and_then_moves_others_to_the_cache() -> None:
    one = core(rules=[CACHED], offload=True)
    decided = 7 << SHIFT
    assert [datagram(one, QUIC, dst=NOBODYS)[1] for _ in range(2)] == [decided] * 2
    assert datagram(one, b"\x40" + bytes(40), 443, 40000, NOBODYS, CLIENT)[1] == decided | ROUTE | FINAL


def test_where_nobody_ever_answers_it_leaves_and_moves_nobody() -> None:
    one = core(rules=[CACHED], offload=True)
    marks = [datagram(one, QUIC, dst=NOBODYS)[1] for _ in range(70)]
    assert marks[0] == 7 << SHIFT and marks[-1] == 7 << SHIFT | FINAL


def test_a_certificates_name_is_its_servers(tmp_path: Path) -> None:
    one = core()
    first = Connection(one, sport=41000, src=OTHER, dst=NOBODYS).shake()
    first.segment(0, 0, openssl_hello(None, highest=ssl.TLSVersion.TLSv1_2))
    flight = server_flight(tmp_path, ssl.TLSVersion.TLSv1_2, *self_signed("www.video.example", ["www.video.example"]))
    for at in range(0, len(flight), 1400):
        first.segment(1, at, flight[at : at + 1400])
    assert METHODS[first.flow()["app_method"]] == "certificate"
    _, flow = syn(one)
    assert (flow["app"], METHODS[flow["app_method"]], flow["app_confidence"]) == (VIDEO, "known-server", 75)


# A server that a cache is to serve


@pytest.mark.parametrize(
    ("begin", "payload", "port", "moved"),
    [
        (Connection.shake, openssl_hello("www.video.example"), 443, True),
        (Connection.shake, PLAIN, 80, True),
        (lambda connection: connection.segment(0, 0, flags=SYN), openssl_hello("www.video.example"), 443, False),
        (Connection.shake, CONNECT, 3128, False),
        (Connection.shake, ABSOLUTE, 3128, False),
    ],
)
def test_only_what_a_server_has_answered_itself_moves_others_to_a_cache(
    begin: Callable[[Connection], object], payload: bytes, port: int, moved: bool
) -> None:
    one = core(rules=[CACHED], offload=True)
    connection = Connection(one, dport=port, dst=NOBODYS)
    begin(connection)
    mark = connection.segment(0, 0, payload)
    assert mark is not None and mark >> SHIFT & 0xF == 7
    assert (mark & ROUTE == ROUTE) is moved


# A host that nobody's app has


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_a_rule_for_a_host_acts_at_once_on_what_the_client_itself_looked_up(proto: str) -> None:
    one = core(rules=BLOCK_HOST)
    resolve(one, "blocked.example", NOBODYS)
    if proto == "tcp":
        assert syn(one)[0] == BLOCKED
    else:
        _, mark, _ = datagram(one, bytes(range(64)), 40000, 5000, dst=NOBODYS)
        assert mark == BLOCKED


def lookup(one: Core, name: str, client: str, sport: int) -> None:
    datagram(one, question(name), sport, 53, src=client, dst=RESOLVER)
    datagram(one, answer(name, NOBODYS), 53, sport, src=RESOLVER, dst=client)


def test_but_not_on_what_another_looked_up_nor_on_one_of_two_names() -> None:
    one = core(rules=BLOCK_HOST)
    lookup(one, "blocked.example", OTHER, 50001)
    assert syn(one)[0] is None
    one = core(rules=BLOCK_HOST)
    lookup(one, "fine.example", CLIENT, 50001)
    lookup(one, "blocked.example", CLIENT, 50002)
    assert syn(one)[0] is None


def test_the_name_that_is_shown_then_decides() -> None:
    one = core(rules=BLOCK_HOST)
    resolve(one, "blocked.example", NOBODYS)
    connection = Connection(one, dst=NOBODYS).shake()
    assert connection.segment(0, 0, openssl_hello("fine.example")) == 1 << SHIFT


def test_a_resolver_that_was_looked_up_itself_still_answers() -> None:
    one = core()
    resolve(one, "dns.nobody.example", RESOLVER)
    resolve(one, "www.video.example", NOBODYS, sport=50001)
    assert find(one, 50001, 53, 17, dst=RESOLVER)["app"] == VIDEO
    assert find(one, 50001, 53, 17, dst=RESOLVER)["app_confidence"] == 97


def ruled() -> Core:
    """With a signature file's own rule: hosts secret.example is CLOUD's."""
    one = core(rules=BLOCK_CLOUD)
    label_by(one, hosts=[("video.example", VIDEO)], rules=Rules([{"hosts": ["secret.example"], "disposition": CLOUD}]))
    return one


@pytest.mark.parametrize(("client", "confidence", "mark"), [(CLIENT, 100, BLOCKED), (OTHER, 70, None)])
def test_a_signature_files_rule_is_as_sure_as_the_host_that_it_asks_for(
    client: str, confidence: int, mark: int | None
) -> None:
    one = ruled()
    lookup(one, "secret.example", client, 50001)
    got, flow = syn(one)
    assert (flow["app"], METHODS[flow["app_method"]], flow["app_confidence"]) == (CLOUD, "rule", confidence)
    assert got == mark


def test_a_hello_makes_it_sure_or_takes_it_back() -> None:
    for host, app in (("secret.example", CLOUD), ("www.video.example", VIDEO)):
        one = ruled()
        lookup(one, "secret.example", OTHER, 50001)
        connection = Connection(one, dst=NOBODYS).shake()
        connection.segment(0, 0, openssl_hello(host), flags=ACK | PSH)
        flow = connection.flow()
        assert (flow["app"], flow["app_confidence"]) == (app, 100 if app == CLOUD else 99), host
