"""The table of names agrees with a dict, and stands being used by several threads at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.match.names import Names

S = 1_000_000_000


def addr(n: int) -> bytes:
    return b"\x20\x01" + bytes(10) + n.to_bytes(4, "big")


@dataclass
class Claim:
    name: str
    label: int
    expires: int


Key = tuple[object, ...]
small = st.integers(0, 3)
step = st.tuples(
    st.sampled_from(["learn", "server"]),
    small,  # client, 0 for none
    small,  # server
    st.sampled_from(["a.example", "b.example", "c.example"]),
    st.sampled_from([0, 1, 2]),  # label
    st.sampled_from([1, 400, 4000, 100_000]),  # TTL
    st.integers(0, 600),  # seconds since the step before
)


@given(st.lists(step, max_size=40))
def test_it_finds_what_a_dict_of_all_claims_would(steps: list[tuple[str, int, int, str, int, int, int]]) -> None:
    names = Names()
    claims: dict[Key, list[Claim]] = {}
    now = 0
    for what, client, server, name, label, ttl, later in steps:
        now += later * S
        if what == "learn":
            life = min(max(ttl, 300), 86400)
            names.learn(addr(client) if client else None, addr(server), name, ttl, label, now, 1)
            keys: list[Key] = [(server,)] + ([(client, server)] if client else [])
        else:
            life = 3600
            names.learn_server(addr(server), 443, 6, name, label, now, 2)
            keys = [(server, 443, 6)]
        for key in keys:
            claims.setdefault(key, []).append(Claim(name, label, now + life * S))
        for asked in range(4):
            own = claims.get((asked, server), []) if asked else []
            anyone = claims.get((server,), [])
            found = names.find(addr(asked) if asked else None, addr(server), now)
            check(found, own if is_alive(own, now) else anyone, now)
        check(names.find_server(addr(server), 443, 6, now), claims.get((server, 443, 6), []), now)


def same(a: Claim, b: Claim) -> bool:
    return a.label == b.label and (a.label != 0 or a.name == b.name)


def is_alive(claims: list[Claim], now: int) -> bool:
    """The newest claim counts, for as long as it or an equal one directly before it holds."""
    return bool(claims) and life(claims, now) > now


def life(claims: list[Claim], now: int) -> int:
    end = claims[-1].expires
    for before in reversed(claims[:-1]):
        if not same(before, claims[-1]):
            break
        end = max(end, before.expires)
    return end


def check(found: dict[str, object] | None, claims: list[Claim], now: int) -> None:
    if not is_alive(claims, now):
        assert found is None
        return
    assert found is not None
    assert (found["name"], found["label"]) == (claims[-1].name, claims[-1].label)
    others = [c for c in claims if not same(c, claims[-1]) and c.expires > now]
    if not others:
        # equal claims that a different one interrupted may be remembered as "another"
        assert not found["ambiguous"] or any(not same(c, claims[-1]) for c in claims)
    else:
        assert found["ambiguous"]


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([1, 4096]))
def test_threads_never_see_a_mixed_entry(seed: int, capacity: int) -> None:
    names = Names(capacity)
    wrong: list[object] = []

    def hammer(start: int) -> None:
        for i in range(4000):
            n = (start * 31 + i * 7 + seed) % 200
            label = n % 50 + 1
            names.learn(addr(n % 11), addr(n), f"{n}." * (n % 20 + 1) + "example", 300, label, i * S // 100, 1)
            hit = names.find(addr(n % 11), addr((n + i) % 200), i * S // 100)
            if hit:
                who = int(hit["name"].split(".")[0])
                if hit["label"] != who % 50 + 1 or hit["name"] != f"{who}." * (who % 20 + 1) + "example":
                    wrong.append(hit)
            if i % 1000 == 0:
                for e in names.entries(i * S // 100):
                    if e["name"].split(".")[0] != str(int.from_bytes(e["server"][-4:], "big")):
                        wrong.append(e)

    threads = [threading.Thread(target=hammer, args=(k,)) for k in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
