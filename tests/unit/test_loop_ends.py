"""The loop: when a flow ends and another begins, and what the control plane is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from dpi.core import Core
from tests.cores import (
    ACK,
    CLIENT,
    CLOUD,
    FIN,
    PSH,
    RST,
    SECOND,
    SERVER,
    SHAPED,
    SYN,
    TCP,
    VIDEO,
    Connection,
    as_flow,
    core,
    datagram,
    ended,
    ip,
)
from tests.handshakes import openssl_hello


def test_a_new_connection_on_the_same_ports_is_another_flow() -> None:
    one = core()
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    connection.segment(0, 900, flags=FIN | ACK)
    connection.segment(1, 0, flags=FIN | ACK)
    connection.isn = (9000, 9000)
    connection.shake().segment(0, 0, openssl_hello("www.cloud.example"))
    ((kind, reason, *_, flow),) = one.drain()
    assert (kind, reason, as_flow(flow)["app"]) == ("end", "reused", VIDEO)
    assert connection.flow()["app"] == CLOUD


def test_but_of_a_source_that_wants_them_as_one_it_is_the_same() -> None:
    one = core(merge=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, flags=RST | ACK)
    connection.isn = (9000, 9000)
    connection.shake().segment(0, 0, openssl_hello("www.cloud.example"))
    (flow,) = ended(one)
    assert (flow["packets_up"], flow["host"]) == (6, "www.cloud.example")


def test_silence_ends_a_flow() -> None:
    one = core()
    datagram(one, b"hello", time=SECOND)
    one.tick(100 * SECOND)
    assert [(event[0], event[1]) for event in one.drain()] == [("end", "idle")]


def test_an_offloaded_flow_lives_until_its_end_is_reported_with_the_kernels_counters() -> None:
    one = core(rules=[SHAPED], offload=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    for hour in range(1, 30):
        one.tick(hour * 3600 * SECOND)
    assert one.drain() == []
    key = (ip(SERVER), 443, ip(CLIENT), 40000, 0, TCP)
    assert one.close(key, 900, 1_000_000, 500, 40_000)
    ((kind, reason, *_, flow),) = one.drain()
    assert (kind, reason) == ("end", "reported")
    assert (as_flow(flow)["packets_down"], as_flow(flow)["bytes_up"]) == (900, 40_000)
    assert not one.close(key)


def test_a_new_connection_on_the_ports_of_an_offloaded_one_is_another_flow() -> None:
    """Its FINs went past us; the report of its end comes late and must not end the new one."""
    one = core(rules=[SHAPED], offload=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    connection.isn = (9000, 9000)
    assert connection.segment(0, 0, flags=SYN) is None  # its server is known, but it is not decided
    assert [event[1] for event in one.drain()] == ["reused"]
    assert not one.close((ip(CLIENT), 40000, ip(SERVER), 443, 0, TCP), 900, 1_000_000, 500, 40_000)
    assert one.close((ip(CLIENT), 40000, ip(SERVER), 443, 0, TCP), 1, 60, 0, 0)


def stray(connection: Connection, seconds: float, *flags: int, payload: bytes = b"") -> list[dict[str, Any]]:
    """The server sends these so long after the last packet; all that is told from then on."""
    one = connection.core
    one.drain()
    connection.clock += int(seconds * SECOND)
    for each in flags:
        connection.segment(1, 5000, payload, flags=each)
    return ended(one)


def reset(one: Core) -> Connection:
    """A connection whose client has reset it."""
    connection = Connection(one, dst="198.51.100.9").shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    connection.segment(0, 900, flags=RST | ACK)
    return connection


def reported(one: Core) -> Connection:
    """… and whose end the kernel has told."""
    connection = reset(one)
    assert one.close((ip(CLIENT), 40000, ip("198.51.100.9"), 443, 0, TCP), 6, 1000, 2, 100)
    return connection


def test_what_comes_behind_a_reset_is_of_the_same_flow() -> None:
    (flow,) = stray(reset(core()), 5, ACK, ACK)
    assert (flow["app"], flow["packets_down"]) == (VIDEO, 3)


@pytest.mark.parametrize("seconds", [0.1, 59])
@pytest.mark.parametrize("flags", [(ACK,), (FIN | ACK,), (FIN | ACK, RST), (PSH | ACK,) * 3])
def test_what_comes_when_the_kernel_has_forgotten_the_connection_makes_no_record(
    seconds: float, flags: tuple[int, ...]
) -> None:
    assert stray(reported(core()), seconds, *flags) == []
    assert stray(reported(core()), seconds, *flags, payload=bytes(range(200))) == []


def test_nor_does_it_when_our_own_entry_was_closed_for_long() -> None:
    one = core()
    connection = reset(one)
    connection.clock += 25 * SECOND
    one.tick(connection.clock)
    assert [event[1] for event in one.drain()] == ["closed"]
    assert stray(connection, 5, FIN | ACK) == []


@pytest.mark.parametrize(
    ("seconds", "flags", "payload"),
    [
        (70, (ACK,), b""),  # of whatever it may be
        (1, (ACK,) * 4, b""),  # it goes on: the kernel was made to forget it
        (1, (PSH | ACK,), b"\x17\3\3\0\x20" + bytes(range(32))),  # it tells what it is
        (1, (SYN | ACK,), b""),  # another one, whose SYN was lost
    ],
)
def test_what_may_be_another_connection_has_its_record(seconds: float, flags: tuple[int, ...], payload: bytes) -> None:
    assert len(stray(reported(core()), seconds, *flags, payload=payload)) == 1


def test_a_lone_segment_that_follows_nothing_has_one_too() -> None:
    assert len(stray(Connection(core()), 1, ACK)) == 1
    other = reported(core())
    other.ends = ((ip(CLIENT), 40001), other.ends[1])
    assert len(stray(other, 1, ACK)) == 1


def test_a_flow_that_was_evicted_or_gave_way_is_not_closed() -> None:
    one = core(1)
    first = Connection(one).shake()
    first.segment(0, 0, openssl_hello("www.video.example"))
    Connection(one, sport=40001).segment(0, 0, flags=SYN)
    assert [event[1] for event in one.drain()] == ["evicted"]
    assert len(stray(first, 1, ACK)) == 2


def test_events_tell_a_flows_start_its_labels_and_its_end() -> None:
    one = core(starts=True, labels=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    ended_flows = []
    one.flush(0)
    for event in one.drain():
        ended_flows.append((event[0], as_flow(event[5])["app"]))
    assert ended_flows == [("start", 0), ("labelled", VIDEO), ("end", VIDEO)]
