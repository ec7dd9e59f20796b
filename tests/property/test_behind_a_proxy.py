"""Behind a proxy's header all is named as if it had begun there: however it is cut, in any order, whatever comes."""

from __future__ import annotations

import random
import struct
import time
from itertools import pairwise
from typing import Any

import first_bytes
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dpi.dissect import proxied
from dpi.dissect.protocols import IDS
from tests.cores import ACK, PSH, REQUEST, TCP, VIDEO, Connection, core, ended, question, risks_of
from tests.handshakes import openssl_hello

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
SAME = ("protocol", "app", "host", "ja4", "tls_version")


def version_2(addresses: bytes = b"", tlvs: bytes = b"", command: int = 1, family: int = 0) -> bytes:
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, family, len(addresses + tlvs)) + addresses + tlvs


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


HEADERS = {
    "version 1": b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n",
    "version 1, IPv6": b"PROXY TCP6 2001:db8::1 2001:DB8::2 40000 443\r\n",
    "version 1, unknown": b"PROXY UNKNOWN\r\n",
    "version 1, unknown with addresses": b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n",
    "version 2": version_2(bytes(8) + struct.pack(">HH", 40000, 443), family=0x11),
    "version 2, IPv6": version_2(bytes(36), family=0x21),
    "version 2, a Unix socket": version_2(bytes(216), family=0x31),
    "version 2, TLVs": version_2(
        bytes(12), tlv(1, b"h2") + tlv(2, b"www.video.example") + tlv(0x20, bytes(300)) + tlv(4, bytes(9)), family=0x11
    ),
    "version 2, its own": version_2(command=0),
    "version 1 behind version 2": version_2(bytes(12), family=0x11) + b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 443\r\n",
}
STREAMS: list[tuple[str, int, bytes]] = [
    ("tls", 443, openssl_hello("www.video.example", ["h2"])),
    ("http", 80, REQUEST),
    ("dns", 53, struct.pack(">H", len(question("a.example"))) + question("a.example")),
    ("nothing that is known", 4000, bytes(range(200, 100, -1))),
    *(
        (slug, port, data)
        for slug, proto, opener, port, data in first_bytes.KNOWN
        if proto == TCP and opener and slug != "haproxy"
    ),
]


def told(port: int, pieces: list[tuple[int, bytes]], answer: bytes = b"", shaken: bool = True) -> dict[str, Any]:
    """What is told of a client's stream in these pieces, the last of it pushed, and the server's answer."""
    connection = Connection(core(), dport=port)
    if shaken:
        connection.shake()
    n = max(offset + len(piece) for offset, piece in pieces)
    for offset, piece in pieces:
        connection.segment(0, offset, piece, flags=ACK | PSH if offset + len(piece) == n else ACK)
    if answer:
        connection.segment(1, 0, answer)
    (flow,) = ended(connection.core)
    return {"risks": risks_of(flow), **{field: flow[field] for field in SAME}}


WHOLE = {data: told(port, [(0, data)]) for _, port, data in STREAMS}
BEHIND = {data: {**WHOLE[data], "protocol": WHOLE[data]["protocol"] or IDS["haproxy"]} for _, _, data in STREAMS}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_each_is_named_as_without_it_in_one_segment_or_with_the_header_in_one_of_its_own(header: bytes) -> None:
    for what, port, data in STREAMS:
        assert told(port, [(0, header + data)]) == BEHIND[data], what
        for shaken in (True, False):
            assert told(port, [(0, header), (len(header), data)], shaken=shaken) == BEHIND[data], what


@settings(max_examples=500)
@given(
    st.sampled_from(sorted(HEADERS)),
    st.sampled_from(STREAMS),
    st.lists(st.floats(0, 1, exclude_max=True), max_size=5),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_any_segments_in_any_order_name_it_the_same(
    which: str, stream: tuple[str, int, bytes], cuts: list[float], rng: random.Random, again: bool
) -> None:
    what, port, data = stream
    whole = HEADERS[which] + data
    edges = sorted({0, len(whole), *(int(cut * len(whole)) for cut in cuts)})
    pieces = [(start, whole[start:end]) for start, end in pairwise(edges)]
    if again:
        pieces += rng.sample(pieces, 1)
    rng.shuffle(pieces)
    assert told(port, pieces) == BEHIND[data], (what, [(at, len(piece)) for at, piece in pieces])


@pytest.mark.parametrize("size", [1, 7, 20])
def test_so_do_small_segments(size: int) -> None:
    whole = HEADERS["version 1, unknown"] + REQUEST
    pieces = [(at, whole[at : at + size]) for at in range(0, len(whole), size)][:40]
    found = told(80, pieces)
    if len(whole) <= 40 * size:
        assert found == BEHIND[REQUEST]
    else:
        assert found["protocol"] in (IDS["haproxy"], IDS["http"])


def test_a_header_alone_is_what_it_is_and_so_is_one_without_its_end() -> None:
    for which, header in HEADERS.items():
        assert told(4000, [(0, header)])["protocol"] == IDS["haproxy"], which
        assert told(4000, [(0, header[: max(12, len(header) - 1)])])["protocol"] == IDS["haproxy"], which
        assert told(4000, [(0, header[:5]), (5, header[5:12])])["protocol"] == IDS["haproxy"], which


def test_a_server_that_speaks_first_is_named_by_that_and_what_goes_over_to_tls_by_its_hello() -> None:
    for header in HEADERS.values():
        connection = Connection(core(), dport=2525).shake()
        connection.segment(0, 0, header)
        connection.segment(1, 0, b"220 mx.example ESMTP\r\n")
        assert connection.flow()["protocol"] == IDS["smtp"]
        connection.segment(0, len(header), b"STARTTLS\r\n")
        connection.segment(1, 22, b"220 go ahead\r\n")
        connection.segment(0, len(header) + 10, openssl_hello("www.video.example"))
        flow = connection.flow()
        assert (flow["protocol"], flow["app"], flow["host"]) == (IDS["smtps"], VIDEO, "www.video.example")


def test_what_a_header_says_names_nothing() -> None:
    assert told(443, [(0, HEADERS["version 2, TLVs"])]) == told(443, [(0, HEADERS["version 2, its own"])])


@given(st.sampled_from(sorted(HEADERS)), st.binary(min_size=1, max_size=400), st.binary(max_size=100))
@example("version 1", SIGNATURE + b"\x21\x11\xff\xff", b"")
@example("version 2", b"PROXY TCP4 \xff\r\n", b"\r\n")
def test_whatever_comes_behind_it_is_survived(which: str, behind: bytes, answer: bytes) -> None:
    header = HEADERS[which]
    pieces = [(0, header), (len(header), behind)]
    assert told(4000, [(0, header + behind)], answer) == told(4000, pieces, answer)


@given(st.binary(max_size=300), st.integers(0, 40))
def test_where_headers_end_is_within_what_is_there(behind: bytes, at: int) -> None:
    for header in HEADERS.values():
        for data in (header + behind, header[:at] + behind):
            answer, end = proxied.headers(data)
            assert end <= len(data) and (answer == "yes") == (end > 0)
        assert proxied.headers(header + b"." + behind) == ("yes", len(header))
        for n in range(len(header)):
            assert proxied.headers(header[:n])[0] in ("more", "yes")


@pytest.mark.parametrize(
    "text",
    [
        b"PROXY TCP4 1 2 3 4\n",
        b"PROXY TCP5 1 2 3 4\r\n",
        b"PROXY TCP4 " + b"1" * 120,
        b"PROXY TCP4 GET\r\n",
        SIGNATURE + b"\x11\x11\0\0",
        SIGNATURE + b"\x22\x11\0\0",
    ],
)
def test_what_is_no_header_is_none(text: bytes) -> None:
    assert proxied.headers(text) == ("no", 0)


def test_many_headers_cost_what_their_bytes_cost() -> None:
    """Against the same bytes of another protocol: shares of one run, since machines differ."""
    header = HEADERS["version 1, unknown"]
    pile = header * (60000 // len(header))

    def seconds(data: bytes) -> float:
        one = core()
        start = time.process_time()
        for sport in range(1000, 1020):
            connection = Connection(one, sport, 4000).shake()
            for at in range(0, len(data), 1400):
                connection.segment(0, at, data[at : at + 1400])
        return time.process_time() - start

    assert min(seconds(pile) for _ in range(3)) < 10 * min(seconds(b"a" * len(pile)) for _ in range(3))
