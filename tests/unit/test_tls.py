"""What a client's and a server's first bytes say."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from handshakes import (
    client_hello,
    openssl_hello,
    record,
    records,
    self_signed,
    server_flight,
    server_name,
    vector,
    words,
)

from dpi.dissect import tls, tls_records, tls_server

SERVER_NAME, SIGNATURES, ALPN, VERSIONS, ECH, ESNI = 0, 13, 16, 43, 0xFE0D, 0xFFCE
CAP = 16384


def alpn(*protocols: bytes) -> tuple[int, bytes]:
    return ALPN, vector(2, b"".join(vector(1, p) for p in protocols))


def versions(*values: int) -> tuple[int, bytes]:
    return VERSIONS, vector(1, words(list(values)))


def test_a_hello_of_openssl_is_read() -> None:
    answer, found = tls.client(openssl_hello("WWW.Example.ORG", ["h2", "http/1.1"]))
    assert answer == "yes"
    assert found["host"] == "www.example.org"
    assert found["alpn"] == "h2"
    assert found["tls_version"] == 0x0304
    assert not found["ech"]
    assert found["ja4"].startswith("t13d") and found["ja4"][8:11] == "h2_" and len(found["ja4"]) == 36


def test_a_hello_of_tls_1_2_offers_just_that() -> None:
    answer, found = tls.client(openssl_hello(highest=ssl.TLSVersion.TLSv1_2))
    assert (answer, found["tls_version"], found["ja4"][:4]) == ("yes", 0x0303, "t12d")


def test_a_hello_without_server_name_has_no_host() -> None:
    answer, found = tls.client(openssl_hello(None))
    assert (answer, found["host"], found["ja4"][3]) == ("yes", "", "i")


@pytest.mark.parametrize(
    ("name", "host"),
    [
        (b"example.org.", "example.org"),
        (b"192.0.2.1", "192.0.2.1"),
        (b"2001:DB8::1", "2001:db8::1"),
        (b"_dns.resolver.arpa", "_dns.resolver.arpa"),
        (b"xn--bcher-kva.example", "xn--bcher-kva.example"),
        (b"a" * 63 + b".example", "a" * 63 + ".example"),
        (b"a" * 64 + b".example", ""),
        (b".".join([b"a" * 49] * 5) + b".abc", ".".join(["a" * 49] * 5) + ".abc"),
        (b".".join([b"a" * 49] * 5) + b".abcd", ""),
        (b"two..dots", ""),
        (b".", ""),
        (b"", ""),
        (b"with space", ""),
        (b"nul\0.example", ""),
        (b"\xff\xfe", ""),
        (b"www.example.org:443", "www.example.org"),
        (b"www.example.org:", "www.example.org"),
        (b"www.example.org:https", ""),
        (b"www:8.example.org:443", ""),
        (b":443", ""),
        (b"1:2", "1"),
        (b"::zz", ""),
    ],
)
def test_a_host_is_a_host_name_or_an_address_or_nothing(name: bytes, host: str) -> None:
    answer, found = tls.handshake(client_hello([(SERVER_NAME, server_name(name))]))
    assert (answer, found["host"]) == ("yes", host)


def test_other_kinds_of_server_name_are_passed_over() -> None:
    names = vector(2, b"\1" + vector(2, b"other") + b"\0" + vector(2, b"example.org"))
    assert tls.handshake(client_hello([(SERVER_NAME, names)]))[1]["host"] == "example.org"


def test_grease_and_drafts_do_not_hide_the_version() -> None:
    assert tls.handshake(client_hello([versions(0xFAFA, 0x0303, 0x0304)]))[1]["tls_version"] == 0x0304
    found = tls.handshake(client_hello([versions(0x7F1C, 0x0303)]))[1]
    assert (found["tls_version"], found["ja4"][:3]) == (0x0304, "t00")


def test_a_protocol_that_is_grease_is_not_the_first() -> None:
    found = tls.handshake(client_hello([alpn(b"\x1a\x1a", b"h2")]))[1]
    assert (found["alpn"], found["ja4"][8:10]) == ("h2", "h2")


def test_a_protocol_that_is_not_text_is_not_kept() -> None:
    found = tls.handshake(client_hello([alpn(b"\xab\xcd")]))[1]
    assert (found["alpn"], found["ja4"][8:10]) == ("", "ad")


@pytest.mark.parametrize("kind", [ECH, ESNI])
def test_an_encrypted_hello_is_noticed(kind: int) -> None:
    found = tls.handshake(client_hello([(SERVER_NAME, server_name(b"public.example")), (kind, bytes(40))]))[1]
    assert found["ech"] and found["host"] == "public.example"


def test_the_user_agent_in_quic_parameters_is_read() -> None:
    parameters = bytes.fromhex("0102 4000".replace(" ", "")) + bytes.fromhex("7129") + vector(1, b"Chrome/99 Linux")
    found = tls.handshake(client_hello([(0x39, parameters)]), quic=True)[1]
    assert found["agent"] == "Chrome/99 Linux" and found["ja4"][0] == "q"


def test_a_hello_over_several_records_is_put_together() -> None:
    hello = client_hello([(SERVER_NAME, server_name(b"example.org")), alpn(b"h2")])
    for sizes in ([1], [2, 1, 1], [3, 70], [1] * len(hello), [len(hello) - 1]):
        answer, found = tls.client(records(hello, sizes) + record(b"\1", kind=20))
        assert (answer, found["host"], found["alpn"]) == ("yes", "example.org", "h2"), sizes


def test_what_could_be_read_stands_there_while_more_is_wanted() -> None:
    hello = record(client_hello([(SERVER_NAME, server_name(b"example.org")), (21, bytes(1000))]))
    answer, found = tls.client(hello[:200])
    assert (answer, found["host"], found["ja4"]) == ("more", "example.org", "")


def test_something_else_within_a_hello_is_no_tls() -> None:
    hello = client_hello([(SERVER_NAME, server_name(b"example.org"))])
    assert tls.client(record(hello[:50]) + record(b"\2\x28", kind=21) + record(hello[50:]))[0] == "no"


def test_a_hello_too_long_to_be_waited_for_is_answered_with_what_is_there() -> None:
    hello = client_hello([(SERVER_NAME, server_name(b"example.org")), (21, bytes(30_000))])
    stream = records(hello, [16_000, 16_000])
    assert tls.client(stream[: CAP - 1])[0] == "more"
    answer, found = tls.client(stream[:CAP])
    assert (answer, found["host"], found["ja4"]) == ("yes", "example.org", "")


def test_damaged_extensions_leave_a_hello_without_fingerprint() -> None:
    hello = client_hello([(SERVER_NAME, server_name(b"example.org")), (21, b"")])
    answer, found = tls.handshake(hello[:-1] + b"\7")
    assert (answer, found["host"], found["ja4"]) == ("yes", "example.org", "")


def test_an_ssl_2_hello_is_tls() -> None:
    body = b"\1\3\1" + words([6, 0, 16]) + bytes.fromhex("00002f010080") + bytes(16)
    hello = (0x8000 | len(body)).to_bytes(2, "big") + body
    assert tls.client(hello) == ("yes", tls.client(b"")[1] | {"tls_version": 0x0301})
    assert tls.client(hello[:-1])[0] == "more"
    assert tls.client(hello[:9] + b"\0\7" + hello[11:])[0] == "no"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x15\3\1\0\2\2\x28",
        b"\x16\3\1\0\0",
        b"\x16\3\5\0\4\1",
        b"\x16\3\1\x40\x01\1",
        b"\x16\3\1\0\4\2",
        b"\x16\2",
        b"\x17\3\3\0\4",
        b"\x80\x2e\2",
        b"\0",
    ],
)
def test_what_is_no_client_hello_is_refused_at_once(data: bytes) -> None:
    assert tls.client(data)[0] == "no"


@pytest.fixture(scope="module")
def certificate() -> tuple[bytes, bytes]:
    return self_signed("example.org", ["*.Video.example", "example.net"], "Example Ltd")


def test_a_server_of_tls_1_3_shows_its_version_and_cipher(tmp_path: Path, certificate: tuple[bytes, bytes]) -> None:
    flight = server_flight(tmp_path, ssl.TLSVersion.TLSv1_3, *certificate)
    answer, found = tls_server.server(flight)
    assert (answer, found["tls_version"], found["cipher"] >> 8, found["host"]) == ("yes", 0x0304, 0x13, "")


def test_a_server_of_tls_1_2_shows_its_certificate(tmp_path: Path, certificate: tuple[bytes, bytes]) -> None:
    flight = server_flight(tmp_path, ssl.TLSVersion.TLSv1_2, *certificate, alpn=["http/1.1"])
    answer, found = tls_server.server(flight)
    assert (answer, found["tls_version"], found["alpn"]) == ("yes", 0x0303, "http/1.1")
    assert found["host"] == "*.video.example"
    assert found["certificate"]["names"] == ["*.video.example", "example.net"]
    assert found["certificate"]["self_signed"]


def test_a_server_that_resumes_shows_no_certificate() -> None:
    hello = b"\2" + vector(3, b"\3\3" + bytes(32) + vector(1, bytes(32)) + b"\xc0\x2f\0")
    answer, found = tls_server.server(record(hello) + record(b"\1", kind=20))
    assert (answer, found["cipher"], found["certificate"]) == ("yes", 0xC02F, {})
    assert tls_server.server(record(hello))[0] == "more"


@pytest.mark.parametrize(
    "data", [b"\x15\3\3\0\2\2\x28", record(b"\1\0\0\x20" + bytes(32)), b"SSH-2.0", b"\x16\3\1\0\0"]
)
def test_what_is_no_server_hello_is_refused(data: bytes) -> None:
    assert tls_server.server(data)[0] == "no"


def test_records_from_the_middle_are_known_by_their_headers() -> None:
    data = record(bytes(100), kind=23, version=0x0303)
    assert tls_records.records(data) == "yes"
    assert tls_records.records(data + data[:50]) == "yes"
    assert tls_records.records(data[:50]) == "more"
    assert tls_records.records(data + b"HTTP/1.1") == "no"
    assert tls_records.records(record(bytes(2), kind=20)) == "no"
