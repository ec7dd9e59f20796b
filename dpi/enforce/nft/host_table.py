"""The subscribers' table as a resource: its chains are nft's business as everywhere, its elements are packed here."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from dpi.enforce.names import Family, classid
from dpi.enforce.netlink import netfilter
from dpi.enforce.nft.host_chains import text
from dpi.enforce.nft.host_elements import change, read_hosts
from dpi.enforce.nft.host_maps import ASLEEP, BY_DEVICE, BY_VLAN, SEEN, TABLE, Hosts, hosts, number_text, of_name
from dpi.enforce.nft.view import Facts, family
from dpi.enforce.resource import Handles, Key, Resource
from dpi.enforce.run import attempt, first_line, in_scratch
from dpi.errors import KernelError
from dpi.policy.plan import KernelPlan

HELD = re.compile(rf"\tmap (host\w+|{'|'.join(SEEN)}) \{{")

# nft lists what a priority is masked or compared with as a class, and takes it as a number alone.
LISTED_AS_CLASS = re.compile(r"(?:(?<=priority [|&] )|(?<=== ))([0-9a-f]+:[0-9a-f]+|none)")


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
                held = (f"{_spelled(name, key)} : {number_text(n)}" for key, n in self.maps[name].items())
                lines.append(f"\t\telements = {{ {', '.join(held)} }}")
        return "\n".join(lines) + "\n"


def _as_number(found: re.Match[str]) -> str:
    major, _, minor = found[1].partition(":")
    return "0x0" if found[1] == "none" else f"{classid(int(major, 16), int(minor, 16)):#010x}"


def _spoken(name: str) -> str:
    """A map for people."""
    if name in SEEN:
        return SEEN[name]
    version, length = of_name(name)
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
