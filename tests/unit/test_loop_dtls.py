"""The loop: a DTLS flow whose hello comes in several datagrams is what it would be were it one."""

from __future__ import annotations

from typing import Any

import pytest
from handshakes import client_hello, server_name, vector, words
from handshakes import dtls_fragment as fragment
from handshakes import dtls_record as record

from dpi.core import Core
from dpi.dissect.protocols import IDS
from tests.cores import ACCEPT, CLIENT, DROP, SECOND, SERVER, UDP, VIDEO, core, datagram, ended, find

SHARE = (51, vector(2, words([0x11EC]) + vector(2, bytes(1216))))
NAME = (0, server_name(b"www.video.example"))
HELLO = client_hello([NAME, SHARE], version=0xFEFD, cookie=b"")
AGAIN = client_hello([NAME, SHARE], version=0xFEFD, cookie=bytes(20))
FIRST, LAST = record(fragment(HELLO, 0, 1100)), record(fragment(HELLO, 1100))
STUN = b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)
ANSWERED = b"\1\1\0\0\x21\x12\xa4\x42" + bytes(12)
SERVER_HELLO = record(b"\2" + bytes(11))
ASKS_AGAIN = record(b"\3\0\0\x17" + bytes(8) + b"\0\0\x17\xfe\xff\x14" + bytes(20))
SRTP = b"\x80\x60" + bytes(40)


def talk(one: Core, *said: bytes, sport: int = 40000) -> dict[str, Any]:
    """The flow after these datagrams; the server's are those in SERVERS."""
    for n, payload in enumerate(said):
        src, dst, ports = CLIENT, SERVER, (sport, 443)
        if payload in (ANSWERED, ASKS_AGAIN, SERVER_HELLO):
            src, dst, ports = SERVER, CLIENT, (443, sport)
        datagram(one, payload, *ports, src, dst, SECOND + n * 1_000_000)
    return find(one, sport, 443, UDP)


WHOLE = talk(core(), record(fragment(HELLO)))
SAME = ("protocol", "app", "host", "ja4", "tls_version", "alpn", "client")


def same(flow: dict[str, Any]) -> bool:
    return all(flow[key] == WHOLE[key] for key in SAME if key in WHOLE)


def test_one_datagram_names_a_flow() -> None:
    assert (WHOLE["protocol"], WHOLE["app"], WHOLE["host"]) == (IDS["dtls"], VIDEO, "www.video.example")
    assert WHOLE["ja4"] and WHOLE["decided_at"] == 1


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ([FIRST, LAST], 2),
        ([LAST, FIRST], 2),
        ([LAST, SERVER_HELLO, FIRST], 3),
        ([STUN, ANSWERED, FIRST, LAST], 4),
        ([STUN, FIRST, STUN, ANSWERED, LAST], 5),
        ([*[STUN, ANSWERED] * 5, FIRST, *[STUN] * 6, LAST], 18),
        ([FIRST, ASKS_AGAIN, record(fragment(AGAIN, 0, 900, 1)), record(fragment(AGAIN, 900, None, 1))], 4),
        ([FIRST + LAST], 1),
    ],
    ids=["in order", "reversed", "answered between", "after STUN", "amid STUN", "late", "asked again", "one datagram"],
)
def test_several_tell_the_same(said: list[bytes], at: int) -> None:
    flow = talk(core(), *said)
    assert same(flow) and flow["decided_at"] == at


def test_what_was_a_call_before_is_dtls_and_stays_so() -> None:
    one = core()
    assert talk(one, STUN, ANSWERED)["protocol"] == IDS["stun"]
    talk(one, FIRST)
    assert same(talk(one, LAST, *[SRTP] * 20))


@pytest.mark.parametrize("before", [[], [STUN, ANSWERED]], ids=["alone", "after STUN"])
def test_the_start_of_a_hello_at_a_captures_end_tells_the_name(before: list[bytes]) -> None:
    one = core()
    talk(one, *before, FIRST)
    (flow,) = ended(one)
    assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["dtls"], VIDEO, "www.video.example")
    assert flow["ja4"] is None


def test_the_end_of_a_hello_alone_is_dtls() -> None:
    one = core()
    talk(one, LAST)
    (flow,) = ended(one)
    assert (flow["protocol"], flow["host"]) == (IDS["dtls"], None)


@pytest.mark.parametrize(
    "later", [SRTP, STUN, LAST, SERVER_HELLO], ids=["SRTP", "STUN", "the same again", "the server"]
)
@pytest.mark.parametrize("before", [[], [STUN, ANSWERED] * 5], ids=["alone", "after STUN"])
def test_what_never_ends_is_dtls_after_a_while(before: list[bytes], later: bytes) -> None:
    one = core()
    flow = talk(one, *before, LAST, *[later] * 64)
    assert (flow["protocol"], flow["host"], flow["needs"]) == (IDS["dtls"], None, 0)
    assert flow["decided_at"] <= 64


def test_where_there_is_no_room_to_wait_the_start_must_do() -> None:
    one = core(2048)  # room for 1,024 at a time
    for sport in range(30000, 31024):
        assert talk(one, FIRST, sport=sport)["protocol"] == 0
    flow = talk(one, FIRST)
    assert (flow["protocol"], flow["host"], flow["needs"]) == (IDS["dtls"], "www.video.example", 0)


def test_no_rule_takes_the_start_for_all() -> None:
    """A rule about DTLS does not drop a datagram whose flow another lets through."""
    rules = [{"apps": [VIDEO], "disposition": 5}, {"apps": [IDS["dtls"]], "disposition": 6}]
    one = core(rules=rules)
    assert [datagram(one, payload)[0] for payload in (LAST, FIRST)] == [ACCEPT, ACCEPT] != [DROP, DROP]
    assert find(one, 40000, 443, UDP)["disposition"] == 5
