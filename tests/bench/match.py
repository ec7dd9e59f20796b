"""What a lookup costs, beside Python's own: python tests/bench/match.py

Prints nanoseconds of CPU a lookup for host names and addresses, the least of several rounds (what else runs on the
machine can only add), against a dict of suffixes and dicts of prefixes by length, which have no entries with masks; and
what loading the built-in signatures takes in time and memory.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from ipaddress import ip_network

from dpi.match.addresses import pack
from dpi.match.signatures import Signatures, load


def least_ns(run: Callable[[], object], lookups: int, rounds: int = 25) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time_ns()
        run()
        times.append((time.process_time_ns() - start) / lookups)
    return round(min(times), 1)


def some_names(signatures: Signatures, dice: random.Random) -> list[bytes]:
    """Names as they come by: two thirds below an entry, a third of no entry."""
    known = [signatures.host_entry(n).text.strip("=*.").replace("*", "x") for n in range(len(signatures.hosts))]
    names = []
    for _ in range(6000):
        front = "".join(dice.choices("abcdefgh0123-", k=dice.randint(3, 20))).strip("-") or "a"
        if dice.random() < 0.67:
            names.append(f"{front}.{dice.choice(known)}")
        else:
            names.append(f"{front}.{dice.choice(['cdn', 'www', 'api'])}-{dice.randint(0, 99999)}.com")
    return [name.encode() for name in names]


def by_dict(table: dict[str, int], names: list[str]) -> None:
    """The longest suffix, as plain Python would look for it."""
    for name in names:
        while name not in table:
            dot = name.find(".")
            if dot < 0:
                break
            name = name[dot + 1 :]


def by_length(tables: list[tuple[int, dict[int, int]]], addresses: list[int]) -> None:
    """The longest prefix: one dict for each prefix length, the longest first."""
    for address in addresses:
        for shift, table in tables:
            if address >> shift in table:
                break


def memory() -> int:
    """Kilobytes that loading the signatures adds to a fresh interpreter."""
    code = (
        "import resource, yaml, dataclasses, ipaddress;"
        "rss = lambda: int(open('/proc/self/statm').read().split()[1]) * 4;"
        "before = rss();"
        "from dpi.match.signatures import load; keep = load(); print(rss() - before)"
    )
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


def main() -> None:
    dice = random.Random(1)
    start = time.process_time()
    signatures = load()
    loading = time.process_time() - start
    names = some_names(signatures, dice)
    texts = [name.decode() for name in names]
    suffixes = {signatures.host_entry(n).text: n for n in range(len(signatures.hosts))}
    prefixes = [signatures.prefix_entry(n).text for n in range(len(signatures.prefixes))]
    nets = [ip_network(text) for text in prefixes if text.partition("/")[2].isdigit() or "/" not in text]
    addresses: dict[int, list[int]] = {4: [], 6: []}
    for version, bits in ((4, 32), (6, 128)):
        of_version = [net for net in nets if net.version == version]
        for _ in range(6000):
            if dice.random() < 0.5:
                net = dice.choice(of_version)
                addresses[version].append(int(net[dice.randrange(min(net.num_addresses, 1 << 62))]))
            else:
                top = 0x2000 + dice.randrange(0x1000) if version == 6 else dice.randrange(1 << 16)
                addresses[version].append(top << bits - 16 | dice.randrange(1 << bits - 16))
    lookups = 6000 * 20
    result: dict[str, object] = {
        "hosts": len(signatures.hosts),
        "host_match_ns": least_ns(lambda: signatures.hosts.speed(names, 20), lookups),
        "host_dict_ns": least_ns(lambda: by_dict(suffixes, texts), 6000),
        "hosts_kb": signatures.hosts.nbytes // 1024,
        "prefixes": len(signatures.prefixes),
    }
    for version, bits in ((4, 32), (6, 128)):
        tables: dict[int, dict[int, int]] = {}
        for n, net in enumerate(nets):
            if net.version == version:
                shift = bits - net.prefixlen
                tables.setdefault(shift, {})[int(net.network_address) >> shift] = n
        ordered = sorted(tables.items())
        packed = [pack(str(ip_network((address, bits)).network_address)) for address in addresses[version]]
        result[f"prefix_match_ipv{version}_ns"] = least_ns(
            lambda packed=packed: signatures.prefixes.speed(packed, 20), lookups
        )
        result[f"prefix_dicts_ipv{version}_ns"] = least_ns(
            lambda ordered=ordered, version=version: by_length(ordered, addresses[version]), 6000
        )
    result["prefixes_kb"] = signatures.prefixes.nbytes // 1024
    result["load_s"] = round(loading, 3)
    result["load_rss_kb"] = memory()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
