"""Which flows are meant: by app or protocol, category, port, and an address at either end or the server's name."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from operator import attrgetter
from typing import NamedTuple, Self

from dpi.errors import UsageError

# In place of an app; no slug has an @.
NO_APP = "@no-app"
UNNAMED = "@unnamed"
WORDS = (NO_APP, UNNAMED)
UNKNOWN = "unknown"  # the protocol of a flow of which none is known, and the category of one without

ASKED = ("app", "protocol", "category", "l4", "src", "sport", "dst", "dport", "hostname")
asked = attrgetter(*ASKED)  # of a record, as takes() has them

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}$)(?:{_LABEL}\.)*{_LABEL}", re.A)
_PORTS = re.compile(r"(?:(tcp|udp|sctp)/)?([0-9]{1,5})(?:-([0-9]{1,5}))?", re.A | re.I)


class Hosts(NamedTuple):
    """addresses: as records spell them.  names: whole ones.  below: what names end with, from a dot on."""

    addresses: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]
    names: frozenset[str]
    below: tuple[str, ...]

    @classmethod
    def of(cls, words: Collection[str]) -> Self:
        """As people write them; names as policies have them, `.example.org` is `*.example.org`.  Raises UsageError."""
        addresses, networks, names, below = set(), [], set(), []
        for word in words:
            host = word.strip().lower()
            bare = host.removeprefix("[").removesuffix("]")
            with suppress(ValueError):
                address = ip_address(bare)
                addresses.add(str(getattr(address, "ipv4_mapped", None) or address))
                continue
            with suppress(ValueError):
                if "/" in host:
                    networks.append(ip_network(host, strict=False))
                    continue
            only_below = host.startswith(("*.", "."))
            name = _name(re.sub(r"^(\*?\.|=)", "", host), word)
            if not only_below:
                names.add(name)
            if not host.startswith("="):
                below.append("." + name)
        return cls(frozenset(addresses), tuple(networks), frozenset(names), tuple(below))

    def takes(self, src: str, dst: str, hostname: str | None) -> bool:
        if src in self.addresses or dst in self.addresses:
            return True
        if hostname and (hostname in self.names or hostname.endswith(self.below)):
            return True
        return any(_address(src) in network or _address(dst) in network for network in self.networks)


class Ports(NamedTuple):
    """A port or some that follow each other, of one transport or ("") any."""

    l4: str
    first: int
    last: int

    @classmethod
    def of(cls, word: str) -> Self:
        """`443`, `tcp/443`, `8000-8100`.  Raises UsageError."""
        found = _PORTS.fullmatch(word.strip())
        if found:
            first = int(found[2])
            last = int(found[3] or first)
            if 1 <= first <= last <= 65535:
                return cls((found[1] or "").lower(), first, last)
        raise UsageError(f"{word!r} is no port; write 443, 8000-8100, or tcp/443 (udp/, sctp/)")

    def takes(self, l4: str, sport: int, dport: int) -> bool:
        return (not self.l4 or l4 == self.l4) and (self.first <= sport <= self.last or self.first <= dport <= self.last)


class Selection(NamedTuple):
    """All of these hold, of each any one; what is empty holds for every flow.

    apps: slugs of apps and protocols, and WORDS.  categories: slugs.
    """

    apps: frozenset[str]
    categories: frozenset[str]
    ports: tuple[Ports, ...]
    hosts: Hosts | None

    @classmethod
    def of(
        cls,
        apps: Collection[str] = (),
        hosts: Collection[str] = (),
        ports: Collection[str] = (),
        categories: Collection[str] = (),
    ) -> Self:
        """As people write them; that there are such apps and categories is the caller's to know.  Raises UsageError."""
        return cls(
            frozenset(app.lower() for app in apps),
            frozenset(category.lower() for category in categories),
            tuple(Ports.of(port) for port in ports),
            Hosts.of(hosts) if hosts else None,
        )

    def __bool__(self) -> bool:
        return bool(self.apps or self.categories or self.ports or self.hosts)

    def takes(
        self,
        app: str | None,
        protocol: str,
        category: str | None,
        l4: str,
        src: str,
        sport: int,
        dst: str,
        dport: int,
        hostname: str | None,
    ) -> bool:
        """Of a record's fields."""
        if self.apps and app not in self.apps and protocol not in self.apps and not self._without(app, protocol):
            return False
        if self.categories and (category or UNKNOWN) not in self.categories:
            return False
        if self.ports and not any(each.takes(l4, sport, dport) for each in self.ports):
            return False
        return self.hosts is None or self.hosts.takes(src, dst, hostname)

    def _without(self, app: str | None, protocol: str) -> bool:
        return app is None and (NO_APP in self.apps or (UNNAMED in self.apps and protocol == UNKNOWN))


def _name(text: str, given: str) -> str:
    """A host name as records have it.  Raises UsageError where it is none; what ends with a number is an address."""
    name = text.removesuffix(".")
    if not name.isascii():
        with suppress(UnicodeError):
            name = name.encode("idna").decode()
    if _NAME.fullmatch(name) and not name.rpartition(".")[2].isdecimal():
        return name
    hint = ""
    octets = name.split(".")
    with suppress(ValueError):
        if 1 < len(octets) < 4:
            whole = ".".join([*octets, "0", "0"][:4])
            hint = f"; did you mean {ip_network(f'{whole}/{8 * len(octets)}')}?"
    raise UsageError(f"{given!r} is neither a host name nor an address nor a prefix{hint}")


@lru_cache(1 << 16)
def _address(text: str) -> IPv4Address | IPv6Address:
    return ip_address(text)
