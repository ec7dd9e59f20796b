"""Whose networks are whose: prefixes by autonomous system, out of a database in MaxMind's format.

The layout is GeoLite2-ASN's, which others' databases of systems have too: `autonomous_system_number` and
`autonomous_system_organization` beside each network.  The file is only read, and nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dpi.errors import UsageError
from dpi.match.sources import Owners, check_size

if TYPE_CHECKING:
    from maxminddb import Reader

NUMBER, ORGANISATION = "autonomous_system_number", "autonomous_system_organization"
# Where trees have IPv4's networks once more (RFC 4291, 2.5.5.2; RFC 4380; RFC 3056).
ALIASES = [IPv6Network(each) for each in ("::ffff:0:0/96", "2001::/32", "2002::/16")]

LARGEST = 1 << 30  # bytes

Network = IPv4Network | IPv6Network
Whose = TypeVar("Whose")
_DAMAGE = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError)  # what bad bytes lead to


def announced(path: Path, wanted: Mapping[Whose, Owners], skipped: Mapping[Whose, list[str]]) -> dict[Whose, list[str]]:
    """The prefixes of each one's systems, as few as say the same: IPv4's first, in order.

    skipped: where what is not in the database is noted.  Raises UsageError where it is none, or damaged.
    """
    by_number: dict[int, list[Whose]] = {}
    by_name: list[tuple[re.Pattern[str], Whose, str]] = []
    for label, owners in wanted.items():
        for number in owners.numbers:
            by_number.setdefault(number, []).append(label)
        by_name += [(_pattern(name), label, name) for name in owners.organisations]
    known: dict[tuple[int, str], list[Whose]] = {}
    seen: set[tuple[Whose, int | str]] = set()
    found: dict[Whose, list[Network]] = {label: [] for label in wanted}
    for network, number, organisation in _networks(path):
        labels = known.get((number, organisation))
        if labels is None:
            named = [(label, name) for pattern, label, name in by_name if pattern.fullmatch(organisation)]
            numbered = [(label, number) for label in by_number.get(number, ())]
            seen.update(named, numbered)
            labels = known[number, organisation] = list(dict.fromkeys(label for label, _ in (*numbered, *named)))
        for label in labels:
            found[label].append(network)
    for label, owners in wanted.items():
        skipped[label].extend(f"{path}: AS{each}: not there" for each in owners.numbers if (label, each) not in seen)
        skipped[label].extend(
            f"{path}: {each}: not there" for each in owners.organisations if (label, each) not in seen
        )
    return {label: list(map(str, _fewest(networks))) for label, networks in found.items()}


def _networks(path: Path) -> Iterator[tuple[Network, int, str]]:
    import maxminddb  # only updates want it

    check_size(path, LARGEST)
    systems = 0
    try:
        with maxminddb.open_database(path) as database:
            for network, record in _leaves(database):
                number = record.get(NUMBER) if isinstance(record, dict) else None
                organisation = record.get(ORGANISATION, "") if isinstance(record, dict) else ""
                if isinstance(number, int) and isinstance(organisation, str):
                    systems += 1
                    yield network, number, organisation
            if not systems:
                kind = database.metadata().database_type
                raise UsageError(f"{path}: no networks of autonomous systems are in it; it says that it is {kind}")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except (maxminddb.InvalidDatabaseError, *_DAMAGE) as error:
        raise UsageError(f"{path}: not a database in MaxMind's format, or damaged: {error}") from error


def _leaves(database: Reader) -> Iterator[tuple[Network, object]]:
    """The networks that have a record, one look-up after the other.

    The library's own walk never ends where damage has led the tree back into itself; so many look-ups do.
    """
    metadata = database.metadata()
    looks = metadata.node_count + 8  # a tree has one leaf more than nodes; IPv4's part may be a leaf of IPv6's
    for version, bits, start in ((4, 32, 0), (6, 128, 1 << 32)):  # in a tree of both, IPv4's part is below 1 << 32
        if version > metadata.ip_version:
            continue
        address = IPv4Address if version == 4 else IPv6Address
        network = IPv4Network if version == 4 else IPv6Network
        while start < 1 << bits:
            alias = next((each for each in ALIASES if version == 6 and address(start) in each), None)
            if alias is not None:
                start = int(alias.broadcast_address) + 1
                continue
            looks -= 1
            if looks < 0:
                raise ValueError("its search tree leads back into itself")
            record, length = database.get_with_prefix_len(address(start))
            size = 1 << bits - max(0, length)
            if record is not None:
                yield network((start & -size, max(0, length))), record
            start = (start & -size) + size


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, name.split("*"))), re.I | re.S)


def _fewest(networks: list[Network]) -> Iterator[Network]:
    yield from collapse_addresses(sorted(each for each in networks if isinstance(each, IPv4Network)))
    yield from collapse_addresses(sorted(each for each in networks if isinstance(each, IPv6Network)))
