"""Whom BitTorrent's messages call a peer."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from dpi.dissect.peer_lists import peers_in
from tests.peer_messages import (
    HANDSHAKE,
    PEERS,
    PEERS6,
    Peer,
    dht_announce,
    dht_values,
    exchange,
    hello,
    local,
    tracker_answer,
    tracker_request,
    udp_announce,
    udp_answer,
)


def told(data: bytes, *, v6: bool = False) -> tuple[int, list[Peer]]:
    listens, peers = peers_in(data, v6)
    return listens, [(as_text(address), port) for address, port in peers]


def as_text(address: bytes) -> str:
    six = ipaddress.IPv6Address(address)
    return str(six.ipv4_mapped or six)


@pytest.mark.parametrize(
    ("message", "listens", "peers"),
    [
        (tracker_request(6881), 6881, []),
        (tracker_answer(PEERS), 0, PEERS),
        (tracker_answer([], PEERS6), 0, PEERS6),
        (tracker_answer(PEERS, PEERS6), 0, PEERS + PEERS6),
        (udp_announce(6881), 6881, []),
        (udp_answer(PEERS), 0, PEERS),
        (dht_values(PEERS + PEERS6), 0, PEERS + PEERS6),
        (dht_announce(6881), 6881, []),
        (hello(6881), 6881, []),
        (HANDSHAKE + hello(6881), 6881, []),
        (exchange(PEERS, PEERS6), 0, PEERS + PEERS6),
        (local(6881), 6881, []),
    ],
)
def test_each_kind_of_message_is_read(message: bytes, listens: int, peers: list[Peer]) -> None:
    assert told(message) == (listens, peers)


def test_a_tracker_over_udp_tells_of_peers_of_its_own_kind_of_address() -> None:
    assert told(udp_answer(PEERS6), v6=True) == (0, PEERS6)


def test_of_a_list_that_goes_on_the_first_part_is_taken() -> None:
    whole = tracker_answer([(f"198.51.100.{n}", 6881) for n in range(50)])
    assert len(told(whole)[1]) == 50
    assert told(whole[: -6 * 20])[1] == told(whole)[1][: 50 - 20]


def test_a_message_tells_of_a_hundred_at_most() -> None:
    peers = [(f"198.51.100.{n}", 6881) for n in range(250)]
    for message in (tracker_answer(peers), udp_answer(peers), dht_values(peers)):
        assert len(told(message)[1]) == 100


def test_a_service_is_nobodys_peer() -> None:
    web: list[Peer] = [("198.51.100.20", 443), ("198.51.100.20", 80), ("198.51.100.20", 0)]
    assert told(tracker_answer(web)) == told(udp_answer(web)) == told(dht_values(web)) == (0, [])
    for message in (tracker_request(443), udp_announce(80), dht_announce(0), hello(22), local(1023)):
        assert told(message)[0] == 0


@pytest.mark.parametrize(
    "message",
    [
        b"d5:peers7:" + bytes(7),  # no whole peer
        b"d5:peersi6e",
        b"d5:peers99999999999999999999:" + bytes(12),
        b"d6:valuesl7:" + bytes(7),
        b"d6:values" + bytes(20),
        b"d13:announce_peer4:porti99999e",
        b"d13:announce_peer4:porti",
        b"GET /announce?info_hash=a&port=",
        struct.pack(">IIIII", 1, 9, 0, 0, 0),
        b"\0\0\0\1",
        b"",
    ],
)
def test_what_is_no_list_tells_nothing(message: bytes) -> None:
    assert told(message) == (0, [])
