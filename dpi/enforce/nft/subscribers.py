"""Which subscriber a packet is of: a table of its own, right behind the one that decides.

The LAN's address is looked up in one hash map for each length of prefix that there is, the shortest first, so that the
longest counts: what a packet costs depends on how many lengths there are, not on how many subscribers.  The map
gives the branch's first class; the rule's class within it is one OR of a constant, and so is the direction.
A branch that is one class alone has every bit of an offset set already, and stays what it is.

The chains are nft's business as everywhere.  The elements are packed here: twenty thousand of them take nft seconds,
and us some tenths of one.  Elements change in one transaction.
"""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from dpi.enforce.names import MAJORS, TREE_SHIFT, Family, classid, classid_text
from dpi.enforce.netlink import ACK, REQUEST, Netlink, attribute, attributes, message, nested, netfilter, nfgen
from dpi.enforce.nft.elements import BATCH_BEGIN, BATCH_END, CREATE, DELETE_ELEMENT, FAMILIES, NEW_ELEMENT, NFTABLES
from dpi.enforce.nft.text import DIRECTIONS, Facts, directions, family
from dpi.enforce.resource import Handles, Key, Resource
from dpi.enforce.run import attempt, first_line, in_scratch
from dpi.errors import KernelError
from dpi.policy.plan import Direction, KernelPlan, SubscriberPlan

TABLE = "dpi_subscribers"
GET_ELEMENT = NFTABLES << 8 | 13
SIZES = {4: 32, 6: 128}
ADDRESSES = 1000  # elements of one message, whose attributes cannot be longer than 64 kB
NO_DIRECTION = 0x00FF0000  # bits of a class's number that say the direction, not set in the maps

# nft lists what a priority is masked or compared with as a class, and takes it as a number alone.
LISTED_AS_CLASS = re.compile(r"(?<=[|&=] )([0-9a-f]+:[0-9a-f]+|none)")

Hosts = dict[bytes, int]  # packed network → number of the branch


def map_name(version: int, length: int) -> str:
    return f"host{version}_{length}"


def text(plan: KernelPlan, facts: Facts) -> str:
    """The table without elements, as `nft -f` takes it."""
    subscribers = plan.subscribers
    assert subscribers
    lines = [f"table {family(plan)} {TABLE} {{"]
    for version, length in lengths(subscribers):
        lines.append(f"\tmap {map_name(version, length)} {{ type ipv{version}_addr : classid; }}")
    for direction in DIRECTIONS:
        lines += _shares(plan, subscribers, direction)
        lines += [f"\tchain {direction} {{", *(f"\t\t{rule}" for rule in _chain(plan, subscribers, direction)), "\t}"]
    rules, one_armed = directions(plan, facts)
    if one_armed:
        lines += ["\tchain one_armed {", *(f"\t\t{rule}" for rule in one_armed), "\t}"]
    lines += ["\tchain forward {", "\t\ttype filter hook forward priority -148; policy accept;"]
    lines += [*(f"\t\t{rule}" for rule in rules), "\t}", "}"]
    return "\n".join(lines) + "\n"


def lengths(subscribers: SubscriberPlan) -> list[tuple[int, int]]:
    """(IP version, length) of all prefixes, the shortest first."""
    return sorted({_version_and_length(text) for b in subscribers.branches for text in b.prefixes})


def hosts(subscribers: SubscriberPlan) -> dict[str, Hosts]:
    """By name of the map."""
    found: dict[str, Hosts] = {map_name(*each): {} for each in lengths(subscribers)}
    for branch in subscribers.branches:
        for text in branch.prefixes:
            version, length = _version_and_length(text)
            family_ = socket.AF_INET if version == 4 else socket.AF_INET6
            key = socket.inet_pton(family_, text[: text.index("/")])
            found[map_name(version, length)][key] = branch.number
    return found


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
    side = "saddr" if direction == "up" else "daddr"
    if subscribers.default:
        yield f"meta priority set {_number_text(subscribers.default)}"
    for version, length in lengths(subscribers):
        name = "ip" if version == 4 else "ip6"
        kind = socket.AF_INET if version == 4 else socket.AF_INET6
        bits = SIZES[version]
        mask = ((1 << length) - 1 << (bits - length)).to_bytes(bits // 8, "big")
        masked = "" if length == bits else f" & {socket.inet_ntop(kind, mask)}"
        yield f"meta priority set {name} {side}{masked} map @{map_name(version, length)}"
    found = f"meta priority & {NO_DIRECTION:#010x} == 0x0"
    offsets = _offsets(plan, subscribers)
    if offsets:
        # No named map: its elements would not be listed where the hosts' are not.
        ways = [f"{plan.marks.disposition(n):#010x} : jump {direction}_{offset}" for n, offset in offsets.items()]
        yield f"{found} ct mark & {plan.marks.disposition_mask:#010x} vmap {{ {', '.join(ways)} }}"
    rest = subscribers.shares[0][1] if subscribers.shares else 0
    yield f"{found} meta priority set meta priority | {classid(MAJORS[direction], rest):#010x}"
    bits = plan.marks.route_mask | plan.marks.disposition_mask
    for tree in range(1, subscribers.trees + 1):
        # The connection has its decision: these bits of the packet's mark are free to say which IFB.
        major = MAJORS[direction] | tree << TREE_SHIFT
        tag = tree_tag(plan, tree)
        keep = ~bits & 0xFFFFFFFF
        yield f"meta priority & 0xffff0000 == {major << 16:#010x} meta mark set meta mark & {keep:#010x} | {tag:#010x}"


def tree_tag(plan: KernelPlan, tree: int) -> int:
    """The packet's mark, under the route's and the disposition's bits, of what goes by a tree's IFB."""
    return plan.marks.route_mask | tree << plan.marks.shift


def kernel_number(number: int) -> int:
    """A branch's number as it stands in a map: a class's, whose tree is above the direction's bits."""
    return number >> 16 << 16 + TREE_SHIFT | number & 0xFFFF


def _number_text(number: int) -> str:
    return classid_text(number >> 16 << TREE_SHIFT, number & 0xFFFF)


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
        return f"{sum(map(len, self.maps.values()))} addresses and prefixes of subscribers"

    def difference(self, before: Resource) -> str:
        assert isinstance(before, HostTable)
        words = [] if self.listing == before.listing else ["other chains or maps"]
        for name in sorted(self.maps.keys() | before.maps.keys()):
            old, new = before.maps.get(name, {}), self.maps.get(name, {})
            if old != new:
                moved = sum(old[key] != number for key, number in new.items() if key in old)
                version, _, length = name.removeprefix("host").partition("_")
                counts = f"+{len(new.keys() - old.keys())} ~{moved} -{len(old.keys() - new.keys())}"
                words.append(f"IPv{version} /{length} {counts}")
        return ", ".join(words)

    def transition(self, handles: Handles, before: Resource | None, after: Resource | None) -> None:
        """One transaction."""
        assert before is None or isinstance(before, HostTable)
        assert after is None or isinstance(after, HostTable)
        if before and after and before.listing == after.listing:
            with netfilter() as kernel:
                code = _change(kernel, self.family, before.maps, after.maps)
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
                held = (f"{_address(key)} : {_number_text(n)}" for key, n in self.maps[name].items())
                lines.append(f"\t\telements = {{ {', '.join(held)} }}")
        return "\n".join(lines) + "\n"


def _as_number(found: re.Match[str]) -> str:
    major, _, minor = found[1].partition(":")
    return "0x0" if found[1] == "none" else f"{classid(int(major, 16), int(minor, 16)):#010x}"


def _change(kernel: Netlink, name: Family, before: Mapping[str, Hosts], after: Mapping[str, Hosts]) -> int:
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
    held: Hosts = {}
    payload = nfgen(FAMILIES[name]) + attribute(1, TABLE.encode() + b"\0") + attribute(2, map_.encode() + b"\0")
    with netfilter() as kernel:
        for data, start, end in kernel.dump(GET_ELEMENT, payload):
            for kind, a, b in attributes(data, start + 4, end):
                if kind == 3:  # NFTA_SET_ELEM_LIST_ELEMENTS
                    held.update(_elements(data, a, b))
    return held


def _elements(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    for _, a, b in attributes(data, start, end):
        key, value = b"", 0
        for kind, x, y in attributes(data, a, b):
            if kind == 1:  # NFTA_SET_ELEM_KEY: NFTA_DATA_VALUE
                key = data[x + 4 : y]
            elif kind == 2:
                value = struct.unpack_from("=I", data, x + 4)[0]
        yield key, branch_number(value)


def _address(key: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(key) == 4 else socket.AF_INET6, key)


@lru_cache(maxsize=4)
def _in_nfts_words(name: Family, wanted: str) -> str:
    return in_scratch(f"nft -f -; nft -t list table {name} {TABLE}", wanted)


def desired(plan: KernelPlan, facts: Facts) -> HostTable:
    assert plan.subscribers
    return HostTable(family(plan), _in_nfts_words(family(plan), text(plan, facts)), hosts(plan.subscribers))


def actual(name: Family) -> HostTable | None:
    """The table as it is now, or None."""
    code, listing, error = attempt(["nft", "-t", "list", "table", name, TABLE])
    if code:
        if "No such file" in error:
            return None
        raise KernelError(f"nft: {first_line(error)}")
    return HostTable(name, listing, {m: read_hosts(name, m) for m in re.findall(r"\tmap (host\w+) \{", listing)})


def branch_number(value: int) -> int:
    """The inverse of kernel_number()."""
    return value >> 16 + TREE_SHIFT << 16 | value & 0xFFFF
