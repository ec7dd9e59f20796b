"""Which subscriber a packet is of: a table of its own, right behind the one that decides.

The LAN's address is looked up in one hash map for each length of prefix that there is, the shortest first, so that the
longest counts: what a packet costs depends on how many lengths there are, not on how many subscribers.  The map
gives the branch's first class; the rule's class within it is one OR of a constant, and so is the direction.
A branch that is one class alone has every bit of an offset set already, and stays what it is.

Where classes are made on demand, the map says so of a branch that has none now (ASLEEP).  Its packets stay in the
link's classes, and its number is noted in a set, for the daemon to make the branch.  A packet from outside that nobody
asked for is no demand, or every scan of the Internet would wake all; many of them are.

Before that, what is less sure: the VLAN (a router's LAN device), then the MAC address.  A bridge sees these in the
frame.  A router knows a device by its address alone, which the daemon learns of the kernel's neighbours
(enforce/neighbours.py) and keeps in maps of their own, which are no part of a plan.

The chains are nft's business as everywhere.  The elements are packed here: twenty thousand of them take nft seconds,
and us some tenths of one.  Elements change in one transaction.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
import sys
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from dpi.enforce.names import MAJORS, TREE_SHIFT, Family, classid, classid_text
from dpi.enforce.netlink import (
    ACK,
    ATTRIBUTE,
    REQUEST,
    Netlink,
    attribute,
    attributes,
    message,
    nested,
    netfilter,
    nfgen,
)
from dpi.enforce.nft.elements import BATCH_BEGIN, BATCH_END, CREATE, DELETE_ELEMENT, FAMILIES, NEW_ELEMENT, NFTABLES
from dpi.enforce.nft.proxies import proxied_to_clients
from dpi.enforce.nft.text import directions
from dpi.enforce.nft.view import DIRECTIONS, Facts, family
from dpi.enforce.resource import Handles, Key, Resource
from dpi.enforce.run import attempt, first_line, in_scratch
from dpi.errors import KernelError
from dpi.policy.plan import Branch, Direction, KernelPlan, SubscriberPlan

TABLE = "dpi_subscribers"
GET_ELEMENT = NFTABLES << 8 | 13
SIZES = {4: 32, 6: 128}
ADDRESSES = 1000  # elements of one message, whose attributes cannot be longer than 64 kB
BY_DEVICE, BY_VLAN, BY_MAC = "by_device", "by_vlan", "by_mac"
SEEN = {BY_DEVICE: "devices", BY_VLAN: "VLANs", BY_MAC: "MAC addresses"}
LEARNT = {4: "learnt4", 6: "learnt6"}
HELD = re.compile(rf"\tmap (host\w+|{'|'.join(SEEN)}) \{{")
NO_DIRECTION = 0x00FF0000  # bits of a class's number that say the direction, not set in the maps

# nft lists what a priority is masked or compared with as a class, and takes it as a number alone.
LISTED_AS_CLASS = re.compile(r"(?:(?<=priority [|&] )|(?<=== ))([0-9a-f]+:[0-9a-f]+|none)")

ASLEEP = 1 << 30  # beside a branch's number: it has no classes now
NO_CLASS = NO_DIRECTION  # these bits in a map say the same: no direction has all of them
WANTED, NOISY = "wanted", "noisy"  # sets of branches without classes: with traffic; with some that nobody asked for
WANTED_SIZE = 65536
WANTED_SECONDS = 5  # after the last packet; the daemon looks more often
NOISE = 1_000  # bytes a second to a subscriber that count as nothing; what scans the Internet sends is a tenth of it

Hosts = dict[bytes, int]  # packed network, MAC address … → number of the branch, with ASLEEP where it has no classes


def map_name(version: int, length: int) -> str:
    return f"host{version}_{length}"


def text(plan: KernelPlan, facts: Facts) -> str:
    """The table without elements, as `nft -f` takes it."""
    subscribers = plan.subscribers
    assert subscribers
    lines = [f"table {family(plan)} {TABLE} {{"]
    lines += [f"\tmap {name} {{ {kind}; }}" for name, kind in _maps(plan)]
    if subscribers.on_demand:
        for name, timeout in ((WANTED, f"{WANTED_SECONDS}s"), (NOISY, "1m")):
            body = f"type classid; size {WANTED_SIZE}; flags dynamic,timeout; timeout {timeout};"
            lines.append(f"\tset {name} {{ {body} }}")
    for direction in DIRECTIONS:
        lines += _shares(plan, subscribers, direction)
        if subscribers.on_demand:
            lines += [f"\tchain asleep_{direction} {{", *(f"\t\t{rule}" for rule in _asleep(plan, direction)), "\t}"]
        lines += [f"\tchain {direction} {{", *(f"\t\t{rule}" for rule in _chain(plan, subscribers, direction)), "\t}"]
    rules, one_armed = directions(plan, facts)
    if one_armed:
        lines += ["\tchain one_armed {", *(f"\t\t{rule}" for rule in one_armed), "\t}"]
    lines += ["\tchain forward {", "\t\ttype filter hook forward priority -148; policy accept;"]
    lines += [*(f"\t\t{rule}" for rule in rules), "\t}"]
    if any(route.here for route in plan.routes):
        lines += ["\tchain answered {", "\t\ttype filter hook output priority -148; policy accept;"]
        lines += [f"\t\t{proxied_to_clients(plan)} goto down", "\t}"]
    lines += ["}"]
    return "\n".join(lines) + "\n"


def lengths(subscribers: SubscriberPlan) -> list[tuple[int, int]]:
    """(IP version, length) of all prefixes, the shortest first."""
    found = {(":" in text, text[text.index("/") + 1 :]) for b in subscribers.branches for text in b.prefixes}
    return sorted((6 if colon else 4, int(length)) for colon, length in found)


def learns(plan: KernelPlan) -> bool:
    """Whether there are subscribers whose addresses are to be learnt."""
    branches = plan.subscribers.branches if plan.subscribers else ()
    return plan.mode == "router" and any(b.macs for b in branches)


def _maps(plan: KernelPlan) -> Iterator[tuple[str, str]]:
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


def _asked(name: str, direction: Direction) -> str:
    """What is looked up in a map."""
    far = "saddr" if direction == "up" else "daddr"
    if name == BY_DEVICE:
        return "iifname" if direction == "up" else "oifname"
    if name in SEEN:
        return "vlan id" if name == BY_VLAN else f"ether {far}"
    version, length = (4, 32) if name == LEARNT[4] else (6, 128) if name == LEARNT[6] else _of_name(name)
    bits = SIZES[version]
    mask = ((1 << length) - 1 << (bits - length)).to_bytes(bits // 8, "big")
    kind = socket.AF_INET if version == 4 else socket.AF_INET6
    return f"{'ip' if version == 4 else 'ip6'} {far}" + ("" if length == bits else f" & {socket.inet_ntop(kind, mask)}")


def _of_name(name: str) -> tuple[int, int]:
    version, _, length = name.removeprefix("host").partition("_")
    return int(version), int(length)


def hosts(plan: KernelPlan, asleep: Container[str] = ()) -> dict[str, Hosts]:
    """By name of the map; without what is learnt.  `asleep`: names of subscribers without classes."""
    assert plan.subscribers
    found: dict[str, Hosts] = {name: {} for name, _ in _maps(plan) if name not in LEARNT.values()}
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


def _offsets(plan: KernelPlan, subscribers: SubscriberPlan) -> dict[int, int]:
    """Disposition → offset of its class, where that is not the one of all other traffic."""
    offsets = dict(subscribers.shares[1:])
    return {d.number: offsets[d.class_] for d in plan.dispositions if d.class_ in offsets}


def _shares(plan: KernelPlan, subscribers: SubscriberPlan, direction: Direction) -> Iterator[str]:
    for offset in sorted(set(_offsets(plan, subscribers).values())):
        number = classid(MAJORS[direction], offset)
        yield f"\tchain {direction}_{offset} {{ meta priority set meta priority | {number:#010x}; }}"


def _chain(plan: KernelPlan, subscribers: SubscriberPlan, direction: Direction) -> Iterator[str]:
    exempt = ", ".join(f"{plan.marks.disposition(d.number):#010x} : accept" for d in plan.dispositions if d.exempt)
    if exempt:
        yield f"ct mark & {plan.marks.disposition_mask:#010x} vmap {{ {exempt} }}"
    if subscribers.default:
        yield f"meta priority set {_number_text(subscribers.default)}"
    for name, _ in _maps(plan):
        yield f"meta priority set {_asked(name, direction)} map @{name}"
    if subscribers.on_demand:
        yield f"meta priority & {NO_DIRECTION:#010x} == {NO_CLASS:#010x} goto asleep_{direction}"
    found = f"meta priority & {NO_DIRECTION:#010x} == 0x0"
    offsets = _offsets(plan, subscribers)
    if offsets:
        # No named map: its elements would not be listed where the hosts' are not.
        ways = [f"{plan.marks.disposition(n):#010x} : jump {direction}_{offset}" for n, offset in offsets.items()]
        for mark in ("ct mark", "ct state invalid meta mark"):
            yield f"{found} {mark} & {plan.marks.disposition_mask:#010x} vmap {{ {', '.join(ways)} }}"
    rest = subscribers.shares[0][1] if subscribers.shares else 0
    yield f"{found} meta priority set meta priority | {classid(MAJORS[direction], rest):#010x}"
    bits = plan.marks.route_mask | plan.marks.disposition_mask
    for tree in range(1, subscribers.trees + 1):
        # The connection has its decision: these bits of the packet's mark are free to say which IFB.
        major = MAJORS[direction] | tree << TREE_SHIFT
        tag = tree_tag(plan, tree)
        keep = ~bits & 0xFFFFFFFF
        yield f"meta priority & 0xffff0000 == {major << 16:#010x} meta mark set meta mark & {keep:#010x} | {tag:#010x}"


def _asleep(plan: KernelPlan, direction: Direction) -> Iterator[str]:
    """Notes whose branch is wanted; then the packet gets the link's class back, as the table before has given it."""
    note = f"update @{WANTED} {{ meta priority }}"
    yield f"ct status assured {note}"
    if direction == "up":
        yield f"ct direction original {note}"
    else:
        above = f"limit rate over {NOISE} bytes/second burst {16 * NOISE} bytes"
        yield f"update @{NOISY} {{ meta priority {above} }} {note}"
    tree = next(tree for tree in plan.trees if tree.direction == direction)
    minors = {c.name: c.minor for c in tree.classes}
    yield f"meta priority set {_class_text(direction, minors[tree.default])}"
    others = [
        f"{plan.marks.disposition(d.number):#010x} : {_class_text(direction, minors[d.class_])}"
        for d in plan.dispositions
        if d.class_ in minors and d.class_ != tree.default
    ]
    if others:
        yield f"meta priority set ct mark & {plan.marks.disposition_mask:#010x} map {{ {', '.join(others)} }}"


def _class_text(direction: Direction, minor: int) -> str:
    return classid_text(MAJORS[direction], minor)


def tree_tag(plan: KernelPlan, tree: int) -> int:
    """The packet's mark, under the route's and the disposition's bits, of what goes by a tree's IFB."""
    return plan.marks.route_mask | tree << plan.marks.shift


def kernel_number(number: int) -> int:
    """A branch's number as it stands in a map: a class's, whose tree is above the direction's bits."""
    asleep, number = NO_CLASS if number & ASLEEP else 0, number & ~ASLEEP
    return number >> 16 << 16 + TREE_SHIFT | asleep | number & 0xFFFF


def branch_number(value: int) -> int:
    """The inverse of kernel_number()."""
    asleep = ASLEEP if value & NO_CLASS == NO_CLASS else 0
    return asleep | value >> 16 + TREE_SHIFT << 16 | value & 0xFFFF


def _number_text(number: int) -> str:
    value = kernel_number(number)
    return classid_text(value >> 16, value & 0xFFFF)


@dataclass(frozen=True)
class HostTable(Resource):
    """The table and what its maps hold.  Other hosts are elements that change; other chains or maps make it anew."""

    kind: ClassVar[str] = "hosts"
    rank: ClassVar[int] = 9

    family: Family
    listing: str  # without elements, in nft's own spelling
    maps: dict[str, Hosts]

    @property
    def key(self) -> Key:
        return (self.kind, self.family)

    def title(self) -> str:
        return f"nft table {self.family} {TABLE}"

    def words(self) -> str:
        held = [number for hosts_ in self.maps.values() for number in hosts_.values()]
        asleep = sum(number & ASLEEP > 0 for number in held)
        return f"{len(held)} addresses and prefixes of subscribers" + (f", {asleep} without traffic" if asleep else "")

    def difference(self, before: Resource) -> str:
        assert isinstance(before, HostTable)
        words = [] if self.listing == before.listing else ["other chains or maps"]
        for name in sorted(self.maps.keys() | before.maps.keys()):
            old, new = before.maps.get(name, {}), self.maps.get(name, {})
            if old != new:
                moved = sum(old[key] != number for key, number in new.items() if key in old)
                counts = f"+{len(new.keys() - old.keys())} ~{moved} -{len(old.keys() - new.keys())}"
                words.append(f"{_spoken(name)} {counts}")
        return ", ".join(words)

    def transition(self, handles: Handles, before: Resource | None, after: Resource | None) -> None:
        """One transaction."""
        assert before is None or isinstance(before, HostTable)
        assert after is None or isinstance(after, HostTable)
        if before and after and before.listing == after.listing:
            with netfilter() as kernel:
                code = change(kernel, self.family, before.maps, after.maps)
            if code:
                raise KernelError(f"{self.title()}: {os.strerror(code)}")
            return
        text = f"add table {self.family} {TABLE}\ndelete table {self.family} {TABLE}\n"
        code, _, error = attempt(["nft", "-f", "-"], text + (after.whole() if after else ""))
        if code:
            raise KernelError(f"nft: {first_line(error)}")

    def whole(self) -> str:
        """With the elements, as `nft -f` takes it."""
        lines = []
        for line in self.listing.splitlines():
            lines.append(LISTED_AS_CLASS.sub(_as_number, line))
            name = line.removeprefix("\tmap ").removesuffix(" {")
            if self.maps.get(name):
                held = (f"{_spelled(name, key)} : {_number_text(n)}" for key, n in self.maps[name].items())
                lines.append(f"\t\telements = {{ {', '.join(held)} }}")
        return "\n".join(lines) + "\n"


def _as_number(found: re.Match[str]) -> str:
    major, _, minor = found[1].partition(":")
    return "0x0" if found[1] == "none" else f"{classid(int(major, 16), int(minor, 16)):#010x}"


def change(kernel: Netlink, name: Family, before: Mapping[str, Hosts], after: Mapping[str, Hosts]) -> int:
    """From the elements of some maps to others; → 0, or the errno of the kernel's refusal."""
    parts = [message(BATCH_BEGIN, REQUEST, kernel.next(), nfgen(0, NFTABLES))]
    expected = set()
    for map_, new in after.items():
        old = before.get(map_, {})
        named = attribute(1, TABLE.encode() + b"\0") + attribute(2, map_.encode() + b"\0")
        gone = [nested(1, nested(1, attribute(1, key))) for key, value in old.items() if new.get(key) != value]
        fresh = [_element(key, value) for key, value in new.items() if old.get(key) != value]
        for kind, flags, elements in ((DELETE_ELEMENT, 0, gone), (NEW_ELEMENT, CREATE, fresh)):
            for at in range(0, len(elements), ADDRESSES):
                sequence = kernel.next()
                expected.add(sequence)
                payload = nfgen(FAMILIES[name]) + named + nested(3, *elements[at : at + ADDRESSES])
                parts.append(message(kind, REQUEST | ACK | flags, sequence, payload))
    parts.append(message(BATCH_END, REQUEST, kernel.next(), nfgen(0, NFTABLES)))
    if not expected:
        return 0
    data = b"".join(parts)
    kernel.socket.setsockopt(socket.SOL_SOCKET, 32, len(data) * 2 + (1 << 20))  # SO_SNDBUFFORCE: it is one message
    answers = kernel.errors(data, expected)
    return next((code for code in answers.values() if code), 0)


def _element(key: bytes, number: int) -> bytes:
    value = struct.pack("=I", kernel_number(number))
    return nested(1, nested(1, attribute(1, key)), nested(2, attribute(1, value)))  # NFTA_SET_ELEM_KEY, _DATA


def read_hosts(name: Family, map_: str) -> Hosts:
    """What a map holds."""
    with netfilter() as kernel:
        return {key: branch_number(value) for key, value in _read(kernel, name, map_)}


def read_wanted(kernel: Netlink, name: Family) -> list[int]:
    """Numbers of the branches that have traffic and no classes."""
    return [branch_number(struct.unpack("=I", key)[0]) & ~ASLEEP for key, _ in _read(kernel, name, WANTED)]


def _read(kernel: Netlink, name: Family, set_: str) -> Iterator[tuple[bytes, int]]:
    payload = nfgen(FAMILIES[name]) + attribute(1, TABLE.encode() + b"\0") + attribute(2, set_.encode() + b"\0")
    for data, start, end in kernel.dump(GET_ELEMENT, payload):
        for kind, a, b in attributes(data, start + 4, end):
            if kind == 3:  # NFTA_SET_ELEM_LIST_ELEMENTS
                yield from _elements(data, a, b)


def _elements(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    """NFTA_LIST_ELEM of NFTA_SET_ELEM_KEY and _DATA, each of NFTA_DATA_VALUE: written out, as there are thousands."""
    head = ATTRIBUTE.unpack_from
    while start + 4 <= end:
        length = head(data, start)[0]
        if length < 4 or start + length > end:
            return
        key, value, at, last = b"", 0, start + 4, start + length
        while at + 8 <= last:
            size, kind = head(data, at)
            if size < 8 or at + size > last:
                break
            if kind & 0x3FFF == 1:
                key = data[at + 8 : at + size]
            elif kind & 0x3FFF == 2 and size >= 12:
                value = int.from_bytes(data[at + 8 : at + 12], sys.byteorder)
            at += (size + 3) & ~3
        yield key, value
        start += (length + 3) & ~3


def _spoken(name: str) -> str:
    """A map for people."""
    if name in SEEN:
        return SEEN[name]
    version, length = _of_name(name)
    return f"IPv{version} /{length}"


def _spelled(name: str, key: bytes) -> str:
    """A key as nft takes it."""
    if name == BY_DEVICE:
        return f'"{key.rstrip(bytes(1)).decode()}"'
    if name in SEEN:
        return str(int.from_bytes(key, "big")) if name == BY_VLAN else key.hex(":")
    return socket.inet_ntop(socket.AF_INET if len(key) == 4 else socket.AF_INET6, key)


@lru_cache(maxsize=4)
def _in_nfts_words(name: Family, wanted: str) -> str:
    return in_scratch(f"nft -f -; nft -t list ruleset {name}", wanted)  # as actual() lists it


def desired(plan: KernelPlan, facts: Facts, asleep: Container[str] = ()) -> HostTable:
    """`asleep`: names of subscribers without classes."""
    assert plan.subscribers
    return HostTable(family(plan), _in_nfts_words(family(plan), text(plan, facts)), hosts(plan, asleep))


def actual(name: Family) -> HostTable | None:
    """The table as it is now, or None."""
    # Of one table nft reads the elements too, though it does not print them: 0.2 s of CPU for 20,000.
    code, listing, error = attempt(["nft", "-t", "list", "ruleset", name])
    if code:
        raise KernelError(f"nft: {first_line(error)}")
    found = re.search(rf"^table {name} {TABLE} {{$.*?^}}$\n?", listing, re.M | re.S)
    if found is None:
        return None
    listing = found[0]
    return HostTable(name, listing, {m: read_hosts(name, m) for m in HELD.findall(listing)})


def learnt(plan: KernelPlan, addresses: Mapping[str, Branch], asleep: Container[str] = ()) -> None:
    """Makes the maps of what is learnt hold these addresses, each with the branch that it is of.  One transaction.

    `asleep`: names of subscribers without classes.  Raises KernelError; where the table is not there nothing is done,
    for it will be put back.
    """
    name = family(plan)
    wanted: dict[str, Hosts] = {map_: {} for map_ in LEARNT.values()}
    for address, branch in addresses.items():
        number = branch.number | (ASLEEP if branch.name in asleep else 0)
        wanted[LEARNT[6 if ":" in address else 4]][packed(address)] = number
    try:
        held = {map_: read_hosts(name, map_) for map_ in wanted}
        with netfilter() as kernel:
            code = change(kernel, name, held, wanted)
    except OSError as error:
        code = error.errno or errno.EIO
    if code and code != errno.ENOENT:
        raise KernelError(f"nft table {name} {TABLE}: what is learnt: {os.strerror(code)}")
