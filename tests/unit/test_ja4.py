"""The fingerprint's published example and rules (technical_details/JA4.md in FoxIO's repository)."""

from __future__ import annotations

import pytest
from handshakes import client_hello, server_name, vector, words

from dpi.dissect import tls
from dpi.dissect.ja4 import fingerprint

CIPHERS = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
EXTENSIONS = "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"
ALGORITHMS = "0403,0804,0401,0503,0805,0501,0806,0601"


def hexes(text: str) -> list[int]:
    return [int(x, 16) for x in text.split(",")] if text else []


def of(ciphers: str = CIPHERS, extensions: str = EXTENSIONS, algorithms: str = ALGORITHMS, first: bytes = b"h2") -> str:
    return fingerprint("t", 0x0304, True, first, words(hexes(ciphers)), hexes(extensions), words(hexes(algorithms)))


def test_the_published_example() -> None:
    assert of() == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_the_published_example_as_a_hello() -> None:
    bodies = {
        0x0000: server_name(b"example.org"),
        0x0010: vector(2, vector(1, b"h2") + vector(1, b"http/1.1")),
        0x000D: vector(2, words(hexes(ALGORITHMS))),
        0x002B: vector(1, words([0x0A0A, 0x0304, 0x0303])),
    }
    extensions = [(kind, bodies.get(kind, b"")) for kind in [0x2A2A, *hexes(EXTENSIONS), 0xFAFA]]
    hello = client_hello(extensions, [0x6A6A, *hexes(CIPHERS)])
    assert tls.handshake(hello)[1]["ja4"] == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    assert tls.handshake(hello, quic=True)[1]["ja4"] == "q13d1516h2_8daaf6152771_e5627efa2ab1"


def test_the_published_example_without_algorithms() -> None:
    assert of(algorithms="").endswith("_6d807ffa2a79")


def test_what_is_missing_is_zeros() -> None:
    assert of(ciphers="") == "t13d0016h2_000000000000_e5627efa2ab1"
    assert of(extensions="0000,0010") == "t13d1502h2_8daaf6152771_000000000000"


def test_grease_counts_nowhere() -> None:
    assert of(CIPHERS + ",0a0a", "fafa," + EXTENSIONS, "1a1a," + ALGORITHMS) == of()


def test_order_of_ciphers_and_extensions_does_not_matter_but_that_of_algorithms_does() -> None:
    assert of(",".join(sorted(CIPHERS.split(","))), ",".join(sorted(EXTENSIONS.split(",")))) == of()
    assert of(algorithms=",".join(sorted(ALGORITHMS.split(",")))) != of()


def test_counts_stop_at_99() -> None:
    many = words(list(range(1, 201)))
    assert fingerprint("t", 0x0303, False, b"", many, list(range(100, 250)), b"")[:10] == "t12i999900"


def test_no_more_than_512_ciphers_are_fingerprinted() -> None:
    assert fingerprint("t", 0x0303, False, b"", bytes(1024), [], b"") != ""
    assert fingerprint("t", 0x0303, False, b"", bytes(1026), [], b"") == ""


@pytest.mark.parametrize(
    ("first", "characters"),
    [
        (b"", "00"),
        (b"h2", "h2"),
        (b"http/1.1", "h1"),
        (b"x", "xx"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
    ],
)
def test_the_published_rules_for_protocols(first: bytes, characters: str) -> None:
    assert of(first=first)[8:10] == characters


@pytest.mark.parametrize(
    ("version", "characters"),
    [
        (0x0304, "13"),
        (0x0303, "12"),
        (0x0302, "11"),
        (0x0301, "10"),
        (0x0300, "s3"),
        (0x0002, "s2"),
        (0xFEFF, "d1"),
        (0xFEFD, "d2"),
        (0xFEFC, "d3"),
        (0x7F1C, "00"),
    ],
)
def test_the_published_versions(version: int, characters: str) -> None:
    assert fingerprint("d", version, False, b"", b"", [], b"")[:3] == "d" + characters
