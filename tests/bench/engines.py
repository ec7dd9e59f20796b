"""Hyperscan beside our own tables, for host names and for signatures of bytes: python tests/bench/engines.py

Wants the package `hyperscan` (its wheels bring the library) in the Python that runs it, and says so where it is not
there.  Prints a line of JSON for each number of entries, in ns a name or a payload, the least of several rounds.

Hyperscan is asked as a loop would ask it: block mode, one scan a name or a payload, one match is enough.  A name is
scanned from its end, so that a suffix is what an expression is anchored to; that is its best case.  A call out of
Python costs more than most scans, so the same call to a database of one expression that nothing matches is taken off
(`call_ns`), and what is scanned is what nothing matches, so that no callback runs.
"""

from __future__ import annotations

import json
import random
import re
import sys
import time
from collections.abc import Callable, Sequence

from match import least_ns

from dpi.bench.signatures import made_up
from dpi.dissect.declaration import Declaration
from dpi.dissect.declared import Declarations
from dpi.match.hosts import Hosts
from dpi.match.signatures import load

ROUNDS = 9
TIMES = 20  # that ours is asked a round; a thousand lookups are over too soon
UDP = 17

try:
    import hyperscan
except ImportError:
    hyperscan = None


def compiled(expressions: Sequence[bytes]) -> tuple[object, float]:
    """A database, and the seconds that compiling took."""
    start = time.process_time()
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL
    database.compile(expressions=expressions, ids=range(len(expressions)), elements=len(expressions), flags=flags)
    return database, round(time.process_time() - start, 2)


def scan_ns(database: object, payloads: Sequence[bytes]) -> float:
    found = []

    def note(*match: object) -> None:
        found.append(match)

    def run() -> None:
        for payload in payloads:
            database.scan(payload, match_event_handler=note)

    least = least_ns(run, len(payloads), ROUNDS)
    if found:
        raise AssertionError(f"{len(found)} of the payloads match")
    return least


def beside(expressions: Sequence[bytes], payloads: Sequence[bytes]) -> dict[str, float]:
    database, seconds = compiled(expressions)
    call = scan_ns(compiled([rb"\x00\x01\x02never\x03"])[0], payloads)
    with_call = scan_ns(database, payloads)
    return {
        "hyperscan_ns": round(with_call - call, 1),
        "call_ns": call,
        "hyperscan_kb": database.size() // 1024,
        "hyperscan_compile_s": seconds,
    }


def timed(build: Callable[[], object]) -> float:
    start = time.process_time()
    build()
    return round(time.process_time() - start, 2)


def of_hosts(n: int) -> dict[str, object]:
    """So many of the built-in suffixes, asked for names that are below none of them."""
    dice = random.Random(n)
    signatures = load()
    texts = [signatures.host_entry(each).text for each in range(len(signatures.hosts))]
    texts = dice.sample([text for text in texts if re.fullmatch(r"[a-z0-9.-]+", text)], n)
    entries = [(text, 600) for text in texts]
    table = Hosts(entries)
    tails = [text.rpartition(".")[2] for text in texts]
    names = [f"www.{dice.randbytes(6).hex()}-nobody.{dice.choice(tails)}".encode() for _ in range(1000)]
    names = [name for name in names if table.match(name) is None]
    backwards = [rb"^" + re.escape(text[::-1].encode()) + rb"(\.|$)" for text in texts]
    return {
        "what": "hosts",
        "entries": n,
        "ours_ns": round(least_ns(lambda: table.speed(names, TIMES), TIMES * len(names), ROUNDS), 1),
        "ours_kb": table.nbytes // 1024,
        "ours_build_s": timed(lambda: Hosts(entries)),
        **beside(backwards, [name[::-1] for name in names]),
    }


def expression(declaration: Declaration) -> bytes:
    """The bytes at their offset; a port, which the expression cannot ask, would be asked of what it finds."""
    part = declaration.parts[0]
    return b"^" + b"." * part.at + b"".join(b"\\x%02x" % byte for byte in part.data)


def of_bytes(n: int) -> dict[str, object]:
    """So many made-up signatures of bytes at fixed places (dpi/bench/signatures.py), asked about random payloads."""
    rng = random.Random(0)
    declared = [each for each in made_up(2 * n) if not each.ports][:n]
    payloads = [rng.randbytes(200) for _ in range(1000)]
    table = Declarations(declared)
    return {
        "what": "bytes",
        "entries": n,
        "ours_ns": round(min(table.cost(payloads, TIMES, proto=UDP, port=443) for _ in range(ROUNDS)), 1),
        "ours_build_s": timed(lambda: Declarations(declared)),
        **beside([expression(each) for each in declared], payloads),
    }


def main() -> int:
    if hyperscan is None:
        print("the package `hyperscan` is not installed here: pip install hyperscan", file=sys.stderr)
        return 2
    for n in (100, 1000, 10000):
        print(json.dumps(of_hosts(n)), flush=True)
        print(json.dumps(of_bytes(n)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
