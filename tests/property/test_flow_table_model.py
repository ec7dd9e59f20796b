"""The flow table against a dict, under any sequence of operations."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dpi.flow.table import FlowTable

Key = tuple[bytes, int, bytes, int, int, int]

CAPACITY = 24


def key_of(n: int) -> Key:
    """One of 64 flows, close to each other in every field."""
    a, b = bytes(15) + bytes([n & 7]), bytes(15) + bytes([8 + (n >> 3 & 1)])
    return a, 1000 + (n >> 4 & 1), b, 443, n >> 5 & 1, 6


def reverse(key: Key) -> Key:
    src, sport, dst, dport, vlan, proto = key
    return dst, dport, src, sport, vlan, proto


class TableAgainstDict(RuleBasedStateMachine):
    """Whatever is inserted, removed, evicted and expired: what is in is found, from both sides; nothing else is."""

    def __init__(self) -> None:
        super().__init__()
        self.table = FlowTable(CAPACITY)
        self.model: dict[Key, int] = {}
        self.decided: set[int] = set()
        self.now = 0

    @rule(n=st.integers(0, 63))
    def insert(self, n: int) -> None:
        key = key_of(n)
        if key in self.model:
            return
        i = self.table.insert(key, self.now)
        if len(self.model) == CAPACITY:
            assert i is None
        else:
            assert i is not None and i not in self.model.values()
            self.model[key] = i

    def drop(self, i: int) -> None:
        self.table.remove(i)
        self.model = {k: v for k, v in self.model.items() if v != i}
        self.decided.discard(i)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.drop(data.draw(st.sampled_from(sorted(self.model.values()))))

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def decide(self, data: st.DataObject) -> None:
        i = data.draw(st.sampled_from(sorted(self.model.values())))
        self.table.decide(i)
        self.decided.add(i)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        self.table.touch(data.draw(st.sampled_from(sorted(self.model.values()))), self.now)

    @rule()
    def evict(self) -> None:
        i = self.table.victim()
        assert (i is None) == (not self.model)
        if i is not None:
            undecided = set(self.model.values()) - self.decided
            if len(undecided) > CAPACITY // 8:
                assert i in undecided
            self.drop(i)

    @rule(seconds=st.integers(0, 90))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * 1_000_000_000
        for i in self.table.due(self.now):
            self.drop(i)

    @invariant()
    def finds_what_is_in_and_nothing_else(self) -> None:
        assert len(self.table) == len(self.model)
        for n in range(64):
            key = key_of(n)
            i = self.model.get(key)
            assert self.table.find(key) == (None if i is None else (i, 0))
            assert self.table.find(reverse(key)) == (None if i is None else (i, 1))


TestTableAgainstDict = TableAgainstDict.TestCase
TestTableAgainstDict.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


@given(st.integers(1, 300), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_under_pressure_every_new_flow_finds_a_place(capacity: int, seed: int) -> None:
    rng = random.Random(seed)  # of its own, as this is more than hypothesis draws for one example
    table = FlowTable(capacity)
    for n in range(3 * capacity):
        key: Key = (rng.randbytes(16), n & 0xFFFF, bytes(16), 53, 0, 17)
        i = table.insert(key)
        while i is None:
            victim = table.victim()
            assert victim is not None
            table.remove(victim)
            i = table.insert(key)
        if rng.random() < 0.7:
            table.decide(i)
        assert table.find(key) == (i, 0)
    assert len(table) == min(capacity, 3 * capacity)
