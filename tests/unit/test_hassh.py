"""HASSH: what either end of SSH offers, however it comes."""

from __future__ import annotations

import hashlib
import random
from itertools import pairwise

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
ANSWER = ssh_offer(b"sntrup761x25519-sha512", b"ssh-ed25519")
HASSH_SERVER = hashlib.md5(b"sntrup761x25519-sha512;aes256-ctr;hmac-md5;zlib").hexdigest()
# What OpenSSH 7.6 offers, whose digests are published: the client's with the third compression and a mark of its own.
KEX = (
    b"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    b"diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
    b"diffie-hellman-group14-sha256,diffie-hellman-group14-sha1"
)
CIPHERS = (
    b"chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com"
)
MACS = (
    b"umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
    b"hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1"
)


def flow_of(*said: tuple[int, bytes]) -> dict[str, object]:
    connection = Connection(core(), dport=22).shake()
    sent = [0, 0]
    for side, data in said:
        connection.segment(side, sent[side], data)
        sent[side] += len(data)
    return find(connection.core, 40000, 22)


def test_openssh_has_the_digests_that_are_published() -> None:
    zlib = b"none,zlib@openssh.com"
    each = (b"ssh-ed25519", CIPHERS, CIPHERS, MACS, MACS)
    client = ssh_offer(KEX + b",ext-info-c", *each, zlib + b",zlib", zlib + b",zlib")
    server = ssh_offer(KEX, *each, zlib, zlib)
    assert hassh.fingerprint(BANNER + client) == ("yes", "ec7378c1a92f5a8dde7e8b7a1ddf33d1")
    assert hassh.fingerprint(BANNER + server, server=True) == ("yes", "b12d2871a1189eff20364cf5333619ee")


def test_the_fingerprint_is_of_what_a_side_would_send_by() -> None:
    assert hassh.fingerprint(BANNER + OFFER) == hassh.fingerprint(OFFER) == ("yes", HASSH)
    assert hassh.fingerprint(SERVER_BANNER + ANSWER, server=True) == ("yes", HASSH_SERVER)
    other = ssh_offer(
        b"curve25519-sha256", b"rsa-sha2-512", b"aes128-ctr", b"chacha20-poly1305", b"hmac-sha1", b"x", b"none"
    )
    assert hassh.fingerprint(other) == ("yes", HASSH)
    assert hassh.fingerprint(ssh_offer(b"sntrup761x25519-sha512"))[1] != HASSH


def test_every_cut_waits_for_the_rest() -> None:
    text = BANNER + OFFER
    assert {hassh.fingerprint(text[:n])[0] for n in range(4, len(text))} == {"more"}


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
    assert hassh.fingerprint(wrong) == ("no", "")


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    answer, text = hassh.fingerprint(BANNER + data)
    assert (answer == "yes") == (len(text) == 32)


@pytest.mark.parametrize(
    "said",
    [
        [(1, SERVER_BANNER), (0, BANNER), (0, OFFER), (1, ANSWER)],
        [(1, SERVER_BANNER), (0, BANNER), (1, ANSWER), (0, OFFER)],
        [(0, BANNER), (1, SERVER_BANNER), (1, ANSWER), (0, OFFER)],
        [(0, BANNER), (0, OFFER[:100]), (0, OFFER[100:]), (1, SERVER_BANNER + ANSWER)],
        [(1, SERVER_BANNER + ANSWER), (0, BANNER + OFFER)],
        [(1, SERVER_BANNER + ANSWER[:80]), (1, ANSWER[80:]), (0, BANNER + OFFER[:50]), (0, OFFER[50:])],
        [(1, SERVER_BANNER), (0, BANNER[:9]), (1, ANSWER), (0, BANNER[9:]), (0, OFFER)],
        [(0, BANNER[:9]), (1, SERVER_BANNER), (0, BANNER[9:]), (0, OFFER[:30]), (1, ANSWER), (0, OFFER[30:])],
    ],
)
def test_a_flow_is_named_at_the_version_and_has_the_fingerprints_at_the_offers(said: list[tuple[int, bytes]]) -> None:
    before = flow_of(*said[:-1])
    assert before["hassh"] is None or before["hassh_server"] is None
    flow = flow_of(*said)
    assert (flow["protocol"], flow["hassh"], flow["hassh_server"]) == (IDS["ssh"], HASSH, HASSH_SERVER)
    assert (flow["ja4"], flow["content_type"], flow["needs"]) == (None, None, 0)


@given(st.randoms(use_true_random=False))
def test_any_segments_in_any_order_show_both(rng: random.Random) -> None:
    connection = Connection(core(), dport=22).shake()
    sides = []
    for side, data in ((0, BANNER + OFFER), (1, SERVER_BANNER + ANSWER)):
        cuts = sorted({0, len(data), *(rng.randrange(1, len(data)) for _ in range(rng.randrange(8)))})
        segments = [(side, a, data[a:b]) for a, b in pairwise(cuts)]
        rng.shuffle(segments)
        sides.append(segments)
    while sides[0] or sides[1]:
        connection.segment(*rng.choice([each for each in sides if each]).pop())
    flow = find(connection.core, 40000, 22)
    assert (flow["protocol"], flow["hassh"], flow["hassh_server"]) == (IDS["ssh"], HASSH, HASSH_SERVER)
    assert flow["needs"] == 0


@pytest.mark.parametrize(
    "said",
    [
        [(0, BANNER), (0, OFFER), (0, b"what comes next")],
        [(1, SERVER_BANNER), (1, ANSWER), (1, b"what comes next")],
    ],
)
def test_of_one_side_alone_its_own_is_had(said: list[tuple[int, bytes]]) -> None:
    flow = flow_of(*said)
    one, other = (HASSH, None) if said[0][0] == 0 else (None, HASSH_SERVER)
    assert (flow["protocol"], flow["hassh"], flow["hassh_server"], flow["needs"]) == (IDS["ssh"], one, other, 0)


def test_without_an_offer_the_flow_is_let_go() -> None:
    for rest in (b"\0\0\1\0\x04\x15" + bytes(50), b"no packet at all, but text that goes on and on"):
        flow = flow_of((1, SERVER_BANNER), (0, BANNER), (0, rest), (1, b"x" * 50))
        assert (flow["protocol"], flow["hassh"], flow["needs"]) == (IDS["ssh"], None, 0)
