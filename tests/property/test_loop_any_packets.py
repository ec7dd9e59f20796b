"""Invariants of the loop: order does not matter, garbage does no harm, nothing is lost or counted twice."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cores import ACK, SECOND, SYN, VIDEO, Connection, as_flow, core, datagram, ended, ip
from tests.handshakes import openssl_hello

HELLO = openssl_hello("www.video.example")
REQUEST = b"GET /a HTTP/1.1\r\nAccept: */*\r\nHost: www.video.example\r\n\r\n"

anything = st.binary(max_size=300)
starts = st.sampled_from(
    [b"", HELLO[:60], REQUEST[:40], b"SSH-2.0-", b"\x16\x03\x01", b"\xc3\x00\x00\x00\x01", b"\x00\x01"]
)


@given(
    st.sampled_from([HELLO, REQUEST]),
    st.lists(st.integers(1, 600), max_size=6),
    st.randoms(use_true_random=False),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_any_order_of_segments_with_repeats_gives_the_same_name(
    stream: bytes, cuts: list[int], rng: random.Random, repeat: bool
) -> None:
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [(start, stream[start:end]) for start, end in pairwise(edges)]
    if repeat:
        pieces += rng.sample(pieces, 1)
    rng.shuffle(pieces)
    connection = Connection(core()).shake()
    for offset, piece in pieces:
        connection.segment(0, offset, piece)
    assert (connection.flow()["app"], connection.flow()["host"]) == (VIDEO, "www.video.example")


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.booleans(), starts, anything, st.integers(0, 63), st.integers(0, 2**32 - 1)),
        max_size=60,
    ),
    st.sampled_from([0, 1, 2]),
)
@settings(max_examples=150, deadline=None)
def test_any_packets_leave_the_shard_whole(packets: list[tuple[int, bool, bytes, bytes, int, int]], blind: int) -> None:
    """With room for four flows and hardly any events: every flow that began has ended once, all is given back."""
    rules = [{"apps": [VIDEO], "disposition": 5, "route": 1}]
    risks = len(packets) % 2 == 1
    one = core(4, starts=True, labels=True, firsts=True, risks=risks, blind=blind, rules=rules)
    begun = told = 0
    for n, (flow, back, start, rest, flags, seq) in enumerate(packets):
        ends = [(ip("10.0.0.1"), 40000 + flow), (ip("192.0.2.1"), (443, 53, 80, 5353, 22, 123)[flow])]
        src, dst = reversed(ends) if back else ends
        one.feed(
            src=src[0], sport=src[1], dst=dst[0], dport=dst[1], proto=6 if flags & 1 else 17, payload=start + rest,
            flags=flags, seq=seq, time=SECOND * (1 + n * (flags & 8)), captured=len(start + rest) - (seq & 3),
        )  # fmt: skip
        kinds = [event[0] for event in one.drain()]
        begun += kinds.count("start")
        told += kinds.count("first")
    ended(one)
    counters = one.counters()
    assert counters["flows"] == counters["ended"] == begun == told
    assert counters["active"] == counters["works"] == counters["strings"] == counters["stream_bytes"] == 0
    assert counters["events_lost"] == 0


def packets(flow: dict[str, Any]) -> int:
    return int(flow["packets_up"] + flow["packets_down"])


@given(st.integers(1, 40), st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_under_pressure_flows_go_but_every_packet_is_counted(capacity: int, n: int) -> None:
    one = core(capacity)
    total = 0
    for i in range(n):
        datagram(one, b"x" * 20, sport=1000 + i % 97, time=SECOND + i)
        total += sum(packets(as_flow(event[5])) for event in one.drain())
    total += sum(map(packets, ended(one)))
    assert total == n


@given(st.binary(min_size=1, max_size=2000), st.integers(1, 2000))
@settings(max_examples=100, deadline=None)
def test_what_a_snaplen_cuts_off_is_never_read(payload: bytes, captured: int) -> None:
    one = core()
    Connection(one).segment(0, 0, payload, flags=SYN | ACK, captured=captured)
    datagram(one, payload, captured=captured)
    assert len(ended(one)) == 2
