"""What declared signatures cost: the same payloads against tables of different sizes.

The signatures are made up, as different as authors make them: by bytes at one of a few places, or by a port and fewer
bytes.  The payloads are random, as those of flows that none of them names; that is the dearer case, for a flow that is
named is not asked about again.
"""

from __future__ import annotations

import random
import statistics

from dpi.dissect.declaration import Declaration, Part
from dpi.dissect.declared import Declarations

PLACES = (0, 0, 0, 2, 4, 8, 12)  # where made-up signatures begin; most begin at the beginning
PAYLOADS = 1000
PAYLOAD_BYTES = 200
UDP = 17


def made_up(n: int) -> list[Declaration]:
    rng = random.Random(n)
    out = []
    for number in range(n):
        with_port = number % 4 == 3
        data = rng.randbytes(2 if with_port else rng.choice((5, 6, 8)))
        port = rng.randrange(1, 60000)
        ports = ((port, port),) if with_port else ()
        out.append(Declaration(600, False, (UDP,), (Part(data, b"\xff" * len(data), rng.choice(PLACES)),), ports=ports))
    return out


def measure(base: int, rounds: int) -> list[dict[str, float | int]]:
    """One entry for 0, 1, 10 and 100 times `base` signatures: how many, and ns a payload (median of the rounds)."""
    rng = random.Random(0)
    payloads = [rng.randbytes(PAYLOAD_BYTES) for _ in range(PAYLOADS)]
    results: list[dict[str, float | int]] = []
    for times in (0, 1, 10, 100):
        table = Declarations(made_up(base * times))
        spent = [table.cost(payloads, 20, proto=UDP, port=443) for _ in range(rounds)]
        results.append({"signatures": len(table), "ns_per_payload": round(statistics.median(spent), 1)})
    return results
