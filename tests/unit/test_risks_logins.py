"""Risks: logins in clear text."""

from __future__ import annotations

import random

import pytest

from dpi.dissect import login
from tests.cores import Connection, core, risks_of


@pytest.mark.parametrize(
    ("port", "server", "client", "expected"),
    [
        (21, b"220 FTP server\r\n", b"USER alice\r\n", True),
        (21, b"220 FTP server\r\n", b"user anonymous\r\n", False),
        (21, b"220 FTP server\r\n", b"USER ftp\r\n", False),
        (21, b"220 FTP server\r\n", b"USER ftpadmin\r\n", True),
        (21, b"220 FTP server\r\n", b"AUTH TLS\r\n", False),
        (110, b"+OK POP3 ready\r\n", b"USER alice\r\n", True),
        (110, b"+OK POP3 ready\r\n", b"APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n", False),
        (110, b"+OK POP3 ready\r\n", b"AUTH CRAM-MD5\r\n", False),
        (110, b"+OK POP3 ready\r\n", b"AUTH PLAIN\r\n", True),
        (143, b"* OK IMAP4rev1 ready\r\n", b"a1 LOGIN alice secret\r\n", True),
        (143, b"* OK IMAP4rev1 ready\r\n", b"a1 AUTHENTICATE PLAIN\r\n", True),
        (143, b"* OK IMAP4rev1 ready\r\n", b"a1 AUTHENTICATE SCRAM-SHA-256\r\n", False),
        (25, b"220 mail.example ESMTP\r\n", b"AUTH LOGIN\r\n", True),
        (119, b"200 news.example InterNetNews NNRP server ready (posting ok)\r\n", b"AUTHINFO USER alice\r\n", True),
        (119, b"200 news.example InterNetNews NNRP server ready (posting ok)\r\n", b"GROUP misc.test\r\n", False),
        (25, b"220 mail.example ESMTP\r\n", b"AUTH GSSAPI\r\n", False),
        (25, b"220 mail.example ESMTP\r\n", b"MAIL FROM:<a@mail.example>\r\n", False),
    ],
)
def test_a_login_in_clear_is_seen(port: int, server: bytes, client: bytes, expected: bool) -> None:
    connection = Connection(core(), dport=port).shake()
    connection.segment(1, 0, server)
    connection.segment(0, 0, client)
    assert ("clear-text-credentials" in risks_of(connection.flow())) is expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"Authorization: Basic YWxpY2U6c2VjcmV0", True),
        (b"authorization:   bAsIc YWxpY2U6c2VjcmV0", True),
        (b"Proxy-Authorization: Basic YWxpY2U6c2VjcmV0", True),
        (b'Authorization: Digest username="alice"', False),
        (b"Authorization: Basic", False),
        (b"X-Authorization: Basic YWxpY2U6c2VjcmV0", False),
    ],
)
def test_basic_authorization_is_a_login_in_clear(field: bytes, expected: bool) -> None:
    connection = Connection(core(), dport=80).shake()
    connection.segment(0, 0, b"GET / HTTP/1.1\r\nHost: example.org\r\n" + field + b"\r\n\r\n")
    assert risks_of(connection.flow()) == ({"clear-text-credentials"} if expected else set())


def test_telnet_xmpp_and_news_log_in_in_clear() -> None:
    telnet = Connection(core(), dport=23).shake()
    telnet.segment(1, 0, b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27")
    assert "clear-text-credentials" in risks_of(telnet.flow())
    assert login.in_clear("jabber", b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGE=</auth>")
    assert not login.in_clear("jabber", b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>")
    assert login.in_clear("usenet", b"AUTHINFO USER alice\r\n") and not login.in_clear("usenet", b"MODE READER\r\n")


@pytest.mark.parametrize("slug", ["ftpcontrol", "pop3", "imap", "smtp", "jabber", "usenet", "http"])
def test_a_login_that_is_cut_or_garbage_is_survived(slug: str) -> None:
    for text in (b"a1 AUTHENTICATE PLAIN\r\n", b"AUTH PLAIN x\r\n", b"USER anonymous\r\n", b"<auth mechanism='PLAIN'>"):
        for n in range(len(text)):
            login.in_clear(slug, text[:n])
            login.in_clear(slug, random.Random(n).randbytes(n))
            login.shown(text[:n])
