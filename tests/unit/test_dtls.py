"""A ClientHello in a datagram, or over several."""

from __future__ import annotations

import pytest
from handshakes import client_hello, server_name, vector, words
from handshakes import dtls_fragment as message
from handshakes import dtls_record as record

from dpi.dissect import dtls

EXTENSIONS = [(0, server_name(b"example.org")), (43, vector(1, words([0xFEFC, 0xFEFD])))]
HELLO = client_hello(EXTENSIONS, version=0xFEFD, cookie=b"")
AGAIN = client_hello(EXTENSIONS, version=0xFEFD, cookie=bytes(20))  # which the server has asked for
READ = dtls.client([record(message(HELLO))])
FIRST, SECOND = record(message(HELLO, 0, 100)), record(message(HELLO, 100))


def test_a_hello_is_read() -> None:
    answer, found, held = READ
    assert (answer, found["host"], found["tls_version"], held) == ("yes", "example.org", 0xFEFC, 0)
    assert found["ja4"][:10] == "dd3d020200"


def test_a_hello_with_a_cookie_has_the_same_fingerprint() -> None:
    assert dtls.client([record(message(AGAIN))]) == READ


@pytest.mark.parametrize(
    "datagrams",
    [
        [record(message(HELLO, 0, 30)) + record(message(HELLO, 30, 31)) + record(message(HELLO, 31))],
        [record(message(HELLO, 31) + message(HELLO, 0, 31))],
        [FIRST, SECOND],
        [SECOND, FIRST],
        [SECOND, FIRST, SECOND],
        [SECOND, SECOND, FIRST],
        [FIRST, record(message(HELLO, 5))],
        [FIRST, record(message(HELLO))],
        [
            record(message(HELLO, 0, 20) + message(HELLO, 40)),
            record(message(HELLO, 20, 30)) + record(message(HELLO, 30, 40)),
        ],
        [FIRST, b"", b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12), SECOND],
        [FIRST, b"\x2d" + bytes(30), SECOND],
        [FIRST, record(message(HELLO, 90))[:-1], SECOND],
        [FIRST, record(message(HELLO[:-1], 60)), SECOND],
    ],
    ids=[
        "in one datagram",
        "in one record",
        "in order",
        "the other way round",
        "the first lost and all sent again",
        "the second twice",
        "overlapping",
        "sent again whole",
        "several in each",
        "STUN between",
        "early data between",
        "damaged between",
        "longer than said",
    ],
)
def test_fragments_are_joined(datagrams: list[bytes]) -> None:
    assert dtls.client(datagrams) == READ


@pytest.mark.parametrize(
    "datagrams",
    [
        [FIRST, record(message(AGAIN, 0, 90, 1)), record(message(AGAIN, 90, None, 1))],
        [SECOND, record(message(AGAIN, 90, None, 1)), record(message(AGAIN, 0, 90, 1))],
        [FIRST, record(message(AGAIN, 90, None, 1)), SECOND, record(message(AGAIN, 0, 90, 1))],
        [FIRST, record(message(AGAIN, 0, 90)), record(message(AGAIN, 90))],
    ],
    ids=["after the first's start", "after its end", "the first's end late", "another connection's"],
)
def test_a_hello_that_the_server_has_asked_for_takes_the_place_of_the_first(datagrams: list[bytes]) -> None:
    assert dtls.client(datagrams) == READ
    assert dtls.client(datagrams[:-1])[0] == "more"


def test_of_a_hello_whose_rest_never_comes_the_start_is_told() -> None:
    answer, found, held = dtls.client([FIRST])
    assert (answer, found["host"], found["ja4"]) == ("more", "example.org", "")
    assert 0 < held < 4096
    answer, found, _ = dtls.client([SECOND])
    assert (answer, found["host"]) == ("more", "")


@pytest.mark.parametrize(
    "later",
    [
        record(b"\x10" + message(HELLO)[1:]),
        record(b"\1", kind=20),
        record(bytes(40), epoch=1),
        record(bytes(40), kind=23, epoch=1),
        b"\x2e" + bytes(40),
    ],
    ids=["key exchange", "change of ciphers", "in cipher", "data", "DTLS 1.3 in cipher"],
)
def test_once_its_client_goes_on_nothing_is_waited_for(later: bytes) -> None:
    answer, found, held = dtls.client([FIRST, later])
    assert (answer, found["host"], found["ja4"], held) == ("yes", "example.org", "", 0)


def test_fragments_that_never_end_are_looked_at_for_a_while_and_cost_what_a_hello_may() -> None:
    endless = [record(message(bytes([1, 0, 0x40, 0]) + bytes(16384), at, at + 1)) for at in range(0, 16384, 400)]
    assert dtls.client(endless[:23])[0] == "more"
    assert dtls.client(endless[:23])[2] < 17000
    answer, _, held = dtls.client(endless[:24])
    assert (answer, held) == ("yes", 0)


def test_a_hello_longer_than_any_is_told_by_its_start() -> None:
    long = b"\1\1\0\0" + HELLO[4:] + bytes(65536)
    answer, found, held = dtls.client([record(message(long, 0, 120))])
    assert (answer, found["host"], found["ja4"], held) == ("yes", "example.org", "", 0)


def test_without_room_to_wait_the_start_must_do() -> None:
    answer, found, held = dtls.client([FIRST, SECOND], 100)
    assert (answer, found["host"], found["ja4"], held) == ("yes", "example.org", "", 0)


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        record(message(HELLO), kind=23),
        record(message(HELLO), version=0x0303),
        record(message(HELLO), epoch=1),
        record(b"\2" + message(HELLO)[1:]),
        record(message(HELLO))[:-1],
        record(message(HELLO)[:-1]),
        record(b"\1\0\0\4\0\0\0\0\2\0\0\4" + bytes(4)),
        record(message(HELLO[:4] + b"\3\3" + HELLO[6:], 0, 60)),
    ],
)
def test_what_is_no_hello_is_refused(datagram: bytes) -> None:
    assert dtls.client([datagram])[0] == "no"
