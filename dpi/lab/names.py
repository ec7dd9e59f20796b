"""Names of the lab's internet: any name has an address of its own, as long as there are addresses.

Two servers that are given the same list of names first agree on the addresses of those.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator

from dpi.lab.topology import SITES4, SITES6

# What clients of the demo ask for; the cache answers for these as well.  Real names, lab addresses.
SITES = (
    "www.netflix.com",
    "ipv4-c001-fra001-ix.1.oca.nflxvideo.net",
    "ipv6-c002-fra001-ix.1.oca.nflxvideo.net",
    "www.youtube.com",
    "rr1---sn-4g5e6nez.googlevideo.com",
    "rr2---sn-4g5lznes.googlevideo.com",
    "us04web.zoom.us",
    "cache1-fra2.steamcontent.com",
    "download.windowsupdate.com",
    "www.tiktok.com",
    "www.wikipedia.org",
    "open.spotify.com",
    "web.whatsapp.com",
    "www.bet365.com",
    "example.org",
)
# Answered through an alias, as the real ones are: whoever reads answers must follow the chain.
ALIASES = {
    "www.netflix.com": "www.eu-west-1.prodaa.netflix.com",
    "www.youtube.com": "youtube-ui.l.google.com",
    "download.windowsupdate.com": "download.windowsupdate.com.delivery.example",
    "www.tiktok.com": "www.tiktok.com.edge.example",
}
LIMIT = 8000


class Names:
    """name → (IPv4, IPv6), given out in the order of asking."""

    def __init__(self, first: Iterable[str] = SITES) -> None:
        self._net4 = ipaddress.IPv4Network(SITES4)
        self._net6 = ipaddress.IPv6Network(SITES6)
        self._numbers: dict[str, int] = {}
        for name in first:
            self.addresses(name)

    def addresses(self, name: str) -> tuple[str, str] | None:
        """The addresses of a name, or None when all have been given out."""
        number = self._numbers.get(name)
        if number is None:
            if len(self._numbers) >= LIMIT:
                return None
            number = self._numbers[name] = len(self._numbers) + 1
        return str(self._net4[number]), str(self._net6[number])

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)
