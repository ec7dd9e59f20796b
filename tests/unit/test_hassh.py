"""HASSH: what a client of SSH offers, however it comes."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpi.dissect import hassh
from dpi.dissect.protocols import IDS
from tests.cores import Connection, core, find
from tests.handshakes import ssh_offer

BANNER = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
SERVER_BANNER = b"SSH-2.0-dropbear_2022.83\r\n"
OFFER = ssh_offer()
# By the text that introduced it: key exchange, ciphers, MACs and compression of the client, ";" between them.
HASSH = hashlib.md5(b"curve25519-sha256;aes128-ctr;hmac-sha1;none").hexdigest()


def flow_of(*said: tuple[int, bytes]) -> dict[str, object]:
    connection = Connection(core(), dport=22).shake()
    sent = [0, 0]
    for side, data in said:
        connection.segment(side, sent[side], data)
        sent[side] += len(data)
    return find(connection.core, 40000, 22)


def test_the_fingerprint_is_of_what_the_client_would_send_by() -> None:
    assert hassh.client(BANNER + OFFER) == hassh.client(OFFER) == ("yes", HASSH)
    other = ssh_offer(
        b"curve25519-sha256", b"rsa-sha2-512", b"aes128-ctr", b"chacha20-poly1305", b"hmac-sha1", b"x", b"none"
    )
    assert hassh.client(other) == ("yes", HASSH)
    assert hassh.client(ssh_offer(b"sntrup761x25519-sha512"))[1] != HASSH


def test_every_cut_waits_for_the_rest() -> None:
    text = BANNER + OFFER
    assert {hassh.client(text[:n])[0] for n in range(4, len(text))} == {"more"}


@pytest.mark.parametrize(
    "wrong",
    [
        BANNER + b"\0\0\0\x0c\x0a\x15" + bytes(20),
        BANNER + b"\xff\xff\xff\xff\x0a\x14" + bytes(60),
        BANNER + OFFER[:22] + b"\xff\xff\xff\xff" + OFFER[26:],
        b"SSH-2.0-" + bytes(300),
    ],
)
def test_what_is_no_offer_has_none(wrong: bytes) -> None:
    assert hassh.client(wrong) == ("no", "")


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    answer, text = hassh.client(BANNER + data)
    assert (answer == "yes") == (len(text) == 32)


@pytest.mark.parametrize(
    "said",
    [
        [(1, SERVER_BANNER), (0, BANNER), (0, OFFER)],
        [(0, BANNER), (1, SERVER_BANNER), (1, ssh_offer(b"of the server")), (0, OFFER)],
        [(0, BANNER), (0, OFFER[:100]), (0, OFFER[100:])],
        [(0, BANNER + OFFER)],
        [(1, SERVER_BANNER), (0, BANNER + OFFER[:50]), (0, OFFER[50:])],
        [(1, SERVER_BANNER), (0, BANNER[:9]), (0, BANNER[9:]), (0, OFFER)],
        [(0, BANNER[:9]), (0, BANNER[9:]), (0, OFFER[:30]), (0, OFFER[30:])],
    ],
)
def test_a_flow_is_named_at_the_version_and_has_the_fingerprint_at_the_offer(said: list[tuple[int, bytes]]) -> None:
    before = flow_of(*said[:-1]) if len(said) > 1 else None
    assert before is None or before["hassh"] is None
    flow = flow_of(*said)
    assert (flow["protocol"], flow["hassh"], flow["ja4"], flow["needs"]) == (IDS["ssh"], HASSH, None, 0)


def test_without_an_offer_the_flow_is_let_go() -> None:
    for rest in (b"\0\0\1\0\x04\x15" + bytes(50), b"no packet at all, but text that goes on and on"):
        flow = flow_of((1, SERVER_BANNER), (0, BANNER), (0, rest), (1, b"x" * 50))
        assert (flow["protocol"], flow["hassh"], flow["needs"]) == (IDS["ssh"], None, 0)
