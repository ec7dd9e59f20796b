"""The loop: when a flow ends and another begins, and what the control plane is told of it."""

from __future__ import annotations

from tests.cores import (
    ACK,
    CLIENT,
    CLOUD,
    FIN,
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


def test_events_tell_a_flows_start_its_labels_and_its_end() -> None:
    one = core(starts=True, labels=True)
    connection = Connection(one).shake()
    connection.segment(0, 0, openssl_hello("www.video.example"))
    ended_flows = []
    one.flush(0)
    for event in one.drain():
        ended_flows.append((event[0], as_flow(event[5])["app"]))
    assert ended_flows == [("start", 0), ("labelled", VIDEO), ("end", VIDEO)]
