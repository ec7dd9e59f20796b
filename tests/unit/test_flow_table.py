"""The flow table: who goes first, when, and what TCP flags say about a flow."""

from __future__ import annotations

import pytest

from dpi.flow.strings import StringPool
from dpi.flow.table import FlowTable

Key = tuple[bytes, int, bytes, int, int, int]

SECOND = 1_000_000_000
SYN, ACK, FIN, RST = 0x02, 0x10, 0x01, 0x04
NEW, TWO_WAY, SYN_SEEN, ESTABLISHED, CLOSING, CLOSED = range(6)
MAX_BYTES = 320


def key(n: int, proto: int = 6) -> Key:
    return n.to_bytes(16, "big"), 40000, bytes(16), 443, 0, proto


def test_a_decided_flow_with_its_share_of_the_index_fits_the_promise() -> None:
    assert FlowTable(1 << 20).entry_size() <= MAX_BYTES
    assert FlowTable((1 << 20) + 1).entry_size() <= MAX_BYTES  # the worst size for a power-of-two index


def test_the_same_5_tuple_on_another_vlan_is_another_flow() -> None:
    table = FlowTable(8)
    src, sport, dst, dport, _, proto = key(1)
    first = table.insert((src, sport, dst, dport, 0, proto))
    second = table.insert((src, sport, dst, dport, 7, proto))
    assert first != second
    assert table.find((src, sport, dst, dport, 7, proto)) == (second, 0)
    assert table.find((src, sport, dst, dport, 8, proto)) is None


def test_both_ends_alike_is_a_flow_of_one_side() -> None:
    table = FlowTable(8)
    same: Key = (bytes(16), 5, bytes(16), 5, 0, 17)
    i = table.insert(same)
    assert table.find(same) == (i, 0)


def test_the_oldest_undecided_goes_before_any_decided() -> None:
    table = FlowTable(16)
    flows = [table.insert(key(n)) for n in range(16)]
    for i in flows[:8]:
        assert i is not None
        table.decide(i)
    assert table.victim() == flows[8]


def test_a_table_full_of_decided_flows_does_not_eat_each_new_one() -> None:
    table = FlowTable(16)
    for n in range(15):
        i = table.insert(key(n))
        assert i is not None
        table.decide(i)
    newcomer = table.insert(key(99))
    assert table.victim() != newcomer


def test_a_decided_flow_that_was_just_seen_gets_a_second_chance() -> None:
    table = FlowTable(4)
    flows = [table.insert(key(n)) for n in range(3)]
    for i in flows:
        assert i is not None
        table.decide(i)
    assert flows[0] is not None
    table.touch(flows[0], 5 * SECOND)
    assert table.victim() == flows[1]


def test_an_idle_flow_is_due_after_its_timeout_and_not_before() -> None:
    table = FlowTable(8)
    tcp, udp = table.insert(key(1), 0), table.insert(key(2, 17), 0)
    assert table.due(29 * SECOND) == []
    assert table.due(33 * SECOND) == [udp]
    assert table.due(59 * SECOND) == []
    assert table.due(63 * SECOND) == [tcp]


def test_a_flow_that_goes_on_is_not_due() -> None:
    table = FlowTable(8)
    i = table.insert(key(1, 17), 0)
    assert i is not None
    for second in range(0, 200, 10):
        table.touch(i, second * SECOND)
        assert table.due(second * SECOND) == []
    assert table.due(240 * SECOND) == [i]


def test_the_sweep_stays_within_its_budget_and_goes_on_later() -> None:
    table = FlowTable(64)
    flows = {table.insert(key(n, 17), 0) for n in range(50)}
    seen: set[int | None] = set()
    for _ in range(200):
        due = table.due(100 * SECOND, budget=4)
        assert len(due) <= 4
        for i in due:
            table.remove(i)
        seen |= set(due)
    assert seen == flows


def test_a_leap_of_years_does_not_cost_years_of_ticks() -> None:
    table = FlowTable(8)
    i = table.insert(key(1), 1)
    assert table.due(1 << 60, budget=5000) == [i]


def test_a_handshake_establishes_and_two_fins_close() -> None:
    table = FlowTable(8)
    i = table.insert(key(1))
    assert i is not None
    assert table.tcp(i, 0, SYN, 100) == (False, SYN_SEEN, 0)
    assert table.tcp(i, 1, SYN | ACK, 500) == (False, SYN_SEEN, 0)
    assert table.tcp(i, 0, ACK) == (False, ESTABLISHED, 0)
    assert table.tcp(i, 1, FIN | ACK) == (False, CLOSING, 0)
    assert table.tcp(i, 1, FIN | ACK) == (False, CLOSING, 0)  # sent again
    assert table.tcp(i, 0, FIN | ACK) == (False, CLOSED, 0)


def test_a_syn_ack_seen_first_means_that_the_other_side_opened() -> None:
    table = FlowTable(8)
    i = table.insert(key(1))
    assert i is not None
    assert table.tcp(i, 0, SYN | ACK, 500) == (False, SYN_SEEN, 1)


@pytest.mark.parametrize("end", [RST, RST | ACK])
def test_a_new_syn_on_a_closed_flow_is_another_connection_but_one_sent_again_is_not(end: int) -> None:
    table = FlowTable(8)
    i = table.insert(key(1))
    assert i is not None
    table.tcp(i, 0, SYN, 100)
    assert table.tcp(i, 1, end) == (False, CLOSED, 0)
    assert table.tcp(i, 0, SYN, 100)[0] is False
    assert table.tcp(i, 0, SYN, 101)[0] is True


def test_a_closed_flow_goes_soon() -> None:
    table = FlowTable(8)
    i = table.insert(key(1), 0)
    assert i is not None
    table.tcp(i, 0, SYN, 1)
    table.tcp(i, 0, ACK)
    table.touch(i, 5 * SECOND)
    table.tcp(i, 0, RST, now=5 * SECOND)
    assert table.due(24 * SECOND) == []
    assert table.due(29 * SECOND) == [i]


def test_a_name_is_kept_once_and_goes_with_its_last_flow() -> None:
    pool = StringPool(4)
    a, b = pool.keep(b"example.org"), pool.keep(b"example.org")
    assert a == b and a is not None and len(pool) == 1
    pool.drop(a)
    assert pool.text(a) == b"example.org"
    pool.drop(a)
    assert len(pool) == 0
    with pytest.raises(IndexError):
        pool.text(a)


def test_a_full_pool_refuses_new_names_and_counts_them_but_shares_the_old() -> None:
    pool = StringPool(2)
    assert [pool.keep(b"a"), pool.keep(b"b")] == [0, 1]
    assert pool.keep(b"c") is None and pool.refused == 1
    assert pool.keep(b"a") == 0
    assert pool.keep(b"") is None and pool.refused == 1
    pool.drop(1)
    assert pool.keep(b"c" * 255) == 1
