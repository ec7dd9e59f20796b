"""A ClientHello in a datagram."""

from __future__ import annotations

import pytest
from handshakes import client_hello, server_name, vector, words
from handshakes import dtls_fragment as message
from handshakes import dtls_record as record

from dpi.dissect import dtls

HELLO = client_hello(
    [(0, server_name(b"example.org")), (43, vector(1, words([0xFEFC, 0xFEFD])))], version=0xFEFD, cookie=b""
)


def test_a_hello_is_read() -> None:
    answer, found = dtls.client(record(message(HELLO)))
    assert (answer, found["host"], found["tls_version"]) == ("yes", "example.org", 0xFEFC)
    assert found["ja4"][:10] == "dd3d020200"


def test_a_hello_with_a_cookie_has_the_same_fingerprint() -> None:
    again = client_hello([(0, server_name(b"example.org")), (43, vector(1, words([0xFEFC])))], None, 0xFEFD, bytes(20))
    assert dtls.client(record(message(again)))[1]["ja4"] == dtls.client(record(message(HELLO)))[1]["ja4"]


def test_fragments_in_one_datagram_are_joined() -> None:
    datagram = record(message(HELLO, 0, 30)) + record(message(HELLO, 30, 31)) + record(message(HELLO, 31))
    assert dtls.client(datagram) == dtls.client(record(message(HELLO)))


def test_a_hello_that_goes_on_elsewhere_is_one_without_fingerprint() -> None:
    answer, found = dtls.client(record(message(HELLO, 0, -4)))
    assert (answer, found["host"], found["ja4"]) == ("yes", "example.org", "")


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        record(message(HELLO), kind=23),
        record(message(HELLO), version=0x0303),
        record(message(HELLO), epoch=1),
        record(message(HELLO, 5)),
        record(b"\2" + message(HELLO)[1:]),
        record(message(HELLO))[:-1],
        record(message(HELLO)[:-1]),
        record(b"\1\0\0\4\0\0\0\0\2\0\0\4" + bytes(4)),
    ],
)
def test_what_is_no_hello_is_refused(datagram: bytes) -> None:
    assert dtls.client(datagram)[0] == "no"
