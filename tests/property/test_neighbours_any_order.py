"""What is learnt of neighbours does not depend on the order in which they are told of, and is bounded."""

from __future__ import annotations

import random
from itertools import groupby

from hypothesis import given, settings
from hypothesis import strategies as st

from dpi.daemon.neighbours import GONE_SECONDS, MOST, Addresses
from dpi.enforce.neighbours import Neighbour

MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03", "02:00:00:00:00:04"]
OWNERS = {MACS[0]: "a", MACS[1]: "a", MACS[2]: "b"}
ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1", "2001:db8::2", "fe80::1", "ff02::1"]
LAN = (2, 3)

events = st.lists(
    st.builds(Neighbour, st.sampled_from([*LAN, 9]), st.sampled_from(ADDRESSES), st.sampled_from([*MACS, None])),
    max_size=40,
)
Told = list[tuple[float, Neighbour]]


def table(told: Told, end: float) -> dict[str, tuple[str, float]]:
    addresses = Addresses()
    addresses.use(OWNERS, LAN)
    for now, each in told:
        addresses.tell(each, now)
    addresses.forget(end)
    return {**addresses.table(OWNERS.get, lambda address: address == "10.0.0.3")}


@given(events, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_any_order_of_news_of_different_neighbours_ends_in_the_same_table(
    some: list[Neighbour], chance: random.Random
) -> None:
    told: Told = [(float(n), each) for n, each in enumerate(some)]
    expected = table(told, 100.0)
    # Any interleaving that keeps the order of what is told of each one
    queues = [list(found) for _, found in groupby(sorted(told, key=_which), key=_which)]
    mixed: Told = []
    while queues := [queue for queue in queues if queue]:
        mixed.append(chance.choice(queues).pop(0))
    assert table(mixed, 100.0) == expected


def _which(told: tuple[float, Neighbour]) -> tuple[int, str]:
    return told[1].interface, told[1].address


@given(events)
@settings(deadline=None)
def test_a_look_at_all_is_as_good_as_the_news_that_were_lost(some: list[Neighbour]) -> None:
    seen, looked = Addresses(), Addresses()
    there: dict[tuple[int, str], Neighbour] = {}
    for one in (seen, looked):
        one.use(OWNERS, LAN)
    for each in some:
        seen.tell(each, 1.0)
        there.pop((each.interface, each.address), None)
        if each.mac:
            there[each.interface, each.address] = each
    looked.all(there.values(), 1.0)
    seen.forget(1.0 + GONE_SECONDS)
    looked.forget(1.0 + GONE_SECONDS)
    assert seen.table(OWNERS.get, lambda _: False) == looked.table(OWNERS.get, lambda _: False)


@given(events)
@settings(deadline=None)
def test_an_address_is_of_whom_it_was_told_last_and_never_of_a_stranger_nor_one_that_is_written(
    some: list[Neighbour],
) -> None:
    found = table([(float(n), each) for n, each in enumerate(some)], 100.0)
    assert "10.0.0.3" not in found and not any(address.startswith(("fe80", "ff02")) for address in found)
    for address, (mac, since) in found.items():
        assert some[int(since)][1:] == (address, mac) and mac in OWNERS


def test_one_has_so_many_addresses_and_the_newest_count() -> None:
    addresses = Addresses()
    addresses.use(OWNERS, LAN)
    for n in range(MOST + 100):
        addresses.tell(Neighbour(2, f"10.1.{n >> 8}.{n & 255}", MACS[0]), float(n))
    addresses.tell(Neighbour(2, "10.2.0.1", MACS[2]), 0.0)
    found = addresses.table(OWNERS.get, lambda _: False)
    assert len(found) == MOST + 1 and "10.2.0.1" in found and "10.1.0.99" not in found and "10.1.0.163" in found


def test_an_address_stays_for_a_while_when_its_neighbour_is_gone_and_goes_at_once_to_another() -> None:
    addresses = Addresses()
    addresses.use(OWNERS, LAN)

    def owner(now: float) -> str | None:
        addresses.forget(now)
        found = addresses.table(OWNERS.get, lambda _: False).get("10.0.0.1")
        return OWNERS[found.mac] if found else None

    addresses.tell(Neighbour(2, "10.0.0.1", MACS[0]), 1.0)
    addresses.tell(Neighbour(2, "10.0.0.1", None), 2.0)
    assert owner(2.0 + GONE_SECONDS - 1) == "a" and owner(2.0 + GONE_SECONDS) is None
    addresses.tell(Neighbour(2, "10.0.0.1", MACS[0]), 1000.0)
    addresses.tell(Neighbour(2, "10.0.0.1", None), 1001.0)
    addresses.tell(Neighbour(3, "10.0.0.1", MACS[2]), 1000.5)  # on another device, and there
    assert owner(1001.0) == "b"
    addresses.tell(Neighbour(3, "10.0.0.1", MACS[3]), 1002.0)  # a stranger has taken it there
    addresses.use({MACS[2]: "b"}, LAN)
    assert owner(1002.0) is None
