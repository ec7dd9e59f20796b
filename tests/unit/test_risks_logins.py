"""Risks: logins in clear text."""

from __future__ import annotations

import random

import pytest

from dpi.dissect import login
from dpi.dissect.protocols import IDS
from tests.cores import ACK, PSH, Connection, core, risks_of


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
        (b"Authorization: Bearer eyJhbGciOiJIUzI1NiJ9", True),
        (b"X-Authorization: Basic YWxpY2U6c2VjcmV0", False),
    ],
)
def test_basic_authorization_is_a_login_in_clear(field: bytes, expected: bool) -> None:
    connection = Connection(core(), dport=80).shake()
    connection.segment(0, 0, b"GET / HTTP/1.1\r\nHost: example.org\r\n" + field + b"\r\n\r\n")
    assert risks_of(connection.flow()) == ({"clear-text-credentials"} if expected else set())


GET = b"GET / HTTP/1.1\r\nHost: example.org\r\n"
BASIC = b"Authorization: Basic YWxpY2U6c2VjcmV0\r\n"
CHALLENGE = (
    b'HTTP/1.1 401 Unauthorized\r\nContent-Type: text/html\r\nWWW-Authenticate: Basic realm="a"\r\n\r\nno, and no'
)


@pytest.mark.parametrize("step", [7, 40, 1400])
@pytest.mark.parametrize(
    ("challenge", "request_", "expected"),
    [
        (CHALLENGE, GET + BASIC + b"\r\n", True),
        (CHALLENGE.replace(b"401", b"407").replace(b"WWW", b"Proxy"), GET + b"Proxy-" + BASIC + b"\r\n", True),
        (CHALLENGE.replace(b"Basic", b'Digest realm="b", nonce="c", basic'), GET + BASIC + b"\r\n", True),
        (CHALLENGE, GET + b'Authorization: Digest username="alice"\r\n\r\n', False),
        (CHALLENGE.replace(b"Basic", b"Digest"), GET + BASIC + b"\r\n", False),  # which no client would answer so
        (CHALLENGE.replace(b"401", b"200"), GET + BASIC + b"\r\n", False),
    ],
)
def test_a_password_that_the_server_asks_for_is_awaited(
    step: int, challenge: bytes, request_: bytes, expected: bool
) -> None:
    connection = Connection(core(risks=True), dport=80).shake()
    connection.segment(0, 0, GET)
    connection.segment(0, len(GET), b"\r\n")
    for at in range(0, len(challenge), 60):
        connection.segment(1, at, challenge[at : at + 60])
    waits = connection.flow()["needs"] != 0
    for at in range(0, len(request_), step):
        connection.segment(0, len(GET) + 2 + at, request_[at : at + step])
    assert risks_of(connection.flow()) == ({"clear-text-credentials"} if expected else set())
    assert connection.flow()["needs"] == 0 and waits == (b"asic" in challenge and b"200" not in challenge)


def test_an_answer_is_not_waited_on_for_ever_that_asks_for_a_password() -> None:
    connection = Connection(core(risks=True), dport=80).shake()
    connection.segment(0, 0, GET + b"\r\n")
    connection.segment(1, 0, CHALLENGE)
    for i in range(70):
        connection.segment(1, len(CHALLENGE) + i * 1400, bytes(1400))
    assert connection.flow()["needs"] == 0 and connection.flow()["risks"] == 0


@pytest.mark.parametrize("step", [1, 20, 90])
def test_a_login_at_the_end_of_a_header_is_seen_however_that_is_cut(step: int) -> None:
    """The name is known before: only where risks are asked for does the rest of the header matter."""
    text = GET + b"Cookie: " + b"c" * 100 + b"\r\n" + BASIC + b"\r\n"
    for risks, expected in ((True, {"clear-text-credentials"}), (False, set())):
        connection = Connection(core(risks=risks), dport=80).shake()
        start = 0
        for end in [*range(len(GET) + 1, len(text), max(step, len(text) // 30)), len(text)]:
            connection.segment(0, start, text[start:end])
            start = end
            assert connection.flow()["host"] == "example.org"
        assert risks_of(connection.flow()) == expected


SIMPLE = bytes.fromhex("301d0201016018020103040a636e3d6d652c64633d788007") + b"secret!"


@pytest.mark.parametrize(
    ("slug", "data", "expected"),
    [
        ("ldap", SIMPLE, True),
        ("ldap", bytes.fromhex("308400000021020101608400000018020103040a636e3d6d652c64633d788007"), True),
        ("ldap", bytes.fromhex("300c020101600702010304008000"), False),  # anonymous
        ("ldap", bytes.fromhex("3014020101600f0201030400a3080406475353415049"), False),  # SASL
        ("ldap", bytes.fromhex("300c0201014207"), False),
        ("mqtt", b"\x10\x17\0\4MQTT\4\xc2\0\x3c\0\1a\0\2me\0\6secret", True),
        ("mqtt", b"\x10\x0d\0\4MQTT\4\x02\0\x3c\0\1a", False),
        ("resp", b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", True),
        ("resp", b"*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nauth\r\n$2\r\nme\r\n$6\r\nsecret\r\n", True),
        ("resp", b"AUTH secret\r\n", True),
        ("resp", b"*1\r\n$4\r\nPING\r\n", False),
        ("resp", b"*3\r\n$3\r\nSET\r\n$6\r\nauthor\r\n$1\r\na\r\n", False),
        ("irc", b"PASS secret\r\nNICK me\r\n", True),
        ("irc", b"NICK me\r\n", False),
        ("socks", b"\1\2me\6secret", True),
        ("socks", b"\5\2\0\2\1\2me\6secret", True),
        ("socks", b"\1\2me\0", False),
        ("socks", b"\5\1\0\3\1a\1\xbb", False),
        ("rtsp", b"DESCRIBE * RTSP/1.0\r\nAuthorization: Basic YTpi\r\n\r\n", True),
        ("rtsp", b"DESCRIBE * RTSP/1.0\r\n\r\nAuthorization: Basic YTpi\r\n\r\n", False),
        ("postgresql", b"R\0\0\0\x08\0\0\0\3", True),
        ("postgresql", b"R\0\0\0\x0c\0\0\0\5abcd", False),  # MD5
    ],
)
def test_a_login_to_a_server_of_data_is_in_clear(slug: str, data: bytes, expected: bool) -> None:
    assert login.in_clear(slug, data) is expected
    for n in range(len(data)):
        assert not login.in_clear(slug, data[:n]) or expected


DESCRIBE = b"DESCRIBE rtsp://192.0.2.10/a RTSP/1.0\r\nCSeq: 2\r\n"
RTSP = [
    (0, b"OPTIONS rtsp://192.0.2.10/a RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    (1, b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n"),
    (0, DESCRIBE + b"\r\n"),
    (1, b'RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\nWWW-Authenticate: Basic realm="a"\r\n\r\n'),
]
SDP = b"v=0\r\no=- 0 0 IN IP4 192.0.2.10\r\ns=A\r\nm=audio 0 RTP/AVP 0\r\n"
DESCRIBED = (1, b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: %d\r\n\r\n" % len(SDP) + SDP)


def rtsp_risks(risks: bool, step: int, messages: list[tuple[int, bytes]]) -> tuple[set[str], int]:
    connection = Connection(core(risks=risks), dport=554).shake()
    sent = [0, 0]
    for side, message in messages:
        for at in range(0, len(message), step):
            piece = message[at : at + step]
            connection.segment(side, sent[side], piece, flags=ACK | PSH if at + step >= len(message) else ACK)
            sent[side] += len(piece)
    flow = connection.flow()
    assert flow["protocol"] == IDS["rtsp"]
    return risks_of(flow), flow["needs"]


@pytest.mark.parametrize("step", [60, 100, 1400])
@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (BASIC, True),
        (b"AUTHORIZATION:Basic YTpi\r\n", True),
        (b'Authorization: Digest username="alice", realm="a"\r\n', False),
        (b"X-Authorization: Basic YTpi\r\n", False),
        (b"User-Agent: Authorization: Basic YTpi\r\n", False),
    ],
)
def test_basic_authorization_of_rtsp_is_seen_in_the_first_request_and_where_the_server_asks_for_it(
    step: int, field: bytes, expected: bool
) -> None:
    request = (0, DESCRIBE + field + b"\r\n")
    told = {"clear-text-credentials"} if expected else set()
    assert rtsp_risks(True, step, [request])[0] == told
    assert rtsp_risks(False, 1400, [request]) == (told, 0)
    assert rtsp_risks(True, step, [*RTSP, request])[0] == told
    assert (
        rtsp_risks(
            True, step, [(0, RTSP[0][1][:-2] + b"Content-Length: 21\r\n\r\n" + BASIC[:21]), *RTSP[1:], DESCRIBED]
        )[0]
        == set()
    )


def test_rtsp_is_looked_at_until_a_login_or_until_it_plays() -> None:
    assert rtsp_risks(True, 1400, RTSP)[1] != 0
    assert rtsp_risks(True, 1400, [*RTSP, (0, DESCRIBE + BASIC + b"\r\n")])[1] == 0
    play = (0, b"PLAY rtsp://192.0.2.10/a RTSP/1.0\r\nCSeq: 4\r\nSession: 1\r\n\r\n")
    assert rtsp_risks(True, 1400, [*RTSP[:3], DESCRIBED, play]) == (set(), 0)
    assert rtsp_risks(False, 1400, RTSP) == (set(), 0)
    frames = (1, b"$\0\0\xac" + bytes(172))
    assert rtsp_risks(True, 1400, [*RTSP, *[frames] * 30, *[(0, DESCRIBE + b"\r\n")] * 9]) == (set(), 0)


SOCKS_LOGIN = b"\1\2me\6secret"
SOCKS_REQUEST = b"\5\1\0\3\x11www.video.example\1\xbb"


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([b"\5\2\0\2", SOCKS_LOGIN, SOCKS_REQUEST], True),
        ([b"\5\2\0\2", SOCKS_LOGIN], True),  # which the proxy refused
        ([b"\5\2\0\2" + SOCKS_LOGIN], True),
        ([b"\5\2\0\2" + SOCKS_LOGIN + SOCKS_REQUEST], True),
        ([b"\5\2\0\2" + SOCKS_LOGIN, SOCKS_REQUEST], True),
        ([b"\5\2\0\2", b"\1\2me\0", SOCKS_REQUEST], False),  # a name alone, as Tor's clients keep circuits apart
        ([b"\5\2\0\2", SOCKS_REQUEST], False),
        ([b"\5\1\0", b"\5\1\0\1\1\1\1\1\1\xbb"], False),  # an address that looks like a login behind a greeting
        ([b"\5\1\0\5\1\0\1\1\1\1\1\1\xbb"], False),
        ([b"\4\1\1\xbb\0\0\0\1me\0www.video.example\0"], False),  # SOCKS4's user has no password
    ],
)
def test_a_password_for_socks_is_in_clear(messages: list[bytes], expected: bool) -> None:
    for cut in (False, True):
        connection = Connection(core(), dport=1080).shake()
        sent = 0
        for message in messages:
            for piece in (message[:5], message[5:]) if cut else (message,):
                connection.segment(0, sent, piece, flags=ACK | PSH if piece is not message[:5] else ACK)
                sent += len(piece)
        flow = connection.flow()
        assert flow["protocol"] == IDS["socks"]
        assert ("clear-text-credentials" in risks_of(flow)) is expected
        assert (flow["host"] == "www.video.example") is (b"video" in messages[-1])


def test_telnet_xmpp_and_news_log_in_in_clear() -> None:
    telnet = Connection(core(), dport=23).shake()
    telnet.segment(1, 0, b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27")
    assert "clear-text-credentials" in risks_of(telnet.flow())
    assert login.in_clear("jabber", b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGE=</auth>")
    assert not login.in_clear("jabber", b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>")
    assert login.in_clear("usenet", b"AUTHINFO USER alice\r\n") and not login.in_clear("usenet", b"MODE READER\r\n")


@pytest.mark.parametrize(
    "slug", ["ftpcontrol", "pop3", "imap", "smtp", "jabber", "usenet", "http", "ldap", "mqtt", "resp", "irc"]
)
def test_a_login_that_is_cut_or_garbage_is_survived(slug: str) -> None:
    for text in (b"a1 AUTHENTICATE PLAIN\r\n", b"AUTH PLAIN x\r\n", b"USER anonymous\r\n", b"<auth mechanism='PLAIN'>"):
        for n in range(len(text)):
            login.in_clear(slug, text[:n])
            login.in_clear(slug, random.Random(n).randbytes(n))
            login.shown(text[:n])
