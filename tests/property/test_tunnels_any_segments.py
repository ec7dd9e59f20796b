"""Within a proxy's tunnel all is named as if it had begun there: however it is cut, in any order, whatever comes."""

from __future__ import annotations

import random
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dpi.dissect import consent
from dpi.dissect.protocols import IDS
from tests.cores import ACK, PSH, REQUEST, VIDEO, Connection, core, ended
from tests.handshakes import openssl_hello

CLIENT, SERVER = 0, 1
ADDRESS = b"\xcb\0\x71\5"
CONNECT = b"CONNECT 203.0.113.5:443 HTTP/1.1\r\nHost: 203.0.113.5:443\r\nUser-Agent: a/1\r\n\r\n"
HIDDEN = b"CONNECT fine.example:443 HTTP/1.1\r\n\r\n"
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 a\r\n\r\n"
LOGIN5 = b"\1\2me\6secret"
SOCKS5 = b"\5\1\0\1" + ADDRESS + b"\1\xbb"
GRANTED5 = b"\5\0\0\1" + bytes(6)
SOCKS4 = b"\4\1\1\xbb" + ADDRESS + b"me\0"
REFUSED = b"HTTP/1.1 407 Who?\r\n\r\n"
HELLO = openssl_hello("www.video.example", ["h2"])
Said = list[tuple[int, bytes]]
Segment = tuple[int, int, bytes, int, bool]  # side, offset, payload, bytes of the other side's acknowledged, pushed
TUNNELS: dict[str, Said] = {
    "CONNECT": [(CLIENT, CONNECT), (SERVER, ESTABLISHED)],
    "CONNECT, a name of nobody's": [(CLIENT, HIDDEN), (SERVER, ESTABLISHED)],
    "CONNECT, twice": [(CLIENT, CONNECT), (SERVER, REFUSED), (CLIENT, CONNECT), (SERVER, ESTABLISHED)],
    "SOCKS5": [(CLIENT, b"\5\1\0"), (SERVER, b"\5\0"), (CLIENT, SOCKS5), (SERVER, GRANTED5)],
    "SOCKS5, a login": [
        *[(CLIENT, b"\5\2\0\2"), (SERVER, b"\5\2"), (CLIENT, LOGIN5), (SERVER, b"\1\0")],
        *[(CLIENT, SOCKS5), (SERVER, GRANTED5)],
    ],
    "SOCKS4": [(CLIENT, SOCKS4), (SERVER, b"\0\x5a" + bytes(6))],
}
INSIDES = {"tls": HELLO, "http": REQUEST, "nothing that is known": b"\x13nobody knows this"}
ANSWER = b"\x15\3\3\0\2\2\x28"
SAME = ("protocol", "app", "host", "ja4", "tls_version", "app_method")


def whole(which: str, inside: str) -> Said:
    return [*TUNNELS[which], (CLIENT, INSIDES[inside]), (SERVER, ANSWER)]


def segments(said: Said, cuts: list[float]) -> list[list[Segment]]:
    """Each message's, cut somewhere; its last is pushed."""
    sent = [0, 0]
    out = []
    for side, message in said:
        edges = sorted({0, len(message), *(int(cut * len(message)) for cut in cuts)})
        out.append(
            [
                (side, sent[side] + at, message[at:end], sent[1 - side], end == len(message))
                for at, end in pairwise(edges)
            ]
        )
        sent[side] += len(message)
    return out


def told(said: list[Segment], shaken: bool = True) -> dict[str, Any]:
    connection = Connection(core(), dport=1080, dst="203.0.113.9")
    if shaken:
        connection.shake()
    for side, offset, payload, acked, pushed in said:
        ack = (connection.isn[1 - side] + 1 + acked) & 0xFFFFFFFF
        connection.segment(side, offset, payload, flags=ACK | PSH if pushed else ACK, ack=ack)
    (flow,) = ended(connection.core)
    return {field: flow[field] for field in SAME}


def flat(messages: list[list[Segment]]) -> list[Segment]:
    return [each for message in messages for each in message]


WHOLE = {(which, inside): told(flat(segments(whole(which, inside), []))) for which in TUNNELS for inside in INSIDES}
each_talk = st.tuples(st.sampled_from(sorted(TUNNELS)), st.sampled_from(sorted(INSIDES)))


def test_in_order_they_tell() -> None:
    for (which, inside), flow in WHOLE.items():
        assert flow["protocol"] == IDS["httpconnect" if "CONNECT" in which else "socks"]
        assert flow["app"] == (0 if inside == "nothing that is known" else VIDEO), (which, inside)


@settings(max_examples=400)
@given(
    each_talk, st.lists(st.floats(0, 1, exclude_max=True), max_size=4), st.randoms(use_true_random=False), st.booleans()
)
def test_any_segments_of_each_message_in_any_order_name_it_the_same(
    talk: tuple[str, str], cuts: list[float], rng: random.Random, shaken: bool
) -> None:
    messages = segments(whole(*talk), cuts)
    for message in messages:
        if shaken:
            message += rng.sample(message, rng.randrange(2))
            rng.shuffle(message)
    assert told(flat(messages), shaken) == WHOLE[talk]


@settings(max_examples=400)
@given(
    each_talk.filter(lambda talk: talk != ("SOCKS4", "nothing that is known")),  # which alone would tell little
    st.lists(st.floats(0, 1, exclude_max=True), max_size=4),
    st.randoms(use_true_random=False),
)
def test_a_client_that_does_not_wait_in_any_segments_in_any_order_is_named_the_same(
    talk: tuple[str, str], cuts: list[float], rng: random.Random
) -> None:
    said = whole(*talk)
    asked = b"".join(message for side, message in said if side == CLIENT)
    answered = b"".join(message for side, message in said if side == SERVER)
    messages = segments([(CLIENT, asked), (SERVER, answered)], cuts)
    rng.shuffle(messages[0])
    rng.shuffle(messages[1])
    assert told(flat(messages)) == WHOLE[talk]


@given(each_talk, st.lists(st.floats(0, 1, exclude_max=True), max_size=3), st.data())
def test_answers_that_are_seen_late_change_nothing(
    talk: tuple[str, str], cuts: list[float], data: st.DataObject
) -> None:
    """Each side in order; the one may be ahead of the other."""
    all_of = flat(segments(whole(*talk), cuts))
    client = [each for each in all_of if each[0] == CLIENT]
    server = [each for each in all_of if each[0] == SERVER]
    at = data.draw(st.lists(st.integers(1, len(client)), min_size=len(server), max_size=len(server)).map(sorted))
    mixed = client[:]
    for place, each in sorted(zip(at, server, strict=True), key=lambda pair: -pair[0]):
        mixed.insert(place, each)
    assert told(mixed) == WHOLE[talk]


@pytest.mark.parametrize("size", [20, 60, 100])
def test_so_do_small_segments(size: int) -> None:
    for talk, flow in WHOLE.items():
        said = [
            (side, message[at : at + size]) for side, message in whole(*talk) for at in range(0, len(message), size)
        ]
        assert told(flat(segments(said, []))) == flow, talk


@given(each_talk, st.binary(min_size=1, max_size=400), st.binary(max_size=300), st.booleans())
@example(("SOCKS5", "tls"), b"\5", b"\5\0", True)
@example(("SOCKS4", "tls"), b"\x16\3\1\xff\xff", b"HTTP/1.1 200", True)
def test_whatever_comes_in_a_tunnel_is_survived_and_ends(
    talk: tuple[str, str], inside: bytes, answer: bytes, waits: bool
) -> None:
    said = [*TUNNELS[talk[0]], (CLIENT, inside), (SERVER, answer)]
    if not waits:
        said = [(CLIENT, b"".join(message for side, message in said if side == CLIENT)), (SERVER, answer)]
    connection = Connection(core(), dport=1080, dst="203.0.113.9").shake()
    sent = [0, 0]
    for side, message in [*said, *[(SERVER, bytes(1000))] * 70]:
        connection.segment(side, sent[side], message)
        sent[side] += len(message)
    assert connection.flow()["needs"] == 0


CONSENTS = [
    ESTABLISHED,
    b"\5\0" + GRANTED5,
    b"\5\2\1\0\5\0\0\3\x01a\1\xbb",
    b"\5\0\5\0\0\4" + bytes(18),
    b"\0\x5a" + bytes(6),
]


@given(st.sampled_from(CONSENTS), st.binary(min_size=1, max_size=100), st.integers(0, 60))
def test_where_a_consent_ends_is_within_what_is_there(said: bytes, behind: bytes, at: int) -> None:
    for data in (said + behind, said[:at] + behind):
        answer, end = consent.granted(data)
        assert end <= len(data) and (answer != "yes" or end < len(data))
    assert consent.granted(said + b"\x16" + behind) == ("yes", len(said))
    for n in range(len(said) + 1):
        assert consent.granted(said[:n])[0] == "more"


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 403 No\r\n\r\n",
        b"HTTP/1.1 407 Who?\r\n\r\n",
        b"\5\0\5\5\0\1" + bytes(6),
        b"\5\2\1\1",
        b"\0\x5b" + bytes(6),
    ],
)
def test_what_refuses_is_no_consent(said: bytes) -> None:
    assert consent.granted(said + HELLO)[0] == "no"


def test_many_requests_cost_what_their_bytes_cost() -> None:
    """Against the same bytes of another protocol: shares of one run, since machines differ."""

    def seconds(data: bytes) -> float:
        one = core()
        start = time.process_time()
        for sport in range(1000, 1020):
            connection = Connection(one, sport, 1080).shake()
            for at in range(0, len(data), 1400):
                connection.segment(0, at, data[at : at + 1400])
        return time.process_time() - start

    for pile in (HIDDEN * 1500, b"\5\2\0\2" * 15000, (b"\5\1\0" + SOCKS5) * 4000, SOCKS4 * 5000):
        assert min(seconds(pile) for _ in range(3)) < 10 * min(seconds(b"a" * len(pile)) for _ in range(3))
