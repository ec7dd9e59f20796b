"""The loop: BitTorrent that is encrypted, by what its peer speaks in clear."""

from __future__ import annotations

import random

from dpi.core import Core
from dpi.dissect.protocols import IDS
from tests.cores import CLIENT, SECOND, UDP, Connection, core, datagram, find, method

PEER = "198.51.100.20"
PING = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"  # BEP 5
NOISE = random.Random(1).randbytes(300)  # a key of 96 bytes and padding, as nobody can tell


def unknown(one: Core, src: str = CLIENT, dst: str = PEER, dport: int = 51413) -> tuple[int, str]:
    connection = Connection(one, src=src, dst=dst, dport=dport).shake()
    connection.segment(0, 0, NOISE)
    connection.segment(1, 0, NOISE[::-1])
    for n in range(1, 12):
        connection.segment(n % 2, 300 * n, NOISE)
    flow = find(one, 40000, dport, src=src, dst=dst)
    return flow["protocol"], method(flow["protocol_method"])


def test_what_is_unknown_at_a_port_that_spoke_dht_is_bittorrent() -> None:
    one = core()
    assert unknown(one, dport=51414)[0] == 0
    datagram(one, PING, 6000, 51413, dst=PEER)
    assert find(one, 6000, 51413, UDP, dst=PEER)["protocol"] == IDS["bittorrent"]
    assert unknown(one) == (IDS["bittorrent"], "known-server")
    assert unknown(one, src="198.51.100.7", dst=CLIENT, dport=6000) == (IDS["bittorrent"], "known-server")
    assert unknown(one, dport=51415)[0] == 0  # another port of the same host


def test_what_shows_what_it_is_stays_that() -> None:
    one = core()
    datagram(one, PING, 6000, 51413, dst=PEER)
    connection = Connection(one, dport=51413, dst=PEER).shake()
    connection.segment(0, 0, b"SSH-2.0-x\r\n")
    assert connection.flow()["protocol"] == IDS["ssh"]


def test_a_service_of_the_system_is_nobodys_peer() -> None:
    one = core()
    datagram(one, PING, 6000, 443, dst=PEER)
    assert method(find(one, 6000, 443, UDP, dst=PEER)["protocol_method"]) == "signature"
    assert unknown(one, dport=443)[0] != IDS["bittorrent"]


def test_it_is_forgotten_after_five_minutes() -> None:
    one = core()
    datagram(one, PING, 6000, 51413, dst=PEER)
    connection = Connection(one, dport=51413, dst=PEER)
    connection.clock = 400 * SECOND
    connection.shake()
    for n in range(12):
        connection.segment(n % 2, 300 * (n // 2), NOISE)
    assert connection.flow()["protocol"] == 0
