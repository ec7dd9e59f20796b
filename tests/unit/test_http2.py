"""HTTP/2 without TLS: the host out of its first block of headers."""

from __future__ import annotations

import pytest

from dpi.dissect import hpack, http2
from dpi.dissect.protocols import IDS
from tests.cores import VIDEO, Connection, core, ended

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = bytes.fromhex("000000 04 00 00000000")


def frame(kind: int, flags: int, payload: bytes, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


# RFC 7541, C.3.1 and C.4.1: the same request without and with Huffman's code.
PLAIN = bytes.fromhex("828684410f7777772e6578616d706c652e636f6d")
CODED = bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff")


@pytest.mark.parametrize("block", [PLAIN, CODED])
def test_the_examples_of_the_rfc(block: bytes) -> None:
    right, fields = hpack.request(block)
    assert right
    assert fields["host"] == "www.example.com"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        # RFC 7541, C.4 and C.6
        ("f1e3c2e5f23a6ba0ab90f4ff", b"www.example.com"),
        ("a8eb10649cbf", b"no-cache"),
        ("25a849e95ba97d7f", b"custom-key"),
        ("d07abe941054d444a8200595040b8166e082a62d1bff", b"Mon, 21 Oct 2013 20:13:21 GMT"),
        ("9d29ad171863c78f0b97c8e9ae82ae43d3", b"https://www.example.com"),
        ("94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
         b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
        ("ffffffff", b""),
    ],
)  # fmt: skip
def test_strings_in_the_code(code: str, text: bytes) -> None:
    assert hpack.huffman(bytes.fromhex(code)) == text


def test_a_name_that_is_spelled_out_and_a_user_agent() -> None:
    block = b"\0\x0a:authority\x0bapi.example" + b"\x40\x0auser-agent\x06grpc/1" + b"\x0f\x10\x10application/json"
    right, fields = hpack.request(block)
    assert right
    assert (fields["host"], fields["agent"], fields["content_type"]) == ("api.example", "grpc/1", "application/json")


@pytest.mark.parametrize("cut", range(len(CODED)))
def test_a_block_that_is_cut_is_never_read_past_its_end(cut: int) -> None:
    assert hpack.request(CODED[:cut])[1]["host"] in ("", "www.example.com")


def test_frames_before_the_headers_are_passed_over_and_what_is_around_a_block_too() -> None:
    padded = frame(1, 0x2C, b"\3" + bytes(5) + CODED + bytes(3))
    assert http2.request(PREFACE + SETTINGS + frame(8, 0, bytes(4), 0) + padded)[1]["host"] == "www.example.com"
    assert http2.request(PREFACE + SETTINGS)[0] == "more"
    assert http2.request(PREFACE + padded[:12])[0] == "more"
    assert http2.request(PREFACE + frame(1, 0x08, b"\xff" + CODED))[0] == "no"


def test_http_2_in_clear_is_named_by_its_authority() -> None:
    connection = Connection(core(), dport=8080).shake()
    connection.segment(0, 0, PREFACE + SETTINGS)
    block = b"\x82\x41\x11www.video.example"
    connection.segment(0, 33, frame(1, 4, block))
    flow = connection.flow()
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["http2"], VIDEO, "www.video.example")


def test_a_server_s_settings_that_come_first_leave_the_name_to_the_request() -> None:
    connection = Connection(core(), dport=8080).shake()
    connection.segment(1, 0, bytes.fromhex("000006 04 00 00000000 0003 00000064"))
    connection.segment(0, 0, PREFACE + SETTINGS + frame(1, 4, b"\x82\x41\x11www.video.example"))
    flow = connection.flow()
    assert (flow["protocol"], flow["app"], flow["host"], flow["needs"]) == (IDS["http2"], VIDEO, "www.video.example", 0)


def test_a_block_of_headers_that_is_cut_has_the_name_that_stands_whole_in_it() -> None:
    block = b"\x82\x41\x11www.video.example\x0f\x10\x10application/json"
    for cut, host in ((30, None), (5, "www.video.example")):
        connection = Connection(core(), dport=8080).shake()
        connection.segment(1, 0, SETTINGS + frame(8, 0, bytes(4), 0))
        connection.segment(0, 0, (PREFACE + SETTINGS + frame(1, 4, block))[:-cut])
        (flow,) = ended(connection.core)
        assert (flow["protocol"], flow["host"]) == (IDS["http2"], host)


def test_http_2_that_never_asks_for_anything_is_http_2_all_the_same() -> None:
    connection = Connection(core(), dport=8080).shake()
    connection.segment(0, 0, PREFACE)
    for i in range(16):
        connection.segment(0, 24 + 9 * i, SETTINGS)
    assert (connection.flow()["protocol"], connection.flow()["needs"]) == (IDS["http2"], 0)


@pytest.mark.parametrize(
    ("line", "slug"),
    [
        (b"GET http://www.video.example/ HTTP/1.1", "httpproxy"),
        (b"CONNECT www.video.example:443 HTTP/1.1", "httpconnect"),
        (b"GET / HTTP/1.1", "http"),
    ],
)
def test_the_form_of_a_requests_target_tells_a_proxy(line: bytes, slug: str) -> None:
    connection = Connection(core(), dport=8080).shake()
    connection.segment(0, 0, line + b"\r\nHost: www.video.example\r\n\r\n")
    assert (connection.flow()["protocol"], connection.flow()["app"]) == (IDS[slug], VIDEO)


def test_soap_is_told_by_its_action() -> None:
    connection = Connection(core(), dport=8080).shake()
    connection.segment(0, 0, b"POST /x HTTP/1.1\r\nHost: 10.0.0.9\r\nSOAPAction: \r\n\r\n")
    assert connection.flow()["app"] == IDS["soap"]
