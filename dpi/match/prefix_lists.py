"""Lists of prefixes as others write them, and the one way in which each prefix is spelled here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network, summarize_address_range
from pathlib import Path

from dpi.errors import Finding
from dpi.match import addresses
from dpi.match.sources import read_list


def prefix_list(path: Path, findings: list[Finding]) -> Iterator[str]:
    """Prefixes, addresses and FIRST-LAST, with blanks, commas or line ends between; # or ; starts a comment.

    They come as the shortest that says the same, in the order of the list.
    """
    for number, line in enumerate(read_list(path).splitlines(), 1):
        for found in re.finditer(r"[^\s,]+", re.split("[#;]", line, maxsplit=1)[0]):
            first, dash, last = found[0].partition("-")
            if wrong := addresses.problem(first) or (addresses.problem(last) if dash else ""):
                findings.append(Finding(str(path), number, found.start() + 1, "", f"{found[0]}: {wrong}"))
                continue
            try:
                prefixes = list(_range(first, last)) if dash else [spelled(first)]
                if any(prefix.endswith("/0") for prefix in prefixes):
                    wrong = "is every address, which is nobody's"
                    findings.append(Finding(str(path), number, found.start() + 1, "", f"{found[0]} {wrong}"))
                    continue
                yield from prefixes
            except (ValueError, TypeError):
                wrong = "a range is of two addresses of one kind, the lower first"
                findings.append(Finding(str(path), number, found.start() + 1, "", f"{found[0]}: {wrong}"))


def _range(first: str, last: str) -> Iterator[str]:
    """The prefixes from one address to another.  Raises ValueError, TypeError where these are none."""
    return map(spelled, summarize_address_range(ip_address(first), ip_address(last)))


def spelled(prefix: str | IPv4Network | IPv6Network) -> str:
    """A prefix as all others of its kind are written; a mask that a length can say is one."""
    try:
        network = ip_network(prefix)
    except ValueError:  # a mask with gaps, or nothing that is right
        return str(prefix)
    return str(network if network.prefixlen < network.max_prefixlen else network.network_address)
