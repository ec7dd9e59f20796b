"""Which of several machines a client belongs to: weighted rendezvous hashing.

The kernel hashes a client's address to one of SLOTS; each slot belongs to the machine whose own number for it is the
best.  So a machine that is added takes its part from all others, one that is removed leaves its part to them, and no
client moves between two that stay.  A machine that is down is passed over: the client's next hash decides, over the
same machines, so only its own clients move, and as the weights say.  (Thaler, Ravishankar: "A name-based mapping scheme
for rendezvous", 1996; the weights by logarithms as in Schindelhauer, Schomaker, 2005.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

SLOTS = 512  # two equal machines have their halves within some per cent
TRIES = 3  # hashes asked one after the other before the machines are gone through in order


@lru_cache(maxsize=64)
def owners(machines: tuple[tuple[str, int], ...], attempt: int) -> tuple[str, ...]:
    """The machine of each slot, of (name, weight) pairs."""
    return tuple(max(machines, key=lambda m: _worth(m, slot, attempt))[0] for slot in range(SLOTS))


def _worth(machine: tuple[str, int], slot: int, attempt: int) -> float:
    name, weight = machine
    digest = blake2b(f"{attempt} {slot} {name}".encode(), digest_size=8).digest()
    return -weight / math.log((int.from_bytes(digest) + 0.5) / 2**64)


def shares(machines: Sequence[tuple[str, int]]) -> dict[str, float]:
    """Which part of the clients each has while all are up."""
    owned = owners(tuple(machines), 0)
    return {name: owned.count(name) / SLOTS for name, _ in machines}
