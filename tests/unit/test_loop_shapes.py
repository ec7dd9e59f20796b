"""The loop: flows that show no name, told by how they send or by whom else their socket talks to."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dpi.core import Core
from dpi.dissect.protocols import IDS
from tests.cores import (
    CLIENT,
    CLIPS,
    CLOUD,
    FINAL,
    SECOND,
    SERVER,
    SHIFT,
    UDP,
    VIDEO,
    Connection,
    core,
    datagram,
    ended,
    find,
    label_by,
    method,
)
from tests.handshakes import openssl_hello


def bursts(connection: Connection, n: int, size: int, pause: int) -> None:
    sent = 0
    for _ in range(n):
        for _ in range(size // 50_000):
            connection.segment(1, sent, bytes(100), length=50_000)
            sent += 100
        connection.clock += pause


@pytest.mark.parametrize("mixed", [False, True])
def test_a_nameless_flow_of_an_owner_with_video_is_told_by_its_bursts(mixed: bool) -> None:
    one = core(rules=[{"apps": [CLIPS], "disposition": 4}], offload=True, mixed=mixed)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello(None))
    bursts(connection, 2, 1_000_000, 2 * SECOND)
    assert (connection.flow()["app"], connection.flow()["mark"]) == (0 if mixed else CLOUD, 1 << SHIFT)
    bursts(connection, 2, 1_000_000, 2 * SECOND)
    flow = connection.flow()
    assert (flow["app"], method(flow["app_method"])) == (CLIPS, "behaviour")
    assert flow["decided_at"] > 40
    assert flow["mark"] == 4 << SHIFT | FINAL


def test_a_download_in_one_go_is_not_video_and_is_watched_for_a_bounded_time() -> None:
    one = core(offload=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello(None))
    bursts(connection, 70, 1_000_000, SECOND // 10)
    flow = connection.flow()
    assert (flow["app"], flow["needs"]) == (CLOUD, 8)
    connection.clock += 60 * SECOND
    connection.segment(1, 1 << 20, bytes(100))
    assert connection.flow()["needs"] == 0


ELSEWHERE = "198.51.100.9"  # nobody's


def talk(one: Core, seconds: int, a_second: tuple[int, int], size: int, jitter: int = 0) -> dict[str, Any]:
    """Datagrams of noise between CLIENT and ELSEWHERE, `a_second` from each side, evenly but for `jitter` ns."""
    chance = random.Random(7)
    sent = []
    for side, rate in enumerate(a_second):
        for n in range(seconds * rate):
            sent.append((SECOND + side + n * SECOND // rate + chance.randrange(jitter + 1), side))
    for time, side in sorted(sent):
        ends = (40000, 40001, CLIENT, ELSEWHERE) if side == 0 else (40001, 40000, ELSEWHERE, CLIENT)
        datagram(one, chance.randbytes(40), *ends, time, length=size)
    return find(one, 40000, 40001, UDP, dst=ELSEWHERE)


@pytest.mark.parametrize("rate", [50, 33, 17])
def test_voice_is_told_by_its_cadence(rate: int) -> None:
    rules = [{"apps": [IDS["voice"]], "disposition": 4}]
    flow = talk(core(rules=rules, offload=True), 9, (rate, rate), 200, jitter=SECOND // 100)
    assert (flow["protocol"], method(flow["protocol_method"])) == (IDS["voice"], "behaviour")
    assert flow["decided_at"] >= 4 * 2 * rate
    assert flow["mark"] == 4 << SHIFT | FINAL


@pytest.mark.parametrize(
    ("a_second", "size"),
    [
        ((64, 64), 150),  # a game's clock
        ((50, 20), 150),
        ((50, 50), 900),  # video both ways
        ((30, 30), 150),
    ],
)
def test_other_clocks_are_no_voice_and_are_watched_for_seconds(a_second: tuple[int, int], size: int) -> None:
    flow = talk(core(offload=True), 10, a_second, size)
    assert (flow["protocol"], flow["needs"]) == (0, 0)
    assert talk(core(offload=True), 7, a_second, size)["needs"] == 8


def test_bulk_is_told_at_the_end_and_no_packet_of_it_is_watched() -> None:
    for sizes, expected in ((40_000, "bulk"), (400, "unknown")):
        one = core(offload=True)
        connection = Connection(one, dst=ELSEWHERE).shake()
        for n in range(300):
            connection.segment(1, n * 100, bytes(range(100, 200)), length=sizes)
        assert connection.flow()["needs"] == 0
        assert [flow["protocol"] for flow in ended(one)] == [IDS[expected]]


@pytest.mark.parametrize(
    ("sizes", "protocol"),
    [
        ((148, 92), "wireguard"),
        ((54, 66, 62), "openvpn"),
        ((148, 93), "unknown"),
        ((54, 66, 61), "unknown"),
        ((55, 67, 63), "unknown"),
    ],
)
def test_a_scrambled_vpn_is_told_by_the_sizes_of_its_handshake(sizes: tuple[int, ...], protocol: str) -> None:
    one, chance = core(), random.Random(3)
    for n, size in enumerate(sizes):
        ends = (40000, 40001, CLIENT, ELSEWHERE) if n % 2 == 0 else (40001, 40000, ELSEWHERE, CLIENT)
        datagram(one, chance.randbytes(size), *ends, SECOND + n)
    flow = find(one, 40000, 40001, UDP, dst=ELSEWHERE)
    assert flow["protocol"] == IDS[protocol]
    assert protocol == "unknown" or method(flow["protocol_method"]) == "behaviour"


STUN_BINDING = b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12)


def test_a_flow_of_a_call_is_named_by_another_from_the_same_socket_whichever_was_first() -> None:
    one = core()
    label_by(one, prefixes=[("192.0.2.0/28", CLOUD), ("198.51.100.0/24", VIDEO)], calls={CLOUD: CLIPS})
    stranger, peer, public = "203.0.113.5", "203.0.113.6", "198.51.100.1"
    for turn in range(4):  # a public STUN server, the app's relay, a peer; and somebody else's call
        for sport, dst, dport in (
            (40000, public, 19302), (40000, SERVER, 3478), (40000, peer, 50000), (41000, stranger, 50001),
        ):  # fmt: skip
            datagram(one, STUN_BINDING, sport, dport, dst=dst, time=SECOND + turn)
    # another socket of the client's tries the same peer
    for turn in range(4):
        datagram(one, STUN_BINDING, 42000, 50000, dst=peer, time=SECOND + 10 + turn)
    apps = {(flow["sport"], flow["dport"]): flow["app"] for flow in ended(one)}
    assert apps == {
        (40000, 19302): CLIPS, (40000, 3478): CLIPS, (40000, 50000): CLIPS, (41000, 50001): 0, (42000, 50000): CLIPS,
    }  # fmt: skip
