"""The table of names: what it tells of an address, for how long, and with what reservation."""

from __future__ import annotations

import pytest

from dpi.match.names import Names

S = 1_000_000_000
DNS, SNI = 8, 1  # any two methods


def addr(n: int) -> bytes:
    return bytes(10) + b"\xff\xff" + n.to_bytes(4, "big")


CLIENT, OTHER, SERVER = addr(1), addr(2), addr(100)


def test_a_clients_own_lookup_goes_before_that_of_others() -> None:
    names = Names()
    names.learn(CLIENT, SERVER, "mine.example", 600, 1, 0, DNS)
    names.learn(OTHER, SERVER, "theirs.example", 600, 2, S, DNS)
    mine = names.find(CLIENT, SERVER, 2 * S)
    assert mine == {
        "name": "mine.example", "label": 1, "source": DNS, "own": True, "ambiguous": False, "learnt": 0,
    }  # fmt: skip
    nobodys = names.find(addr(3), SERVER, 2 * S)
    assert nobodys is not None
    assert (nobodys["name"], nobodys["own"], nobodys["ambiguous"]) == ("theirs.example", False, True)
    assert names.find(None, SERVER, 2 * S) == nobodys
    assert names.find(CLIENT, addr(101), 2 * S) is None


@pytest.mark.parametrize(("ttl", "seconds"), [(0, 300), (20, 300), (301, 301), (86400, 86400), (2**32 - 1, 86400)])
def test_a_ttl_counts_between_five_minutes_and_a_day(ttl: int, seconds: int) -> None:
    names = Names()
    names.learn(CLIENT, SERVER, "a.example", ttl, 0, 5 * S, DNS)
    assert names.find(CLIENT, SERVER, (5 + seconds) * S - 1)
    assert names.find(CLIENT, SERVER, (5 + seconds) * S) is None


def test_a_shorter_ttl_does_not_cut_the_same_names_life() -> None:
    names = Names()
    names.learn(CLIENT, SERVER, "a.example", 3000, 4, 0, DNS)
    names.learn(CLIENT, SERVER, "b.example", 300, 4, S, DNS)
    hit = names.find(CLIENT, SERVER, 2999 * S)
    assert hit is not None and hit["name"] == "b.example" and not hit["ambiguous"]


def test_an_address_is_ambiguous_as_long_as_another_apps_name_is_valid() -> None:
    names = Names()
    names.learn(None, SERVER, "a.example", 1000, 1, 0, DNS)
    names.learn(None, SERVER, "b.example", 5000, 2, 10 * S, DNS)
    for now, ambiguous in ((11, True), (999, True), (1000, False), (5009, False)):
        hit = names.find(None, SERVER, now * S)
        assert hit is not None and hit["label"] == 2 and hit["ambiguous"] is ambiguous, now


def test_two_names_of_one_app_are_not_ambiguous_two_unknown_ones_are() -> None:
    names = Names()
    names.learn(None, SERVER, "a.example", 1000, 7, 0, DNS)
    names.learn(None, SERVER, "b.example", 1000, 7, 0, DNS)
    hit = names.find(None, SERVER, S)
    assert hit is not None and not hit["ambiguous"]
    names.learn(None, addr(9), "a.example", 1000, 0, 0, DNS)
    names.learn(None, addr(9), "b.example", 1000, 0, 0, DNS)
    hit = names.find(None, addr(9), S)
    assert hit is not None and hit["ambiguous"]


def test_servers_are_known_by_port_and_protocol() -> None:
    names = Names()
    names.learn_server(SERVER, 443, 6, "www.example", 3, 0, SNI)
    hit = names.find_server(SERVER, 443, 6, S)
    assert hit is not None and hit["name"] == "www.example" and hit["source"] == SNI
    assert names.find_server(SERVER, 443, 17, S) is None
    assert names.find_server(SERVER, 80, 6, S) is None
    assert names.find(None, SERVER, S) is None
    assert names.find_server(SERVER, 443, 6, 3600 * S) is None


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("", ""),
        ("a" * 127, "a" * 127),
        ("x." + "a" * 63 + "." + "b" * 62, "a" * 63 + "." + "b" * 62),
        (".".join(["label"] * 40), ".".join(["label"] * 21)),
        ("z" * 200, "z" * 127),
        ("z" * 200 + ".", "z" * 126 + "."),
    ],
)
def test_of_a_name_that_is_too_long_the_last_labels_are_kept(name: str, kept: str) -> None:
    names = Names()
    names.learn(CLIENT, SERVER, name, 600, 1, 0, DNS)
    hit = names.find(CLIENT, SERVER, S)
    assert hit is not None and hit["name"] == kept


def test_a_full_table_forgets_what_is_expired_then_what_is_oldest() -> None:
    for _ in range(100):  # each has its own random key, and with none may neighbours' addresses crowd into few shards
        names = Names(capacity=1)  # one set of sixteen in each of 16 shards
        for i in range(4000):
            names.learn_server(addr(i), 443, 6, f"h{i}.example", 1, i * S, SNI)
        counters = names.counters()
        assert counters["entries"] == names.capacity == 256
        assert counters["evicted"] > 0
        kept = sorted(e["learnt"] // S for e in names.entries(4000 * S))
        assert len(kept) == 256 and kept[-1] == 3999 and kept[0] > 3000
        assert names.find_server(addr(3999), 443, 6, 4000 * S)
        assert names.find_server(addr(0), 443, 6, S) is None


def test_few_are_forgotten_before_the_table_is_full() -> None:
    for full, lost in ((0.5, 0.003), (0.75, 0.04)):
        names = Names(capacity=16384)
        n = int(names.capacity * full)
        for i in range(n):
            names.learn_server(addr(i), 443, 6, "a.example", 1, 0, SNI)
        assert names.counters()["evicted"] < lost * n


def test_entries_tell_everything_and_skip_what_has_expired() -> None:
    names = Names()
    names.learn(CLIENT, SERVER, "a.example", 600, 1, 0, DNS)
    names.learn_server(SERVER, 443, 17, "b.example", 2, 0, SNI)
    seen = {e["kind"]: e for e in names.entries(S)}
    assert set(seen) == {"client", "address", "server"}
    assert seen["client"]["client"] == CLIENT and seen["address"]["client"] is None
    assert (seen["server"]["port"], seen["server"]["proto"], seen["server"]["name"]) == (443, 17, "b.example")
    assert seen["client"]["expires"] == 600 * S and not seen["client"]["ambiguous"]
    assert [e["kind"] for e in names.entries(601 * S)] == ["server"]
    assert not list(names.entries(3600 * S))


def test_addresses_of_another_length_are_refused() -> None:
    names = Names()
    with pytest.raises(ValueError, match="16 bytes"):
        names.learn(CLIENT, b"\x7f\0\0\1", "a.example", 1, 0, 0, DNS)
    with pytest.raises(ValueError, match="16 bytes"):
        names.find(b"", SERVER, 0)


def test_an_end_of_a_call_is_known_for_some_minutes_before_and_after() -> None:
    names = Names(1024)
    names.learn_caller(CLIENT, 5000, 17, 7, 1000 * S)
    assert names.find_caller(CLIENT, 5000, 17, 1100 * S) == 7
    assert names.find_caller(CLIENT, 5000, 17, 900 * S) == 7
    assert names.find_caller(CLIENT, 5000, 17, 1301 * S) == 0
    assert names.find_caller(CLIENT, 5000, 17, 600 * S) == 0
    assert names.find_caller(CLIENT, 5001, 17, 1000 * S) == 0
    names.learn_caller(CLIENT, 5000, 17, 8, 1001 * S)  # two apps: it tells nothing
    assert names.find_caller(CLIENT, 5000, 17, 1002 * S) == 0


def test_repeatable_tables_forget_the_same_and_others_do_not() -> None:
    def left(repeatable: bool) -> set[int]:
        names = Names(1024, repeatable)
        for n in range(4000):
            names.learn(CLIENT, addr(n), "a.example", 600, 1, n, DNS)
        return {n for n in range(4000) if names.find(CLIENT, addr(n), 4000)}

    assert left(True) == left(True) and len(left(True)) < 4000
    assert left(False) != left(False)
