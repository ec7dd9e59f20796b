"""The maps that say which subscriber a packet is of: which there are, and what they hold by the plan.

The LAN's address is looked up in one hash map for each length of prefix that there is, the shortest first, so that the
longest counts: what a packet costs depends on how many lengths there are, not on how many subscribers.  The map
gives the branch's first class.

Before that, what is less sure: the VLAN (a router's LAN device), then the MAC address.  A bridge sees these in the
frame.  A router knows a device by its address alone, which the daemon learns of the kernel's neighbours
(enforce/neighbours.py) and keeps in maps of their own, which are no part of a plan.

Where classes are made on demand, the map says so of a branch that has none now (ASLEEP).
"""

from __future__ import annotations

import socket
from collections.abc import Container, Iterator

from dpi.enforce.names import TREE_SHIFT, classid_text
from dpi.policy.plan import Branch, KernelPlan, SubscriberPlan

TABLE = "dpi_subscribers"
BY_DEVICE, BY_VLAN, BY_MAC = "by_device", "by_vlan", "by_mac"
SEEN = {BY_DEVICE: "devices", BY_VLAN: "VLANs", BY_MAC: "MAC addresses"}
LEARNT = {4: "learnt4", 6: "learnt6"}
WANTED = "wanted"  # the set of branches without classes that have traffic
NO_DIRECTION = 0x00FF0000  # bits of a class's number that say the direction, not set in the maps
ASLEEP = 1 << 30  # beside a branch's number: it has no classes now
NO_CLASS = NO_DIRECTION  # these bits in a map say the same: no direction has all of them

Hosts = dict[bytes, int]  # packed network, MAC address … → number of the branch, with ASLEEP where it has no classes


def map_name(version: int, length: int) -> str:
    return f"host{version}_{length}"


def of_name(name: str) -> tuple[int, int]:
    """IP version and length; the inverse of map_name()."""
    version, _, length = name.removeprefix("host").partition("_")
    return int(version), int(length)


def lengths(subscribers: SubscriberPlan) -> list[tuple[int, int]]:
    """(IP version, length) of all prefixes, the shortest first."""
    found = {(":" in text, text[text.index("/") + 1 :]) for b in subscribers.branches for text in b.prefixes}
    return sorted((6 if colon else 4, int(length)) for colon, length in found)


def learns(plan: KernelPlan) -> bool:
    """Whether there are subscribers whose addresses are to be learnt."""
    branches = plan.subscribers.branches if plan.subscribers else ()
    return plan.mode == "router" and any(b.macs for b in branches)


def maps(plan: KernelPlan) -> Iterator[tuple[str, str]]:
    """Name and type, in the order in which they are asked: the last that knows a packet counts."""
    subscribers = plan.subscribers
    assert subscribers
    if any(b.vlans for b in subscribers.branches):
        by_tag = BY_VLAN, "typeof vlan id : meta priority"
        yield by_tag if plan.mode == "bridge" else (BY_DEVICE, "type ifname : classid")
    if learns(plan):
        yield from ((name, f"type ipv{version}_addr : classid") for version, name in LEARNT.items())
    elif any(b.macs for b in subscribers.branches):
        yield BY_MAC, "type ether_addr : classid"
    for version, length in lengths(subscribers):
        yield map_name(version, length), f"type ipv{version}_addr : classid"


def hosts(plan: KernelPlan, asleep: Container[str] = ()) -> dict[str, Hosts]:
    """By name of the map; without what is learnt.  `asleep`: names of subscribers without classes."""
    assert plan.subscribers
    found: dict[str, Hosts] = {name: {} for name, _ in maps(plan) if name not in LEARNT.values()}
    for branch in plan.subscribers.branches:
        number = branch.number | (ASLEEP if branch.name in asleep else 0)
        for name, key in keys(plan, branch):
            found[name][key] = number
    return found


def keys(plan: KernelPlan, branch: Branch) -> Iterator[tuple[str, bytes]]:
    """Where a subscriber stands: map and key."""
    for text in branch.prefixes:
        yield map_name(*_version_and_length(text)), packed(text[: text.index("/")])
    if plan.mode == "bridge":
        yield from ((BY_MAC, bytes.fromhex(mac.replace(":", ""))) for mac in branch.macs)
        yield from ((BY_VLAN, vlan.to_bytes(2, "big")) for vlan in branch.vlans)
    elif branch.vlans:
        devices = (i.name for i in plan.interfaces if i.role == "lan" and i.vlan in branch.vlans)
        yield from ((BY_DEVICE, device.encode().ljust(16, b"\0")) for device in devices)


def packed(address: str) -> bytes:
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _version_and_length(prefix: str) -> tuple[int, int]:
    return 6 if ":" in prefix else 4, int(prefix[prefix.index("/") + 1 :])


def kernel_number(number: int) -> int:
    """A branch's number as it stands in a map: a class's, whose tree is above the direction's bits."""
    asleep, number = NO_CLASS if number & ASLEEP else 0, number & ~ASLEEP
    return number >> 16 << 16 + TREE_SHIFT | asleep | number & 0xFFFF


def branch_number(value: int) -> int:
    """The inverse of kernel_number()."""
    asleep = ASLEEP if value & NO_CLASS == NO_CLASS else 0
    return asleep | value >> 16 + TREE_SHIFT << 16 | value & 0xFFFF


def number_text(number: int) -> str:
    """A branch's number as nft takes it."""
    value = kernel_number(number)
    return classid_text(value >> 16, value & 0xFFFF)
