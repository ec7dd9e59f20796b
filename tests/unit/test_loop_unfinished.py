"""The loop: what begins as TLS or HTTP is known as that, also where its rest never comes: cut in a capture, or lost."""

from __future__ import annotations

from typing import Any

import pytest

from dpi.dissect.protocols import SLUGS
from tests.cores import VIDEO, Connection, core, ended
from tests.handshakes import made_flight, openssl_hello, record

HELLO = openssl_hello("www.video.example")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REQUEST = b"GET /index.html HTTP/1.1\r\nCookie: "
ANSWER = b"HTTP/1.1 200 OK\r\nDate: Sun, 29 Nov 2026 23:00:00 GMT\r\n"


def flow(parts: list[bytes], side: int = 0) -> dict[str, Any]:
    """The record of a connection on which one side sends these parts, and nothing more."""
    connection = Connection(core(), dport=4711).shake()
    offset = 0
    for part in parts:
        connection.segment(side, offset, part)
        offset += len(part)
    (found,) = ended(connection.core)
    return found


@pytest.mark.parametrize(
    ("parts", "side", "slug"),
    [
        ([HELLO[:40]], 0, "tls"),
        ([HELLO[:3], HELLO[3:60]], 0, "tls"),
        ([REQUEST], 0, "http"),
        ([b"GET /" + b"a" * 1395], 0, "http"),
        ([b"POST ", b"/upload/", b"a" * 1300, b"b" * 1300], 0, "http"),
        ([b"GET http://www.video.exa"], 0, "unknown"),
        ([b"OPTIONS sip:bob@a.example"], 0, "unknown"),
        ([b"CONNECT www.video.example:443 HTTP/1.1\r\nA: b"], 0, "httpconnect"),
        ([ANSWER], 1, "http"),
        ([ANSWER[:12]], 1, "unknown"),
        ([PREFACE], 0, "http2"),
        ([PREFACE[:10], PREFACE[10:]], 0, "http2"),
        ([PREFACE[:20]], 0, "unknown"),
    ],
)
def test_a_start_tells_what_it_is(parts: list[bytes], side: int, slug: str) -> None:
    assert SLUGS[flow(parts, side)["protocol"]] == slug


def test_a_name_that_has_come_whole_is_the_flows_name() -> None:
    found = flow([HELLO[:200]])
    assert (found["app"], found["host"], found["ja4"]) == (VIDEO, "www.video.example", None)


@pytest.mark.parametrize("first", [0, 1], ids=["the client's is first", "the server's is first"])
def test_the_server_s_answer_does_not_hide_the_name_of_a_hello_that_is_cut(first: int) -> None:
    connection = Connection(core(), dport=4711).shake()
    messages = [HELLO[:200], record(made_flight()[0])]
    for side in (first, 1 - first):
        connection.segment(side, 0, messages[side])
    connection.segment(0, len(HELLO), record(bytes(32), kind=23))
    (found,) = ended(connection.core)
    assert (SLUGS[found["protocol"]], found["app"], found["host"]) == ("tls", VIDEO, "www.video.example")


def test_a_cut_hello_s_name_counts_where_who_opened_it_is_not_known() -> None:
    connection = Connection(core(), sport=443, dport=40000)  # the server's packet comes first
    connection.segment(0, 0, record(made_flight()[0])[:60])
    connection.segment(1, 0, HELLO[:200])
    (found,) = ended(connection.core)
    assert (found["app"], found["host"]) == (VIDEO, "www.video.example")


def test_a_cut_request_s_program_is_told_behind_its_answer() -> None:
    connection = Connection(core(), dport=80).shake()
    connection.segment(1, 0, ANSWER + b"\r\n")
    connection.segment(0, 0, b"GET / HTTP/1.1\r\nUser-Agent: clipper/1\r\nCookie: a")
    (found,) = ended(connection.core)
    assert (SLUGS[found["protocol"]], found["agent"]) == ("http", "clipper/1")


def test_half_a_name_is_none() -> None:
    at = HELLO.index(b"www.video.example")
    assert flow([HELLO[: at + 9]])["host"] is None


def test_a_hello_behind_starttls_is_known_too() -> None:
    connection = Connection(core(), dport=25).shake()
    connection.segment(1, 0, b"220 mx.example.org ESMTP\r\n")
    connection.segment(0, 0, b"STARTTLS\r\n")
    connection.segment(1, 26, b"220 go ahead\r\n")
    connection.segment(0, 10, HELLO[:60])
    (found,) = ended(connection.core)
    assert SLUGS[found["protocol"]] == "smtps"


def test_where_there_is_no_room_to_wait_what_has_come_must_do() -> None:
    one = core(2048)  # room for the streams of 1,024 at a time
    for sport in range(30000, 31024):
        Connection(one, sport).shake().segment(0, 0, HELLO[:20])
    connection = Connection(one, 40009).shake()
    connection.segment(0, 0, HELLO[:200])
    flow = connection.flow()
    assert (flow["host"], flow["needs"]) == ("www.video.example", 0)
