"""A decided flow leaves the queue where nothing of it is behind, so that the kernel overtakes nothing."""

from __future__ import annotations

from tests.cores import ACK, FINAL, PSH, SHIFT, UDP, VIDEO, Connection, core, datagram, find
from tests.handshakes import openssl_hello

NONE = 1 << SHIFT  # no rule's disposition
SEGMENTS = 45 * 1448  # bytes of a GSO packet
ELSEWHERE = "198.51.100.9"  # nobody's
RULES = [{"apps": [VIDEO], "disposition": 5}]
NOISE = bytes(range(1, 256)) * 300


def nameless(offload: bool = True) -> Connection:
    return Connection(core(rules=RULES, offload=offload), dport=50001, dst=ELSEWHERE).shake()


def upload(connection: Connection, packets: int, **more: object) -> list[int | None]:
    return [connection.segment(0, n * SEGMENTS, NOISE[:SEGMENTS], ACK, **more) for n in range(packets)]


def test_what_asks_leaves_at_once() -> None:
    connection = Connection(core(rules=RULES, offload=True)).shake()
    assert connection.segment(0, 0, openssl_hello("www.video.example")) == 5 << SHIFT | FINAL


def test_what_goes_on_leaves_when_all_of_it_is_acknowledged() -> None:
    connection = nameless()
    marks = upload(connection, 4)
    assert marks[-1] == NONE
    half = connection.sent[0] - SEGMENTS
    assert connection.segment(1, 0, b"", ACK, ack=half) == NONE
    assert connection.segment(1, 0, b"", ACK, behind=True) == NONE
    assert connection.segment(1, 0, b"", ACK) == NONE | FINAL


def test_a_pushed_part_of_what_goes_on_is_no_pause() -> None:
    connection = nameless()
    upload(connection, 4)
    assert connection.segment(0, 4 * SEGMENTS, NOISE[:SEGMENTS], ACK | PSH) == NONE


def test_what_never_pauses_leaves_all_the_same() -> None:
    connection = nameless()
    marks = upload(connection, 80)
    first = marks.index(NONE)
    assert marks[first : first + 64] == [NONE] * 64
    assert set(marks[first + 64 :]) == {NONE | FINAL}


def test_few_packets_of_many_segments_are_as_good_as_many() -> None:
    connection = nameless()
    assert upload(connection, 2) == [None, NONE]


def test_a_datagram_leaves_where_none_waits_behind_it() -> None:
    one = core(rules=RULES, offload=True)
    for n in range(64):
        datagram(one, NOISE[:200], 40000, 50001, dst=ELSEWHERE, time=n + 1, behind=True)
    flow = find(one, 40000, 50001, UDP, dst=ELSEWHERE)
    assert flow["mark"] == NONE
    datagram(one, NOISE[:200], 40000, 50001, dst=ELSEWHERE, time=70)
    assert find(one, 40000, 50001, UDP, dst=ELSEWHERE)["mark"] == NONE | FINAL


def test_without_offload_nothing_is_waited_for() -> None:
    connection = nameless(offload=False)
    upload(connection, 4)
    assert connection.flow()["needs"] == 0
