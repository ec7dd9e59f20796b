"""Whom requests are for, what responses are, and what is neither."""

from __future__ import annotations

import pytest

from dpi.dissect import http
from dpi.dissect.protocols import IDS
from tests.cores import Connection, core

METHODS = (
    "ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK LOCK MERGE "
    "MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST "
    "PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE "
    "UPDATEREDIRECTREF VERSION-CONTROL NOTIFY M-SEARCH SUBSCRIBE UNSUBSCRIBE "
)

GET = b"""GET /a?b HTTP/1.1\r
Host: WWW.Example.org:8080\r
User-Agent: curl/8.1\r
Content-Type: Text/HTML; charset=utf-8\r
\r
"""


def host(data: bytes) -> str:
    answer, found = http.request(data)
    assert answer == "yes"
    name: str = found["host"]
    return name


def test_a_request_is_read() -> None:
    answer, found = http.request(GET)
    assert answer == "yes"
    assert (found["host"], found["agent"], found["content_type"]) == ("www.example.org", "curl/8.1", "text/html")


@pytest.mark.parametrize("method", METHODS.split())
def test_every_registered_method_is_known(method: str) -> None:
    assert http.request(f"{method} / HTTP/1.1\r\nHost: example.org\r\n\r\n".encode())[1]["host"] == "example.org"
    for n in range(1, len(method) + 1):
        assert http.request(method[:n].encode())[0] == "more"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"GET http://example.org/x HTTP/1.1", "example.org"),
        (b"GET http://user:pw@example.org:81?x HTTP/1.1", "example.org"),
        (b"GET https://[2001:db8::1]:443/ HTTP/1.1", "2001:db8::1"),
        (b"CONNECT example.org:443 HTTP/1.1", "example.org"),
        (b"CONNECT 192.0.2.1:443 HTTP/1.0", "192.0.2.1"),
        (b"GET  /   HTTP/1.1  ", "other.example"),
        (b"OPTIONS * HTTP/1.1", "other.example"),
        (b"GET /http://no.example/ HTTP/1.1", "other.example"),
        (b"GET /\xc3\xa4 HTTP/1.1", "other.example"),
    ],
)
def test_the_target_wins_over_the_host_field(line: bytes, name: str) -> None:
    assert host(line + b"\r\nHost: other.example\r\n\r\n") == name


@pytest.mark.parametrize(
    "field",
    [
        b"hOsT: example.org",
        b"Host:example.org",
        b"Host : example.org",
        b"Host\t:\t example.org \t",
        b"Host:\r\n example.org",
        b"Host: example.org.",
        b"Host: example.org:",
        b"Host: EXAMPLE.ORG:65535",
        b"no colon here\r\nHost: example.org",
        b"Host: not a host\r\nHost: example.org",
    ],
)
def test_a_host_field_is_found_however_it_is_dressed(field: bytes) -> None:
    assert host(b"GET / HTTP/1.1\r\n" + field + b"\r\nX: y\r\n\r\n") == "example.org"
    assert host(b"\r\n\nGET / HTTP/1.1\n" + field.replace(b"\r\n", b"\n") + b"\nX: y\n\n") == "example.org"


def test_a_host_behind_a_body_is_none() -> None:
    assert host(b"POST / HTTP/1.0\r\n\r\nHost: example.org\r\n") == ""


def test_a_name_that_ends_like_host_is_another() -> None:
    assert host(b"GET / HTTP/1.1\r\nX-Host: a.example\r\nHost: b.example\r\n\r\n") == "b.example"


def test_an_incomplete_header_wants_more_until_the_host_is_known() -> None:
    known = GET.index(b"8080\r\n") + len(b"8080\r\nU")  # the next line does not go on with this one's value
    for n in range(len(GET)):
        assert http.request(GET[:n])[0] == ("more" if n < known else "yes"), n


def test_space_of_any_kind_around_the_target_is_passed_over_wherever_the_segment_ends() -> None:
    line = b"GET \t/a?b \t HTTP/1.1\t\r\n"
    assert {http.request(line[:n])[0] for n in range(3, len(line))} == {"more"}
    assert http.request(line + b"Host: a.example\r\n\r\n")[1]["host"] == "a.example"


def test_a_value_that_the_next_segment_goes_on_with_is_read_whole() -> None:
    assert http.request(b"GET / HTTP/1.1\r\nHost:\r\n")[0] == "more"
    assert http.request(b"GET / HTTP/1.1\r\nHost: www.example\r\n")[0] == "more"
    assert http.request(b"GET / HTTP/1.1\r\nHost: www.example\r\n .org\r\n\r\n")[1]["host"] == ""


def test_control_characters_do_not_get_into_the_user_agent() -> None:
    found = http.request(b"GET / HTTP/1.1\r\nUser-Agent: a\x1b[31m\x00b\r\n\r\n")[1]
    assert found["agent"] == "a?[31m?b"


def test_long_values_are_cut() -> None:
    found = http.request(b"GET / HTTP/1.1\r\nUser-Agent: " + b"a" * 500 + b"\r\n\r\n")[1]
    assert found["agent"] == "a" * 127


def test_a_header_without_end_is_answered_at_the_cap() -> None:
    endless = b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 4000
    assert http.request(endless[:16383])[0] == "more"
    assert http.request(endless[:16384])[0] == "yes"
    assert http.request(b"GET /" + b"x" * 20_000)[0] == "yes"


def test_http_0_9_is_http() -> None:
    assert http.request(b"GET /index.html\r\n")[0] == "yes"


def test_http_2_in_clear_is_known_by_its_preface() -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    assert http.request(preface + b"\0\0\0\4")[1]["alpn"] == "h2c"
    assert {http.request(preface[:n])[0] for n in range(len(preface))} == {"more"}
    assert http.request(b"PRI * HTTP/1.1\r\n\r\n")[0] == "no"


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\3\1",
        b"get / HTTP/1.1",
        b"GETS / HTTP/1.1",
        b"GE / HTTP/1.1",
        b"BREW / HTTP/1.1",
        b"AAAAAAAAAAAAAAAAAAAAAAAAA",
        b"OPTIONS rtsp://example.org/ RTSP/1.0\r\n",
        b"NOTIFY sip:a@example.org SIP/2.0\r\n",
        b"GET / HTTP/1.1\0\r\n",
        b"GET \1",
        b"GET x\r\n",
        b"POST /\r\n",
        b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    assert http.request(data)[0] == "no"


def test_a_response_is_read() -> None:
    answer, found = http.response(
        b"HTTP/1.1 404 Not Found\r\nServer: nginx\r\ncontent-TYPE: Video/MP4;x=y\r\n\r\n<html>"
    )
    assert (answer, found["status"], found["server"], found["content_type"]) == ("yes", 404, "nginx", "video/mp4")


def test_a_response_without_reason_or_fields_is_one() -> None:
    assert http.response(b"HTTP/1.0 204\r\n\r\n")[0] == "yes"
    assert http.response(b"HTTP/1.0 204\r\n")[0] == "more"


@pytest.mark.parametrize(
    "data", [b"GET /", b"HTTP/1.1 2x0 OK\r\n", b"HTTP/11 200 OK\r\n", b"HTTP/1.1 2000 OK\r\n", b"HTTQ"]
)
def test_what_is_no_response_is_refused(data: bytes) -> None:
    assert http.response(data)[0] == "no"


def test_the_record_tells_what_the_answer_carries() -> None:
    ask = b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Type: text/x-request\r\n\r\n"
    one = core(risks=True)
    connection = Connection(one, dport=80).shake()
    connection.segment(0, 0, ask)
    assert connection.flow()["content_type"] == "text/x-request"
    connection.segment(1, 0, b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n" + bytes(2000))
    assert connection.flow()["content_type"] == "video/mp4"


@pytest.mark.parametrize(("upgrade", "expected"), [(b"websocket", True), (b"WebSocket", True), (b"h2c", False)])
def test_what_asks_to_go_over_to_websocket_is_that(upgrade: bytes, expected: bool) -> None:
    connection = Connection(core(), dport=80).shake()
    connection.segment(
        0, 0, b"GET /chat HTTP/1.1\r\nHost: example.org\r\nConnection: Upgrade\r\nUpgrade: " + upgrade + b"\r\n\r\n"
    )
    flow = connection.flow()
    assert flow["protocol"] == IDS["http"] and (flow["app"] == IDS["websocket"]) is expected
