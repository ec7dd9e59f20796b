"""Risks: each is seen where it is, is not seen where it is not, and no bytes make one out of nothing."""

from __future__ import annotations

import io
import json
import random
import re
import ssl
import struct
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from scapy.layers.tls.crypto.suites import _tls_cipher_suites

from dpi.cli.classify import command
from dpi.core import Core
from dpi.dissect import ciphers, dns_names, login, noise, program, risks
from dpi.dissect.protocols import IDS
from dpi.match.hosts import Hosts
from dpi.match.names import Names
from dpi.match.ports import Ports
from dpi.match.prefixes import Prefixes
from tests.captures import packet, write
from tests.cores import ACK, CLIENT, RESOLVER, SECOND, SERVER, SYN, TCP, Connection, core, datagram, find
from tests.cores import dns_name as wire_name
from tests.handshakes import (
    NOT_AFTER,
    NOT_BEFORE,
    client_hello,
    openssl_hello,
    record,
    self_signed,
    server_flight,
    server_name,
    vector,
)

GOOD_TIME = int(NOT_BEFORE.timestamp()) + 86400
NAME = "www.example.org"


def of(flow: dict[str, object]) -> set[str]:
    bits = flow["risks"]
    assert isinstance(bits, int)
    return set(risks.names(bits))


def handshake(tmp_path: Path, hello: bytes, answer: bytes, time: int = GOOD_TIME, step: int = 1400) -> set[str]:
    """The risks of a connection with this hello and this answer, sent in segments of `step` bytes."""
    connection = Connection(core(risks=True))
    connection.clock = time * SECOND
    connection.shake()
    connection.segment(0, 0, hello)
    for at in range(0, len(answer), step):
        connection.segment(1, at, answer[at : at + step])
    assert connection.flow()["needs"] == 0
    return of(connection.flow())


def flight(tmp_path: Path, names: list[str], version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> bytes:
    return server_flight(tmp_path, version, *self_signed("server", names))


def server_hello(version: int = 0x0303, cipher: int = 0xC02F, extensions: bytes = b"") -> bytes:
    body = version.to_bytes(2, "big") + bytes(32) + vector(1, bytes(32)) + cipher.to_bytes(2, "big") + b"\0"
    body += vector(2, extensions) if extensions else b""
    return record(b"\2" + vector(3, body)) + record(b"\1", kind=20)


# The list


def test_the_bits_of_the_loop_are_the_list_in_its_order() -> None:
    text = Path(risks.__file__).with_suffix(".pxd").read_text()
    bits = [int(value, 16) for value in re.findall(r"RISK_\w+ = (0x\w+)", text)]
    assert bits == [1 << bit for bit in range(len(risks.RISKS))]
    assert len(risks.BY_SLUG) == len(risks.RISKS)


def test_a_score_is_the_sum_and_at_most_100() -> None:
    assert risks.score(0) == 0
    assert [risks.score(1 << bit) for bit in range(len(risks.RISKS))] == [risk.score for risk in risks.RISKS]
    assert risks.score(0b11) == risks.RISKS[0].score + risks.RISKS[1].score
    assert risks.score((1 << len(risks.RISKS)) - 1) == 100


# TLS and certificates


@pytest.mark.parametrize("step", [100, 700, 1400, 9000])
def test_a_certificate_that_is_self_signed_says_so_however_it_is_cut(tmp_path: Path, step: int) -> None:
    answer = flight(tmp_path, [NAME])
    hello = openssl_hello(NAME, highest=ssl.TLSVersion.TLSv1_2)
    if len(answer) / step <= 10:
        assert handshake(tmp_path, hello, answer, step=step) == {"certificate-self-signed"}


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (int(NOT_BEFORE.timestamp()) - 1, True),
        (int(NOT_BEFORE.timestamp()), False),
        (int(NOT_AFTER.timestamp()), False),
        (int(NOT_AFTER.timestamp()) + 1, True),
        (1, False),  # a capture without a clock
    ],
)
def test_a_certificate_is_judged_by_the_packets_own_time(tmp_path: Path, time: int, expected: bool) -> None:
    found = handshake(tmp_path, openssl_hello(NAME, highest=ssl.TLSVersion.TLSv1_2), flight(tmp_path, [NAME]), time)
    assert ("certificate-dates" in found) is expected


@pytest.mark.parametrize(
    ("asked", "names", "expected"),
    [
        (NAME, [NAME], False),
        (NAME.upper(), ["other.example", "WWW.example.org"], False),
        (NAME, ["*.example.org"], False),
        (NAME, ["*.org"], True),
        ("a.www.example.org", ["*.example.org"], True),
        ("example.org", ["*.example.org"], True),
        (NAME, ["other.example"], True),
        (NAME, ["xwww.example.org"], True),
        (None, ["other.example"], False),
        ("localhost", ["other.example"], False),
        ("server.example", [], True),
        (NAME, [f"{'x' * 50}.{i:03}.example" for i in range(40)], False),  # not all of them are kept
    ],
)
def test_a_certificate_covers_the_name_that_was_asked_for_or_it_does_not(
    tmp_path: Path, asked: str | None, names: list[str], expected: bool
) -> None:
    found = handshake(tmp_path, openssl_hello(asked, highest=ssl.TLSVersion.TLSv1_2), flight(tmp_path, names))
    assert ("certificate-name" in found) is expected


def test_a_subject_is_the_name_where_the_certificate_has_no_others(tmp_path: Path) -> None:
    answer = server_flight(tmp_path, ssl.TLSVersion.TLSv1_2, *self_signed("WWW.Example.org", []))
    found = handshake(tmp_path, openssl_hello(NAME, highest=ssl.TLSVersion.TLSv1_2), answer)
    assert found == {"certificate-self-signed"}


@pytest.mark.parametrize("step", [200, 500, 9000])
def test_a_server_whose_client_was_not_seen_is_judged_by_its_certificate_alone(tmp_path: Path, step: int) -> None:
    connection = Connection(core(risks=True))
    connection.clock = GOOD_TIME * SECOND
    connection.shake()
    answer = flight(tmp_path, ["example.org"])
    for at in range(0, len(answer), step):
        connection.segment(1, at, answer[at : at + step])
    assert of(connection.flow()) == {"certificate-self-signed"}


def test_a_server_of_tls_1_3_has_none(tmp_path: Path) -> None:
    assert handshake(tmp_path, openssl_hello(NAME), flight(tmp_path, ["x.example"], ssl.TLSVersion.TLSv1_3)) == set()


@pytest.mark.parametrize(
    ("version", "extensions", "expected"),
    [
        (0x0300, b"", True),
        (0x0301, b"", True),
        (0x0302, b"", True),
        (0x0303, b"", False),
        (0x0303, b"\0\x2b\0\2\3\4", False),
        (0x0303, b"\0\x2b\0\2\3\2", True),
    ],
)
def test_a_server_that_chooses_an_old_version_is_obsolete(
    tmp_path: Path, version: int, extensions: bytes, expected: bool
) -> None:
    found = handshake(tmp_path, openssl_hello(NAME), server_hello(version, extensions=extensions))
    assert ("obsolete-tls" in found) is expected


def test_a_client_that_offers_old_versions_only_is_obsolete() -> None:
    for version, expected in ((0x0301, {"obsolete-tls"}), (0x0303, set())):
        connection = Connection(core()).shake()
        connection.segment(0, 0, record(client_hello([(0, server_name(NAME.encode()))], version=version)))
        assert of(connection.flow()) == expected


@pytest.mark.parametrize(("cipher", "expected"), [(0x0005, True), (0xC012, True), (0x002F, False), (0x1301, False)])
def test_a_weak_cipher_is_one_that_the_server_chose(tmp_path: Path, cipher: int, expected: bool) -> None:
    found = handshake(tmp_path, openssl_hello(NAME), server_hello(cipher=cipher))
    assert ("weak-cipher" in found) is expected


def test_weak_ciphers_are_those_whose_registered_name_says_so() -> None:
    weak = re.compile("NULL|EXPORT|RC4|DES|anon|MD5|IDEA|RC2")
    wrong = [
        name
        for number, name in _tls_cipher_suites.items()
        if number < 0x10000 and "SCSV" not in name and bool(weak.search(name)) != ciphers.weak(number)
    ]
    assert wrong == []


def test_answers_are_looked_at_only_where_it_is_asked_for(tmp_path: Path) -> None:
    one = core()
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello(NAME))
    before = one.counters()["inspected"]
    connection.segment(1, 0, server_hello(0x0301, 5))
    assert (one.counters()["inspected"], connection.flow()["risks"]) == (before, 0)


def test_a_flow_whose_server_says_nothing_is_let_go() -> None:
    one = core(risks=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello(NAME))
    for n in range(80):
        connection.segment(n % 2, 0)
    flow = connection.flow()
    assert (flow["needs"], one.counters()["works"]) == (0, 0)


@pytest.mark.parametrize("seed", range(20))
def test_garbage_and_cut_answers_are_survived_and_give_no_more_than_the_whole(tmp_path: Path, seed: int) -> None:
    answer = flight(tmp_path, ["other.example"])
    hello = openssl_hello(NAME, highest=ssl.TLSVersion.TLSv1_2)
    whole = handshake(tmp_path, hello, answer)
    chance = random.Random(seed)
    for _ in range(20):
        one = core(risks=True)
        connection = Connection(one)
        connection.clock = GOOD_TIME * SECOND
        connection.shake().segment(0, 0, hello)
        connection.segment(1, 0, answer[: chance.randrange(len(answer))])
        assert of(connection.flow()) <= whole
        damaged = bytearray(answer)
        for _ in range(chance.randrange(1, 20)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        other = Connection(one, sport=40001).shake()
        other.segment(0, 0, hello)
        for at in range(0, len(damaged), 500):
            other.segment(1, at, bytes(damaged[at : at + 500]))
        other.segment(1, len(damaged), chance.randbytes(500))


# Logins


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
        (25, b"220 mail.example ESMTP\r\n", b"AUTH GSSAPI\r\n", False),
        (25, b"220 mail.example ESMTP\r\n", b"MAIL FROM:<a@mail.example>\r\n", False),
    ],
)
def test_a_login_in_clear_is_seen(port: int, server: bytes, client: bytes, expected: bool) -> None:
    connection = Connection(core(), dport=port).shake()
    connection.segment(1, 0, server)
    connection.segment(0, 0, client)
    assert ("clear-text-credentials" in of(connection.flow())) is expected


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
    assert of(connection.flow()) == ({"clear-text-credentials"} if expected else set())


def test_telnet_xmpp_and_news_log_in_in_clear() -> None:
    telnet = Connection(core(), dport=23).shake()
    telnet.segment(1, 0, b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27")
    assert "clear-text-credentials" in of(telnet.flow())
    assert login.in_clear("jabber", b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGE=</auth>")
    assert not login.in_clear("jabber", b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>")
    assert login.in_clear("usenet", b"AUTHINFO USER alice\r\n") and not login.in_clear("usenet", b"MODE READER\r\n")


@pytest.mark.parametrize("slug", ["ftpcontrol", "pop3", "imap", "smtp", "jabber", "usenet", "http"])
def test_a_login_that_is_cut_or_garbage_is_survived(slug: str) -> None:
    for text in (b"a1 AUTHENTICATE PLAIN\r\n", b"AUTH PLAIN x\r\n", b"USER anonymous\r\n", b"<auth mechanism='PLAIN'>"):
        for n in range(len(text)):
            login.in_clear(slug, text[:n])
            login.in_clear(slug, random.Random(n).randbytes(n))
            login.basic(text[:n])


# Ports


def with_ports() -> Core:
    one = Core(64)
    ports = [("tcp/22", "ssh"), ("tcp/443", "tls"), ("tcp/80", "http"), ("tcp/25", "smtp"), ("tcp/2022", "ssh")]
    entries = [(text, IDS[slug]) for text, slug in ports]
    one.use(Hosts([]), Prefixes([]), Ports([*entries, ("tcp/7022", 700)]), Names(16), bytes(1024))
    return one


SSH = b"SSH-2.0-OpenSSH_9.2\r\n"
GET = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"


@pytest.mark.parametrize(
    ("port", "payload", "expected"),
    [
        (22, SSH, False),
        (2022, SSH, False),
        (443, SSH, True),
        (50022, SSH, True),
        (7022, SSH, False),  # the user has said what runs there
        (80, GET, False),
        (8080, GET, False),
        (443, GET, True),
        (22, GET, True),
        (443, None, False),
        (8443, None, False),
        (25, None, True),
        (80, None, True),
    ],
)
def test_a_known_protocol_on_a_port_of_another_is_foreign(port: int, payload: bytes | None, expected: bool) -> None:
    connection = Connection(with_ports(), dport=port).shake()
    connection.segment(0, 0, payload or openssl_hello(NAME))
    connection.segment(1, 0, SSH)
    assert (of(connection.flow()) == {"foreign-port"}) is expected


# DNS


def ask(one: Core, name: str, qtype: int = 1, number: int = 1) -> set[str]:
    message = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + wire_name(name) + struct.pack(">HH", qtype, 1)
    datagram(one, message, 50000, 53, dst=RESOLVER)
    return of(find(one, 50000, 53, 17, dst=RESOLVER))


def coded(n: int, seed: int = 1) -> str:
    """Random bytes in base32, in labels of 60, as tunnels send them."""
    chance = random.Random(seed)
    text = "".join(chance.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(n))
    return ".".join(text[at : at + 60] for at in range(0, n, 60))


def test_long_coded_names_are_a_tunnel_at_once_and_shorter_ones_together() -> None:
    assert ask(core(), f"{coded(150)}.t.example.com") == {"dns-tunnel"}
    one = core()
    said = [ask(one, f"{coded(50, n)}.t.example.com", number=n) for n in range(4)]
    assert said == [set(), set(), {"dns-tunnel"}, {"dns-tunnel"}]
    one = core()
    assert [ask(one, f"{coded(30, n)}.t.example.com", 16, n) for n in range(3)][2] == {"dns-tunnel"}
    assert ask(core(), f"{coded(20)}.t.example.com", 10) == {"dns-tunnel"}


@pytest.mark.parametrize(
    "name",
    [
        "www.example.org",
        "e4478.a.akamaiedge.net",
        "ec2-203-0-113-25.eu-central-1.compute.amazonaws.com",
        "rr3---sn-4g5ednsd.googlevideo.com",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        "44d88612fea8a8f36de82e1278abb02f.hashes.example.com",
        "some-really-long-but-human-chosen-name-of-a-service.department.example.co.uk",
    ],
)
def test_names_of_the_web_are_neither_tunnels_nor_made_up(name: str) -> None:
    for qtype in (1, 16, 28, 65):
        assert ask(core(), name, qtype) == set()


def test_a_forwarder_with_an_odd_question_now_and_then_is_no_tunnel() -> None:
    one = core()
    for n in range(40):
        found = ask(one, "www.example.org" if n % 10 else f"{coded(40, n)}.example.org", number=n)
    assert found == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xjqwkzvtplrmgh.com", True),
        ("www.k7h2q9x4m1z8v3.net", True),
        ("a.xjqwkzvtplrmgh.co.uk", True),
        ("xjqwkzvtplrmgh.lan", False),  # a browser's probe under the search domain
        ("xjqwkzvtplrmgh", False),
        ("xn--80acgfbsl1azdqr.com", False),
        ("xjqwkzvtplrmgh.cloudfront.net", False),  # somebody's name below a CDN
        ("internationalisation.org", False),
        ("wirtschaftswissenschaften.de", False),
        ("com", False),
        ("", False),
    ],
)
def test_a_domain_that_a_program_made_up_is_told_by_its_letters(name: str, expected: bool) -> None:
    assert dns_names.is_made_up(name) is expected


def test_few_registered_domains_of_the_signatures_look_made_up() -> None:
    files = (Path(risks.__file__).parents[1] / "signatures").glob("*.yaml")
    hosts = {
        host for file in files for host in re.findall(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b", file.read_text())
    }
    assert len(hosts) > 20_000
    assert sum(map(dns_names.is_made_up, hosts)) / len(hosts) < 0.001


# Programs


def portable_executable() -> bytes:
    head = bytearray(b"MZ" + bytes(198))
    head[60:64] = (128).to_bytes(4, "little")
    head[128:132] = b"PE\0\0"
    return bytes(head)


def archive(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return out.getvalue()


PROGRAMS = [
    (portable_executable(), True),
    (portable_executable().replace(b"PE\0\0", b"NE\0\0"), False),
    (b"MZ is how this text begins" + b"." * 60, False),
    (b"\x7fELF\2\1\1", True),
    (b"\x7fELF\7\1\1", False),
    (b"\xcf\xfa\xed\xfe\7\0\0\1", True),
    (b"#!/bin/sh\necho", True),
    (b"# a heading", False),
    (archive("AndroidManifest.xml", "classes.dex"), True),
    (archive("setup.EXE"), True),
    (archive("[Content_Types].xml", "word/document.xml"), False),
    (archive("mimetype", "META-INF/container.xml"), False),
    (b"<!DOCTYPE html>", False),
    (b"\x89PNG\r\n\x1a\n", False),
]


@pytest.mark.parametrize(("body", "expected"), PROGRAMS)
@pytest.mark.parametrize("apart", [False, True])
def test_a_program_over_http_is_told_by_its_first_bytes(body: bytes, expected: bool, apart: bool) -> None:
    connection = Connection(core(risks=True), dport=80).shake()
    connection.segment(0, 0, GET)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"
    connection.segment(1, 0, head if apart else head + body)
    if apart:
        connection.segment(1, len(head), body)
    assert of(connection.flow()) == ({"program-over-http"} if expected else set())
    assert connection.flow()["needs"] == 0


@pytest.mark.parametrize(
    ("status", "media_type", "expected"),
    [
        (b"200", b"application/x-msdownload", True),
        (b"206", b"Application/X-MSDownload; x=y", True),
        (b"200", b"text/html", False),
        (b"404", b"application/x-msdownload", False),
    ],
)
def test_a_program_over_http_is_told_by_its_media_type(status: bytes, media_type: bytes, expected: bool) -> None:
    connection = Connection(core(risks=True), dport=80).shake()
    connection.segment(0, 0, GET)
    connection.segment(1, 0, b"HTTP/1.1 " + status + b" x\r\nContent-Type: " + media_type + b"\r\n\r\nbody and more")
    assert ("program-over-http" in of(connection.flow())) is expected


def test_programs_that_are_cut_are_survived() -> None:
    for body, _ in PROGRAMS:
        for n in range(len(body)):
            program.by_bytes(body[:n])


# Noise


def test_noise_at_a_port_of_text_is_odd_and_text_or_what_has_a_name_is_not() -> None:
    chance = random.Random(7)
    for port, payload, expected in (
        (80, chance.randbytes(300), True),
        (80, chance.randbytes(40), False),
        (9999, chance.randbytes(300), False),
        (80, b"anything that people can read, at some length, " * 4, False),
        (80, bytes(range(32, 127)) * 3, False),
        (80, bytes(300), False),
    ):
        connection = Connection(core(), dport=port).shake()
        connection.segment(0, 0, payload)
        ended = connection.flow()
        assert ("unexpected-noise" in of(ended)) is expected, (port, payload[:20])


def test_what_begins_in_the_middle_is_not_called_noise() -> None:
    connection = Connection(core(), dport=80)
    connection.segment(0, 1000, random.Random(7).randbytes(300))
    assert of(connection.flow()) == set()


def test_compressed_bytes_are_noise_and_base64_is_not() -> None:
    import base64
    import zlib

    text = " ".join(str(random.Random(3).random()) for _ in range(300)).encode()
    assert noise.is_noise(zlib.compress(random.Random(1).randbytes(2000))[10:])
    assert not noise.is_noise(base64.b64encode(text))


# Commands


def test_classify_prints_risks_and_score_and_lists_only_what_is_risky(tmp_path: Path) -> None:
    packets = [
        packet(CLIENT, 40000, SERVER, 80, TCP, seq=99, flags=SYN),
        packet(SERVER, 80, CLIENT, 40000, TCP, seq=499, flags=SYN | ACK),
        packet(CLIENT, 40000, SERVER, 80, TCP, GET, seq=100),
        packet(SERVER, 80, CLIENT, 40000, TCP, b"HTTP/1.1 200 OK\r\n\r\n#!/bin/sh\n", seq=500),
        packet(CLIENT, 40001, SERVER, 80, TCP, seq=99, flags=SYN),
        packet(CLIENT, 40001, SERVER, 80, TCP, GET, seq=100),
    ]
    capture = str(write(tmp_path / "http.pcap", packets))
    run = CliRunner().invoke(command, [capture, "--json"])
    flows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(flow["risks"], flow["risk_score"]) for flow in flows] == [(["program-over-http"], 30), ([], 0)]
    run = CliRunner().invoke(command, [capture, "--json", "--risky"])
    assert [json.loads(line)["sport"] for line in run.stdout.splitlines()] == [40000]
    run = CliRunner().invoke(command, [capture, "--risky"])
    assert [line.split("\t")[-1] for line in run.stdout.splitlines()] == ["risks", "program-over-http"]
    assert "program-over-http,30" in CliRunner().invoke(command, [capture, "--format", "csv"]).stdout
