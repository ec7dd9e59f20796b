"""The loop: BitTorrent that is encrypted, by what else is known of its ends."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from dpi.core import Core
from dpi.dissect.protocols import IDS
from tests.cores import (
    CLIENT,
    SECOND,
    UDP,
    Connection,
    core,
    datagram,
    ended,
    find,
    method,
    resolve,
)
from tests.peer_messages import (
    CONNECT,
    GET_PEERS,
    HANDSHAKE,
    PING,
    dht_announce,
    dht_values,
    hello,
    local,
    tracker_answer,
    tracker_request,
    udp_announce,
    udp_answer,
)

PEER, TRACKER, NODE, STRANGER = "198.51.100.20", "203.0.113.9", "203.0.113.10", "198.51.100.99"
NOISE = random.Random(1).randbytes(300)  # a key of 96 bytes and padding, as nobody can tell
BITTORRENT = IDS["bittorrent"]
KNOWN, TOLD = 80, 60


def unknown(one: Core, src: str = CLIENT, dst: str = PEER, dport: int = 51413) -> tuple[int, str]:
    connection = Connection(one, src=src, dst=dst, dport=dport).shake()
    connection.segment(0, 0, NOISE)
    connection.segment(1, 0, NOISE[::-1])
    for n in range(1, 12):
        connection.segment(n % 2, 300 * ((n + 1) // 2), NOISE)
    flow = find(one, 40000, dport, src=src, dst=dst)
    return flow["protocol"], method(flow["protocol_method"])


def confidence(one: Core, dport: int, src: str = CLIENT, dst: str = PEER) -> int:
    return int(find(one, 40000, dport, src=src, dst=dst)["protocol_confidence"])


def test_what_is_unknown_at_a_port_that_spoke_dht_is_bittorrent() -> None:
    one = core()
    assert unknown(one, dport=51414)[0] == 0
    datagram(one, PING, 6000, 51413, dst=PEER)
    assert find(one, 6000, 51413, UDP, dst=PEER)["protocol"] == BITTORRENT
    assert unknown(one) == (BITTORRENT, "known-server")
    assert unknown(one, src="198.51.100.7", dst=CLIENT, dport=6000) == (BITTORRENT, "known-server")
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
    assert unknown(one, dport=443)[0] != BITTORRENT


def test_it_is_forgotten_after_five_minutes() -> None:
    one = core()
    datagram(one, PING, 6000, 51413, dst=PEER)
    connection = Connection(one, dport=51413, dst=PEER)
    connection.clock = 400 * SECOND
    connection.shake()
    for n in range(12):
        connection.segment(n % 2, 300 * (n // 2), NOISE)
    assert connection.flow()["protocol"] == 0


def ask_tracker(one: Core) -> None:
    connection = Connection(one, 41000, 6969, dst=TRACKER).shake()
    connection.segment(0, 0, tracker_request(6882))
    connection.segment(1, 0, tracker_answer([(PEER, 51413)]))


def ask_udp_tracker(one: Core) -> None:
    for payload, side in ((CONNECT, 0), (CONNECT, 1), (udp_announce(6882), 0), (udp_answer([(PEER, 51413)]), 1)):
        exchange(one, payload, side, 6969, TRACKER)


def ask_dht(one: Core) -> None:
    exchange(one, GET_PEERS, 0, 7001, NODE)
    exchange(one, dht_values([(PEER, 51413)]), 1, 7001, NODE)
    exchange(one, dht_announce(6882), 0, 7001, NODE)


def exchange(one: Core, payload: bytes, side: int, port: int, other: str) -> None:
    if side == 0:
        datagram(one, payload, 42000, port, CLIENT, other)
    else:
        datagram(one, payload, port, 42000, other, CLIENT)


ASK = pytest.mark.parametrize("ask", [ask_tracker, ask_udp_tracker, ask_dht])


@ASK
def test_whom_a_client_was_told_of_is_its_peer_with_less_confidence(ask: Callable[[Core], None]) -> None:
    one = core()
    ask(one)
    assert unknown(one) == (BITTORRENT, "known-server")
    assert confidence(one, 51413) == TOLD
    assert unknown(one, dport=51415)[0] == 0
    assert unknown(one, src="10.0.0.2")[0] == 0  # told to somebody else


@ASK
def test_where_a_client_says_that_it_listens_its_peers_come(ask: Callable[[Core], None]) -> None:
    one = core()
    ask(one)
    assert unknown(one, src=STRANGER, dst=CLIENT, dport=6882) == (BITTORRENT, "known-server")
    assert confidence(one, 6882, src=STRANGER, dst=CLIENT) == KNOWN
    assert unknown(one, src=STRANGER, dst=CLIENT, dport=6883)[0] == 0


def test_local_discovery_and_a_peers_hello_tell_its_port() -> None:
    one = core()
    datagram(one, local(6882), 6771, 6771, CLIENT, "239.192.152.143")
    assert unknown(one, src=STRANGER, dst=CLIENT, dport=6882) == (BITTORRENT, "known-server")
    connection = Connection(one, 43000, 6900, src=PEER, dst=CLIENT).shake()
    connection.segment(0, 0, HANDSHAKE)
    connection.segment(0, len(HANDSHAKE), hello(51413))
    assert unknown(one) == (BITTORRENT, "known-server")


def test_an_answer_that_nobody_asked_for_teaches_nothing() -> None:
    one = core()
    exchange(one, dht_values([(PEER, 51413)]), 1, 7001, NODE)
    assert unknown(one)[0] == 0


def test_a_forged_address_tells_no_port() -> None:
    one = core()
    datagram(one, dht_announce(6882), 7001, 6881, STRANGER, CLIENT)
    assert unknown(one, dst=STRANGER, dport=6882)[0] == 0


def test_a_liar_cannot_name_what_has_a_name_or_a_format_or_is_a_service() -> None:
    one = core()
    exchange(one, GET_PEERS, 0, 7001, NODE)
    exchange(one, dht_values([(PEER, 5432), (PEER, 51413), (PEER, 853), ("198.51.100.30", 9000)]), 1, 7001, NODE)
    resolve(one, "db.example.org", PEER)
    assert unknown(one)[0] == 0  # a name was looked up at this address
    assert unknown(one, dst="198.51.100.30", dport=853)[0] == 0
    connection = Connection(one, 40001, 9000, dst="198.51.100.30").shake()
    connection.segment(0, 0, b"SSH-2.0-x\r\n")
    assert connection.flow()["protocol"] == IDS["ssh"]


def test_lists_are_read_in_a_flows_first_packets_alone() -> None:
    one = core()
    for _ in range(20):
        exchange(one, GET_PEERS, 0, 7001, NODE)
    exchange(one, dht_values([(PEER, 51413)]), 1, 7001, NODE)
    assert unknown(one)[0] == 0
    assert find(one, 42000, 7001, UDP, dst=NODE)["needs"] == 0


def test_what_is_learnt_later_names_the_record() -> None:
    one = core()
    assert unknown(one)[0] == 0
    ask_tracker(one)
    assert [flow["protocol"] for flow in ended(one) if flow["dport"] == 51413] == [BITTORRENT]


# Message Stream Encryption


def encrypted(one: Core, dst: str, sizes: tuple[int, int], rng: random.Random, *, dport: int) -> None:
    """A key and its padding of these sizes, either way, then what nobody can read."""
    connection = Connection(one, rng.randrange(40000, 60000), dport, dst=dst).shake()
    for side, size in enumerate(sizes):
        connection.segment(side, 0, rng.randbytes(size))
    for n in range(6):
        connection.segment(n % 2, sizes[n % 2] + 150 * (n // 2), rng.randbytes(150))


def test_where_both_agree_on_going_on_in_clear_the_answer_shows_it() -> None:
    one = core()
    connection = Connection(one, dport=51413, dst=PEER).shake()
    connection.segment(0, 0, NOISE)
    connection.segment(1, 0, NOISE[:200])
    connection.segment(0, 300, NOISE[:190])
    connection.segment(1, 200, NOISE[:14] + HANDSHAKE)
    flow = connection.flow()
    assert (flow["protocol"], method(flow["protocol_method"])) == (BITTORRENT, "signature")


def named(one: Core) -> int:
    return sum(flow["protocol"] == BITTORRENT for flow in ended(one))


def test_a_host_most_of_whose_unknown_peers_begin_so_does_bittorrent() -> None:
    rng = random.Random(3)
    one = core()
    for n in range(12):
        sizes = (rng.randrange(96, 609), rng.randrange(96, 609))
        encrypted(one, f"198.51.100.{n}", sizes, rng, dport=rng.randrange(2000, 65000))
    flows = ended(one)
    assert {flow["protocol"] for flow in flows} == {BITTORRENT}
    assert {(method(flow["protocol_method"]), flow["protocol_confidence"]) for flow in flows} == {("behaviour", 50)}


@pytest.mark.parametrize("hosts", [1, 3])
def test_few_hosts_are_none(hosts: int) -> None:
    rng = random.Random(4)
    one = core()
    for n in range(30):
        encrypted(one, f"198.51.100.{n % hosts}", (rng.randrange(96, 609), rng.randrange(96, 609)), rng, dport=8388)
    assert named(one) == 0


def test_hosts_that_are_asked_the_same_each_time_are_none() -> None:
    """As a tunnel's servers are, to see whether they are there."""
    rng = random.Random(5)
    one = core()
    for n in range(30):
        encrypted(one, f"198.51.100.{n}", (220 + n % 20, 320 + n % 7), rng, dport=8388)
    assert named(one) == 0


def test_messages_of_other_lengths_are_none() -> None:
    """Padded to 8 KiB as obfs4 does, or to less than 288 as NTCP2 does; answers of any length, as a tunnel's are."""
    rng = random.Random(6)
    for low, high, most in ((96, 8193, 8193), (64, 288, 288), (96, 600, 20000)):
        one = core()
        for n in range(40):
            encrypted(one, f"198.51.100.{n}", (rng.randrange(low, high), rng.randrange(96, most)), rng, dport=9000 + n)
        assert named(one) == 0


def test_a_tunnel_beside_bittorrent_is_none() -> None:
    rng = random.Random(7)
    one = core()
    for n in range(20):
        encrypted(one, STRANGER, (rng.randrange(96, 600), rng.randrange(96, 4000)), rng, dport=8388)
        encrypted(one, f"198.51.100.{n}", (rng.randrange(96, 609), rng.randrange(96, 609)), rng, dport=6881 + n)
    flows = ended(one)
    assert {flow["protocol"] for flow in flows if flow["dport"] == 8388} == {0}
    assert sum(flow["protocol"] == BITTORRENT for flow in flows) > 12  # some share a bit with the tunnel
