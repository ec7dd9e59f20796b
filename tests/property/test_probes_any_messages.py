"""Messages as nobody's protocols mostly lay them out (lengths, kinds, counters) are not taken for a known one's."""

from __future__ import annotations

import random
from collections.abc import Callable
from struct import pack

import pytest

from tests.cores import CLIENT, SERVER, core, datagram, ended

MESSAGES = 2000


def counted(order: str, size: str) -> Callable[[random.Random], bytes]:
    """A length (of all, or of the rest), a small kind, noise."""

    def message(rng: random.Random) -> bytes:
        body = pack(order + size, rng.randrange(20)) + rng.randbytes(rng.randrange(4, 250))
        head = len(pack(order + size, 0))
        return pack(order + size, len(body) + rng.choice([0, head])) + body

    return message


def versioned(rng: random.Random) -> bytes:
    """A version, a kind, a length, noise."""
    n = rng.randrange(120)
    return pack(">BBH", rng.randrange(1, 5), rng.randrange(16), n + rng.choice([0, 4])) + rng.randbytes(n)


def numbers(rng: random.Random) -> bytes:
    """Small numbers of two and four bytes."""
    kinds = ("<I", ">I", "<H", ">H")
    return b"".join(
        pack(rng.choice(kinds), rng.choice([0, 1, 2, 3, rng.randrange(256)])) for _ in range(rng.randrange(2, 20))
    )


@pytest.mark.parametrize(
    "message", [counted(">", "I"), counted("<", "I"), counted(">", "H"), versioned, numbers],
    ids=["big-endian", "little-endian", "short", "versioned", "numbers"],
)  # fmt: skip
def test_none_is_named(message: Callable[[random.Random], bytes]) -> None:
    rng = random.Random(1)
    one = core(2 * MESSAGES)
    for n in range(MESSAGES):
        for side in range(rng.randrange(1, 4)):
            if side == 1:
                datagram(one, message(rng), 45000, 20000 + n, SERVER, CLIENT)
            else:
                datagram(one, message(rng), 20000 + n, 45000)
    assert [flow["protocol"] for flow in ended(one) if flow["protocol"]] == []
