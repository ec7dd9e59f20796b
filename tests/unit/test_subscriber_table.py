"""Whose an address or a flow is: what is written counts before what is learnt, that before a VLAN."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dpi.policy.plan import Branch, Shape, SubscriberPlan
from dpi.record.reader import record_of
from dpi.subscriber_table import Learnt, SubscriberTable

MAC, OTHER = "02:11:22:33:44:55", "02:11:22:33:44:66"
SHAPE = Shape(1, 1, 1)


def branch(name: str, number: int, *prefixes: str, macs: tuple[str, ...] = (), vlans: tuple[int, ...] = ()) -> Branch:
    return Branch(name, number, 0, SHAPE, SHAPE, prefixes, "t", macs, vlans)


PLAN = SubscriberPlan(
    0,
    (),
    (
        branch("whole", 1, "10.0.0.0/24"),
        branch("device", 2, macs=(MAC,)),
        branch("flat", 3, vlans=(7,)),
        branch("default/", 4),
    ),
    default=4,
)


@pytest.fixture
def table() -> SubscriberTable:
    found = SubscriberTable(PLAN)
    found.learn({"10.0.0.5": Learnt(MAC, 1.0), "10.0.1.5": Learnt(MAC, 2.0), "10.0.1.6": Learnt(OTHER, 3.0)})
    return found


@pytest.mark.parametrize(
    ("address", "mac", "vlan", "owner"),
    [
        ("10.0.0.5", MAC, 7, ("whole", "address", "10.0.0.0/24")),
        ("10.0.1.5", None, 7, ("device", "mac", MAC)),
        ("10.0.1.9", MAC, 7, ("device", "mac", MAC)),
        ("10.0.1.9", OTHER, 7, ("flat", "vlan", "7")),
        ("10.0.1.6", None, 0, ("default/", "default", "")),
        ("2001:db8::1", MAC, 0, ("device", "mac", MAC)),
    ],
)
def test_the_surest_key_counts(
    table: SubscriberTable, address: str, mac: str | None, vlan: int, owner: tuple[str, ...]
) -> None:
    found = table.owner(address, mac, vlan)
    assert found and (found.branch.name, found.kind, found.key) == owner
    told = {"src": address, "dst": "192.0.2.1", "l4": "tcp", "mac": mac, "vlan": vlan, "direction": "out"}
    record = record_of(told)
    assert record and table.of_flow(record) is found.branch
    inward = replace(record, src="192.0.2.1", dst=address, direction="in")
    assert table.of_flow(inward) is found.branch


def test_without_a_default_a_stranger_is_nobody() -> None:
    table = SubscriberTable(replace(PLAN, branches=PLAN.branches[:-1], default=0))
    assert table.of("10.0.1.9") is None
    assert SubscriberTable(None).of("10.0.1.9") is None


def test_the_addresses_of_a_device_are_its_subscribers(table: SubscriberTable) -> None:
    device = next(b for b in PLAN.branches if b.name == "device")
    assert table.learnt_of(device) == ["10.0.0.5", "10.0.1.5"]
    assert "10.0.1.6" not in table.learnt, "whose MAC address is nobody's"
    assert table.is_written("10.0.0.5") and not table.is_written("10.0.1.5")
