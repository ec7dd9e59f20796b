"""However a stream is cut into segments or joined, and in whatever order they come, it is named as by one segment.

All that is told from a stream is asked here, by one message each: TLS, HTTP/1 and 2, DNS, what files declare, and each
of the probes.
"""

from __future__ import annotations

import random
import struct
from itertools import pairwise
from typing import Any

import first_bytes
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.core import Core
from dpi.dissect.declaration import Declaration, Host, Length, Part
from dpi.dissect.declared import Declarations
from dpi.match.names import Names
from tests.cores import ACK, PSH, TCP, VIDEO, Connection, answer, as_flow, label_by, question
from tests.handshakes import openssl_hello, records

HELLO = openssl_hello("www.video.example", ["h2"])
HEADERS = b"\x82\x86\x84\x41\x11www.video.example"
DECLARED = Declarations(
    [
        Declaration(
            604, False, (TCP,), (Part(b"GATE", b"\xff" * 4),), counted=Length(5, 1, 6), host=Host(0, b"to=", b";")
        ),
        Declaration(605, True, (TCP,), (Part(b"find me", b"\xff" * 7, 0, 64),)),
    ]
)
# slug or what it is, whether the opener sends it, the server's port, the bytes
STREAMS: list[tuple[str, bool, int, bytes]] = [
    ("tls", True, 443, HELLO),
    ("tls in small records", True, 443, records(HELLO[5:], [1, 4, 60, 90])),
    ("http", True, 80, b"GET /a HTTP/1.1\r\nAccept: */*\r\nHost: www.video.example\r\nUser-Agent: a/1\r\n\r\n"),
    (
        "http2",
        True,
        80,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + len(HEADERS).to_bytes(3, "big") + b"\1\4\0\0\0\1" + HEADERS,
    ),
    ("a question", True, 53, len(question("a.example")).to_bytes(2, "big") + question("a.example")),
    ("an answer", False, 53, b"\0\x2b" + answer("a.example", "192.0.2.7")),
    ("a miner's JSON-RPC", True, 3333, b'{"id":1,"jsonrpc":"2.0","method":"mining.subscribe","params":[]}\n'),
    (
        "an OSC message of some length",
        True,
        8000,
        struct.pack(">I", 312) + b"/ok\0,b\0\0" + bytes(i % 251 for i in range(304)),
    ),
    (
        "a frame of Thrift's",
        True,
        9090,
        struct.pack(">IHHI", 326, 0x8001, 1, 4) + b"ping" + bytes(i % 251 for i in range(314)),
    ),
    ("declared", True, 4000, b"GATE.\x11.to=www.video.exa;.."[:6] + b"to=www.video.exa;"),
    ("declared, searched", False, 4000, b"somewhere you find me, or not"),
    *((slug, *rest) for slug, proto, *rest in first_bytes.KNOWN if proto == TCP and slug != "http2"),
]
SAME = ("protocol", "app", "host", "ja4")  # what comes behind the name (an agent) is not waited for
LOOKED_AT = {"http2": 4}  # segments of a message, after which its flow may be without a name, or without all of it …
LOOKED_AT_ELSE = 40  # … as naming.md has it; a flow whose HTTP/2 only has settings is not kept for a request
# Told by the middle of a long load, so where a segment before that is pushed its end is not waited for.
WHOLE_LOAD = {"iperf", "mpegts"}
# Who sends these waits for the answer, or is done: that no more comes is a part of the evidence.
WAITS = {
    *("apcupsd", "bacula", "dicom", "esphome", "ethereum", "finger", "gopher", "hpvirtgrp", "iec62056", "ldap", "lpd"),
    *("lumberjack", "maplestory", "mssqltds", "mysql", "nsq", "ookla", "oracle", "pathofexile", "postgresql", "rcon"),
    *("rtmp", "sane", "socks", "spotify", "tacacs", "telegram", "whoisdas", "worldofwarcraft", "xdmcp", "zookeeper"),
    *("pulsar", "tarantool"),  # a length counts all that is there
    *("mbus", "modbus"),  # over a serial line: a check sum of all that is there
}


def shard() -> Core:
    one = Core(16)
    label_by(one, hosts=[("video.example", VIDEO)], names=Names(64), declared=DECLARED)
    return one


def named(from_opener: bool, port: int, pieces: list[tuple[int, bytes]], pushed: bool = False) -> dict[str, Any]:
    """The last segment of what was written at a time is pushed, as senders do (RFC 9293, 3.9.1): of all, or each."""
    connection = Connection(shard(), dport=port).shake()
    n = max(offset + len(piece) for offset, piece in pieces)
    for offset, piece in pieces:
        flags = ACK | PSH if pushed or offset + len(piece) == n else ACK
        connection.segment(0 if from_opener else 1, offset, piece, flags=flags)
    connection.core.flush(0)
    (flow,) = (as_flow(event[5]) for event in connection.core.drain() if event[0] == "end")
    return {field: flow[field] for field in SAME}


WHOLE = {data: named(opener, port, [(0, data)]) for _, opener, port, data in STREAMS}


def test_each_is_named_by_one_segment() -> None:
    assert [what for what, _, _, data in STREAMS if not WHOLE[data]["protocol"] and not WHOLE[data]["app"]] == []


@settings(max_examples=500)
@given(
    st.sampled_from(STREAMS),
    st.lists(st.floats(0, 1, exclude_max=True), max_size=5),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_any_segments_in_any_order_name_it_the_same(
    stream: tuple[str, bool, int, bytes], cuts: list[float], rng: random.Random, again: bool
) -> None:
    what, opener, port, data = stream
    edges = sorted({0, len(data), *(int(cut * len(data)) for cut in cuts)})
    while data[: edges[1]].strip(b"\0") == b"" and len(edges) > 2:  # what a frame may be padded with
        del edges[1]
    pieces = [(start, data[start:end]) for start, end in pairwise(edges)]
    if again:
        pieces += rng.sample(pieces, 1)
    rng.shuffle(pieces)
    assert named(opener, port, pieces) == WHOLE[data], (what, [(at, len(piece)) for at, piece in pieces])


@pytest.mark.parametrize("pushed", [False, True], ids=["written at once", "written in pieces"])
@pytest.mark.parametrize("size", [1, 7, 20, 100])
def test_segments_of_one_size_name_it_the_same_in_order_swapped_or_the_first_sent_twice(
    size: int, pushed: bool
) -> None:
    for what, opener, port, data in STREAMS:
        if what in WHOLE_LOAD and pushed:
            continue
        pieces = [(at, data[at : at + size]) for at in range(0, len(data), size)]
        swapped = [pieces[n ^ 1] for n in range(len(pieces) - len(pieces) % 2)] + pieces[len(pieces) & ~1 :]
        for sent in (pieces, swapped, [pieces[0], *pieces]):
            found = named(opener, port, sent, pushed)
            if len(sent) <= LOOKED_AT.get(what, LOOKED_AT_ELSE):
                assert found == WHOLE[data], what
            else:
                assert all(found[field] in (0, None, WHOLE[data][field]) for field in SAME), what


@pytest.mark.parametrize("size", [1, 20, 100, 200, 400])
def test_a_beginning_that_is_sent_again_with_all_behind_it_names_it_the_same(size: int) -> None:
    """As senders do that put what was lost together, and what was fragmented comes as a whole (wire/fragments.pyx)."""
    for what, opener, port, data in STREAMS:
        if len(data) > size and data[:size].strip(b"\0"):
            assert named(opener, port, [(0, data[:size]), (0, data)]) == WHOLE[data], what


def test_behind_a_message_the_next_one_changes_nothing() -> None:
    for what, opener, port, data in STREAMS:
        if what not in WAITS:
            assert named(opener, port, [(0, data + data)]) == WHOLE[data], what


def test_a_hello_or_a_request_that_is_cut_into_many_small_segments_is_named_the_same() -> None:
    for what, opener, port, data in STREAMS[:3]:
        size = len(data) // 38 + 1
        pieces = [(at, data[at : at + size]) for at in range(0, len(data), size)]
        assert len(pieces) > 10 and named(opener, port, pieces) == WHOLE[data], what
