"""Does a flow or a packet cost more where there are more signatures, or more flows at a time?

Apps are made up, each with three hosts, a prefix and a signature of its bytes, and come into the engine as a user's
do: as a file beside the built-in ones.  So are flows (made.pyx): half of them TLS, each for a made-up app; half
datagrams, every second of these with a made-up app's bytes, the others with bytes that nothing names.
"""

from __future__ import annotations

import random
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dpi.bench.made import Flows
from dpi.core import Core
from dpi.decider import Decider
from dpi.match.names import Names
from dpi.match.signatures import load

KINDS = 1000  # different hellos and datagrams: the same at every size, so that only tables differ
FLOWS = (1_000, 10_000, 100_000, 1_000_000)  # at a time
FLOWS_OF_APPS = 100_000  # … where the number of apps is what changes
AT_LEAST = 200_000  # flows that are opened for one figure, and packets that are sent
DATA = bytes(100)
DECIDED_AFTER = 8  # packets more, after which nothing is looked for in a flow any longer


def slug(n: int) -> str:
    return f"made-up-{n}"


def magic(n: int) -> bytes:
    """The first bytes of an app's datagrams."""
    return random.Random(n).randbytes(8)


def made_up(n: int) -> str:
    """A signature file of n apps."""
    lines = ["apps:"]
    for i in range(n):
        lines += [
            f"  {slug(i)}:",
            "    category: web",
            f"    hosts: app{i}.example cdn{i}.example api.made{i}.example",
            f"    prefixes: 100.{64 + (i >> 14)}.{i >> 6 & 255}.{(i & 63) << 2}/30",
            f"    signatures: [{{transport: udp, bytes: [{{at: 0, hex: {magic(i).hex()!r}}}]}}]",
        ]
    return "\n".join(lines) + "\n"


def hello(host: str) -> bytes:
    """A TLS record with a ClientHello that names the host (RFC 8446, 4.1.2)."""

    def vector(size: int, data: bytes) -> bytes:
        return len(data).to_bytes(size, "big") + data

    extensions = [
        (0, vector(2, b"\0" + vector(2, host.encode()))),  # server_name
        (10, vector(2, struct.pack(">HH", 0x001D, 0x0017))),  # supported_groups
        (13, vector(2, struct.pack(">HH", 0x0403, 0x0804))),  # signature_algorithms
        (16, vector(2, vector(1, b"h2") + vector(1, b"http/1.1"))),  # ALPN
        (43, vector(1, struct.pack(">H", 0x0304))),  # supported_versions
        (51, vector(2, struct.pack(">H", 0x001D) + vector(2, bytes(range(32))))),  # key_share
    ]
    body = (
        b"\x03\x03" + bytes(range(32)) + vector(1, bytes(32)) + vector(2, struct.pack(">HHH", 0x1301, 0x1302, 0xC02F))
    )
    body += b"\1\0" + vector(2, b"".join(struct.pack(">H", kind) + vector(2, data) for kind, data in extensions))
    return b"\x16\x03\x01" + vector(2, b"\1" + vector(3, body))


def flows() -> Flows:
    rng = random.Random(0)
    datagrams = [(magic(n) if n % 2 else rng.randbytes(8)) + rng.randbytes(56) for n in range(KINDS)]
    return Flows([hello(f"www.app{n}.example") for n in range(KINDS)], datagrams, DATA)


@contextmanager
def decider_of(apps: int) -> Iterator[tuple[Decider, float]]:
    """What knows so many apps beside its own; seconds that loading took."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "made-up.yaml").write_text(made_up(apps) if apps else "{}\n")
        begin = time.perf_counter()
        signatures = load([folder])
        decider = Decider(signatures)
        yield decider, time.perf_counter() - begin


def cost(decider: Decider, traffic: Flows, count: int, rounds: int) -> dict[str, Any]:
    """ns a flow (three packets, until it is named or given up) and ns a packet of flows that are known; medians."""
    opened: list[float] = []
    sent: list[float] = []
    counters: dict[str, int] = {}
    for _ in range(rounds):
        spent = [0.0, 0.0]
        times = max(1, AT_LEAST // count)
        packets = max(count, AT_LEAST // times)
        for _ in range(times):
            core = Core(count, merge=True)
            decider.use(core, Names())
            spent[0] += traffic.open(core, count)
            traffic.send(core, count, count * DECIDED_AFTER)
            spent[1] += traffic.send(core, count, packets)
            counters = core.counters()
        opened.append(spent[0] / times / count)
        sent.append(spent[1] / times / packets)
    return {
        "flows": count,
        "named": round(counters["named"] / max(counters["decided"], 1), 3),
        "ns_per_flow": round(statistics.median(opened) * 1e9),
        "ns_per_packet": round(statistics.median(sent) * 1e9),
    }


def measure(
    base: int, rounds: int, most_flows: int, say: Callable[[str], None] = lambda _: None
) -> dict[str, list[dict[str, Any]]]:
    """{"signatures": [none, 1×, 10× `base` made-up apps], "flows": [… at a time]}."""
    traffic = flows()
    by_apps: list[dict[str, Any]] = []
    by_flows: list[dict[str, Any]] = []
    for apps in (0, base, 10 * base):
        say(f"{apps} apps")
        with decider_of(apps) as (decider, seconds):
            row = cost(decider, traffic, min(FLOWS_OF_APPS, most_flows), rounds)
            by_apps.append({"apps": apps, "load_s": round(seconds, 2), **row})
            if apps == base:
                for count in [each for each in FLOWS if each <= most_flows]:
                    say(f"{count} flows")
                    by_flows.append(cost(decider, traffic, count, rounds))
    return {"signatures": by_apps, "flows": by_flows}
