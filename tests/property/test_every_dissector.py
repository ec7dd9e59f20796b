"""Each dissector against cut, changed and made-up bytes: it answers, and an answer but "more" stays.

What is known of a dissector's messages is held in a table of true ones; what is asked of one is asked of all.  The
Python faces copy to a block of exactly the data's size, so that under a sanitizer build these also show that no byte
outside is read.  Hellos have more in test_hello_any_cut.py, QUIC in test_quic_any_order.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import first_bytes
import peer_messages
import pytest
from first_bytes import Known
from handshakes import (
    client_hello,
    dtls_fragment,
    dtls_record,
    made_flight,
    openssl_hello,
    records,
    server_name,
    words,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.dissect import (
    certificate,
    consent,
    dns,
    dns_names,
    dtls,
    gquic,
    hpack,
    http,
    http2,
    login,
    noise,
    over_tls,
    peer_lists,
    program,
    proxied,
    shown,
    tls,
    tls_records,
    tls_server,
    tor,
)
from dpi.dissect.probes.index import probe_bytes
from tests.cores import answer, question

TCP = 6
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS = b"\x82\x86\x84\x41\x0fwww.example.com\x58\x08no-store\x7a\x04a/b1"
HELLO = client_hello([(0, server_name(b"example.org"))], version=0xFEFD, cookie=b"")
CHLO = b"CHLO\2\0\0\0SNI\0\x0b\0\0\0UAID\x10\0\0\0www.examplea/b 1"

Face = Callable[[bytes], Any]


def text(face: Callable[[str], Any]) -> Face:
    return lambda data: face(data.decode("latin-1"))


FLIGHT, CERTIFICATE = made_flight()
CLIENT = openssl_hello("www.example.org", ["h2", "http/1.1"])
REQUEST = (
    b"POST http://a.example/ HTTP/1.1\r\nhOst : b.example:80\r\nUser-Agent:\r\n x/1\r\n"
    b"Content-Type: a/b;c\r\nX: y\r\n\r\n"
)


# What has come so far of a stream: a face gives its answer first, or alone.
STREAMS: dict[str, tuple[Face, bytes]] = {
    "consent": (consent.granted, b"\5\2\1\0\5\0\0\1\xc0\0\2\1\1\xbb\x16"),
    "consent_http": (consent.granted, b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n\x16"),
    "dns_stream": (
        dns.stream,
        len(answer("a.example", "192.0.2.1")).to_bytes(2, "big") + answer("a.example", "192.0.2.1"),
    ),
    "http2": (http2.request, PREFACE + len(HEADERS).to_bytes(3, "big") + b"\1\4\0\0\0\1" + HEADERS),
    "http_request": (http.request, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\nbody"),
    "http_response": (http.response, b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\n\r\n1234"),
    "proxied": (proxied.headers, b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\nGET"),
    "proxied_v2": (proxied.headers, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)),
    "tls_client": (tls.client, openssl_hello("a.example") + b"\x14\3\3\0\1\1"),
}
# Whole messages, and texts out of them.
MESSAGES: dict[str, tuple[Face, bytes]] = {
    "certificate": (certificate.read, CERTIFICATE),
    "dns_question": (dns.message, question("www.example.org")),
    "dns_answer": (dns.message, answer("www.example.org", "192.0.2.1", "192.0.2.2")),
    "dns_names": (text(dns_names.weight), b"qzxwvk7jhq3fjxzqpw0kv9xj2kqzt5.t.example.co.uk"),
    "dns_made_up": (text(dns_names.is_made_up), b"kqzxjvwqpzkx.co.uk"),
    "dtls": (
        lambda data: dtls.client([data]),
        dtls_record(dtls_fragment(HELLO, 0, 30)) + dtls_record(dtls_fragment(HELLO, 30)),
    ),
    "gquic": (gquic.dissect, b"\x09" + bytes(8) + b"Q043\1" + bytes(12) + b"\xa0\1\0\x33" + CHLO),
    "http_fields": (http.request, REQUEST),
    "hpack": (hpack.request, HEADERS),
    "huffman": (hpack.huffman, bytes.fromhex("f1e3c2e5f23a6ba0ab90f4ff")),
    "login_imap": (lambda data: login.in_clear("imap", data), b"a1 LOGIN a b\r\n"),
    "login_ftp": (lambda data: login.in_clear("ftpcontrol", data), b"USER anonymous\r\n"),
    "login_jabber": (lambda data: login.in_clear("jabber", data), b"<auth xmlns='a' mechanism='PLAIN'>"),
    "login_rtsp": (
        lambda data: login.in_clear("rtsp", data),
        b"A * RTSP/1.0\r\nB: c\r\nAuthorization: Basic YTpi\r\n\r\n",
    ),
    "login_socks": (lambda data: login.in_clear("socks", data), b"\5\2\0\2\1\2me\6secret"),
    "login_basic": (login.shown, b"Basic YTpi"),
    "noise": (noise.is_noise, bytes(i * 167 & 255 for i in range(130))),
    "over_tls": (lambda data: over_tls.step("imap", data), b"a1 AUTHENTICATE x\r\n"),
    "over_tls_hello": (lambda data: over_tls.step("smtp", data), openssl_hello("a.example")),
    "alpn": (text(lambda alpn: over_tls.carried(443, alpn)), b"x-amzn-mqtt-ca"),
    **{f"peers_{n}": (peer_lists.peers_in, message) for n, message in enumerate(peer_messages.MESSAGES)},
    "program_pe": (program.by_bytes, b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0"),
    "program_zip": (program.by_bytes, b"PK\3\4" + bytes(22) + b"\5\0\0\0a.exe"),
    "program_type": (text(program.by_type), b"application/x-msdownload"),
    "shown_fastcgi": (lambda data: shown.name("fastcgi", data), b"\1\4\0\1\0\x0e\0\0\x09\3HTTP_HOSTa.b"),
    "shown_collectd": (lambda data: shown.name("collectd", data), b"\0\0\0\x11node.example\0\0\2\0\4"),
    "tls_fragments": (tls.client, records(CLIENT[5:], [1, 1, 2, 50, 60])),
    "tls_handshake": (tls.handshake, CLIENT[5:]),
    "tls_records": (tls_records.records, records(FLIGHT, [100, 300])),
    "tls_server": (tls_server.server, records(FLIGHT, [100, 300])),
    "tls_v2": (tls.client, b"\x80\x2e\1\3\1" + words([21, 0, 16]) + bytes(21) + bytes(16)),
    "tor": (text(tor.name), b"www.abcdefgh2.com"),
}
FACES = STREAMS | MESSAGES
streams = pytest.mark.parametrize(("face", "message"), STREAMS.values(), ids=STREAMS)
faces = pytest.mark.parametrize(("face", "message"), FACES.values(), ids=FACES)
garbage = st.binary(max_size=200)


def said(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


@faces
def test_every_length_is_answered(face: Face, message: bytes) -> None:
    for n in range(len(message) + 1):
        face(message[:n])
        face(message[n:])


@streams
def test_what_is_cut_wants_more_until_the_answer_which_then_stays(face: Face, message: bytes) -> None:
    whole = face(message)
    answers = [face(message[:n]) for n in range(len(message))]
    first = next(n for n, each in enumerate([*answers, whole]) if said(each) != "more")
    assert said(whole) == "yes"
    assert {said(each) for each in answers[:first]} <= {"more"}
    assert all(each == whole for each in answers[first:]) or first >= message.find(b"\r\n\r\n") >= 0  # a body may go on


@faces
def test_every_change_of_one_byte_is_answered(face: Face, message: bytes) -> None:
    for i, byte in enumerate(message):
        for value in {0, 1, 0x7F, 0x80, 0xFF, byte ^ 1, byte + 1 & 0xFF} - {byte}:
            face(message[:i] + bytes([value]) + message[i + 1 :])


@faces
@settings(max_examples=60)
@given(st.data())
def test_garbage_is_answered_alone_and_behind_a_true_start(face: Face, message: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(message)))
    face(message[:start] + data.draw(garbage))


@streams
@settings(max_examples=60)
@given(st.data())
def test_of_any_bytes_an_answer_but_more_stays(face: Face, message: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(message)))
    stream = message[:start] + data.draw(garbage)
    cut = data.draw(st.integers(0, len(stream)))
    early = said(face(stream[:cut]))
    assert early == "more" or early == said(face(stream))


# The probes, all of them: which one is asked follows from the bytes.


@settings(max_examples=400)
@given(st.sampled_from(first_bytes.KNOWN), st.data())
def test_probes_answer_about_changed_cut_and_lengthened_bytes(case: Known, data: st.DataObject) -> None:
    _, proto, from_opener, port, payload = case
    bent = bytearray(payload)
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3)):
        if at < len(bent):
            bent[at] = byte
    bent = bent[: data.draw(st.integers(0, len(bent)))] + data.draw(garbage)
    label, answered, host, agent, _ = probe_bytes(
        bytes(bent), proto=proto, sport=40000, dport=port, from_opener=from_opener, turn=data.draw(st.integers(0, 3))
    )
    assert (label != 0) == (answered == "yes")
    assert len(host) <= 255 and len(agent) <= 127
