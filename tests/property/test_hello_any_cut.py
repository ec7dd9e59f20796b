"""However a hello is cut, delayed or made up, the answer is the same or none; test_every_dissector.py damages it."""

from __future__ import annotations

import itertools
import re
import ssl

import pytest
from handshakes import client_hello, made_flight, openssl_hello, records, server_name
from hypothesis import given
from hypothesis import strategies as st

from dpi.dissect import certificate, http, tls, tls_server
from dpi.flow.stream import reassemble

SERVER, CERTIFICATE = made_flight()
HELLOS = [
    openssl_hello("www.example.org", ["h2", "http/1.1"]),
    openssl_hello(None, highest=ssl.TLSVersion.TLSv1_2),
]


@pytest.mark.parametrize("hello", HELLOS)
def test_a_hello_cut_anywhere_wants_more_and_already_says_nothing_false(hello: bytes) -> None:
    _, whole = tls.client(hello)
    for n in range(len(hello)):
        answer, found = tls.client(hello[:n])
        assert answer == "more"
        assert found["host"] in ("", whole["host"]) and found["alpn"] in ("", whole["alpn"])
        assert found["ja4"] == ""


def test_a_server_s_flight_cut_anywhere_wants_more_until_its_certificate_was_read() -> None:
    answers = [tls_server.server(records(SERVER, [100, 300])[:n])[0] for n in range(len(SERVER))]
    assert [a for a, _ in itertools.groupby(answers)] == ["more", "yes"]


def test_a_certificate_cut_anywhere_wants_more() -> None:
    assert {certificate.read(CERTIFICATE[:n])[0] for n in range(len(CERTIFICATE))} == {"more"}


@given(st.sampled_from(HELLOS), st.lists(st.integers(1, 200), max_size=12), st.data())
def test_any_records_in_any_segments_in_any_order_give_the_same_answer(
    hello: bytes, sizes: list[int], data: st.DataObject
) -> None:
    stream = records(hello[5:], sizes)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    segments = [(a, stream[a:b]) for a, b in itertools.pairwise([0, *sorted(cuts), len(stream)])]
    joined = reassemble(list(data.draw(st.permutations(segments))))[1]
    assert tls.client(joined) == tls.client(hello)


extension = st.tuples(st.sampled_from([0, 13, 16, 43, 0x39, 0xFE0D, 0x0A0A, 21]), st.binary(max_size=30))


@given(st.lists(extension, max_size=20), st.booleans())
def test_extensions_of_any_content_leave_a_hello_one(extensions: list[tuple[int, bytes]], quic: bool) -> None:
    answer, found = tls.handshake(client_hello(extensions), quic=quic)
    assert answer == "yes"
    assert found["ja4"][4:8] == f"02{sum(kind != 0x0A0A for kind, _ in extensions):02}"


@given(st.text(st.characters(codec="latin-1"), max_size=300))
def test_no_server_name_gets_through_that_is_none(name: str) -> None:
    found = tls.handshake(client_hello([(0, server_name(name.encode("latin-1")))]))[1]
    host = found["host"]
    assert host in ("", re.sub(r"^([^:]*):[0-9]*$", r"\1", name).lower().removesuffix("."))
    assert set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.:")


@given(st.lists(st.sampled_from([b"Host: a.example", b"X: y", b"nonsense", b" folded", b"A:"]), max_size=6), st.data())
def test_a_request_s_host_does_not_depend_on_where_the_rest_begins(lines: list[bytes], data: st.DataObject) -> None:
    request = b"\r\n".join([b"GET / HTTP/1.1", *lines, b"Host: a.example", b"", b"body"])
    cut = data.draw(st.integers(0, len(request)))
    answer, found = http.request(request[:cut])
    assert found["host"] in ("", "a.example")
    assert answer == "more" or found["host"] == "a.example"
