"""Risks of TLS: certificates and what a server chose, judged by the packets' own time."""

from __future__ import annotations

import random
import re
import ssl
from pathlib import Path

import pytest
from scapy.layers.tls.crypto.suites import _tls_cipher_suites

from dpi.dissect import ciphers
from tests.cores import SECOND, Connection, core, ended, risks_of
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


def handshake(tmp_path: Path, hello: bytes, answer: bytes, time: int = GOOD_TIME, step: int = 1400) -> set[str]:
    """The risks of a connection with this hello and this answer, sent in segments of `step` bytes."""
    connection = Connection(core(risks=True))
    connection.clock = time * SECOND
    connection.shake()
    connection.segment(0, 0, hello)
    for at in range(0, len(answer), step):
        connection.segment(1, at, answer[at : at + step])
    assert connection.flow()["needs"] == 0
    return risks_of(connection.flow())


def flight(tmp_path: Path, names: list[str], version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2) -> bytes:
    return server_flight(tmp_path, version, *self_signed("server", names))


def server_hello(version: int = 0x0303, cipher: int = 0xC02F, extensions: bytes = b"") -> bytes:
    body = version.to_bytes(2, "big") + bytes(32) + vector(1, bytes(32)) + cipher.to_bytes(2, "big") + b"\0"
    body += vector(2, extensions) if extensions else b""
    return record(b"\2" + vector(3, body)) + record(b"\1", kind=20)


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
        (NAME, [f"{'x' * 50}.{i:03}.example" for i in range(40)], True),
        (NAME, [*(f"{'x' * 50}.{i:03}.example" for i in range(40)), NAME], False),
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
    assert risks_of(connection.flow()) == {"certificate-self-signed"}


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
        assert risks_of(connection.flow()) == expected


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
        assert risks_of(connection.flow()) <= whole
        damaged = bytearray(answer)
        for _ in range(chance.randrange(1, 20)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        other = Connection(one, sport=40001).shake()
        other.segment(0, 0, hello)
        for at in range(0, len(damaged), 500):
            other.segment(1, at, bytes(damaged[at : at + 500]))
        other.segment(1, len(damaged), chance.randbytes(500))


@pytest.mark.parametrize("part", [0.5, 0.9])
@pytest.mark.parametrize("known", [True, False])
def test_a_certificate_that_does_not_come_to_its_end_counts_as_far_as_it_does(
    tmp_path: Path, part: float, known: bool
) -> None:
    one = core(risks=True)
    connection = Connection(one)
    connection.clock = int(NOT_AFTER.timestamp() + 1) * SECOND
    connection.shake()
    answer = flight(tmp_path, ["other.example"])
    certificate = answer.index(b"\x0b", 60)  # behind the server's hello
    if known:
        connection.segment(0, 0, openssl_hello(NAME, highest=ssl.TLSVersion.TLSv1_2))
    length = int.from_bytes(answer[certificate + 1 : certificate + 4], "big")
    connection.segment(1, 0, answer[: certificate + 4 + int(length * part)])
    assert risks_of(connection.flow()) == set()
    (flow,) = ended(one)
    assert risks_of(flow) == {"certificate-dates", "certificate-self-signed"}  # of its names not all are known


def test_an_answer_whose_second_half_comes_before_the_question_is_put_together(tmp_path: Path) -> None:
    connection = Connection(core(risks=True))
    connection.clock = GOOD_TIME * SECOND
    connection.shake()
    answer = flight(tmp_path, ["other.example"])
    connection.segment(1, 300, answer[300:])
    connection.segment(0, 0, openssl_hello(NAME, highest=ssl.TLSVersion.TLSv1_2))
    connection.segment(1, 0, answer[:300])
    assert risks_of(connection.flow()) == {"certificate-self-signed", "certificate-name"}
