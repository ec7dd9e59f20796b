"""Where a capture begins in mid-connection, hardly any flow gets a wrong name: a nameless one is no harm."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

from first_bytes import KNOWN

from dpi.dissect.protocols import SLUGS
from tests.cores import ACK, PSH, TCP, Connection, core, ended, method

FLOWS = 9_000
AT_A_TIME = 3_000
WRONG_MAX = 2  # of all flows; over many more 9 of 100,000 were wrong
SEGMENT = 1400
FIRST_PORT = 36_000


def load(rng: random.Random) -> bytes:
    """What is transferred: noise, lines of text, zeros, or small numbers of 32 bits."""
    size = rng.randrange(3000, 9000)
    return rng.choice(
        [
            rng.randbytes(size),
            (b"the quick brown fox jumps over the lazy dog, and so on and on\r\n" * 140)[:size],
            bytes(size),
            b"".join(rng.randrange(200).to_bytes(4, "big") for _ in range(size // 4)),
        ]
    )


def test_hardly_any_that_is_joined_late_is_named_wrongly() -> None:
    """The first message is cut off, at its end or in its midst, then comes another or a part of it, then a load."""
    rng = random.Random(1)
    alike = defaultdict(list)
    messages = [each for each in KNOWN if each[1] == TCP]
    for slug, _, opener, _, data in messages:
        alike[slug, opener].append(data)
    wrong: Counter[tuple[str, str]] = Counter()
    for _ in range(FLOWS // AT_A_TIME):
        one = core(AT_A_TIME)
        spoken = {}
        for client in range(FIRST_PORT, FIRST_PORT + AT_A_TIME):
            slug, _, opener, port, data = rng.choice(messages)
            seen = data + rng.choice(alike[slug, opener])
            begin = rng.choice([len(data), rng.randrange(1, len(seen))])
            edge = rng.choice([0, len(seen) - begin])  # whether the load is a segment of its own
            stream = seen[begin:] + load(rng)
            connection = Connection(one, client, port)
            for start in [*([0] if edge else []), *range(edge, len(stream), SEGMENT)]:
                end = edge if start < edge else min(start + SEGMENT, len(stream))
                pushed = end in (edge, len(stream))
                connection.segment(not opener, start, stream[start:end], flags=ACK | PSH if pushed else ACK)
            spoken[client] = slug
        for flow in ended(one):
            slug = spoken[flow["sport"] if flow["sport"] in spoken else flow["dport"]]
            found = SLUGS[flow["protocol"]]
            if method(flow["protocol_method"]) == "signature" and found != slug:
                wrong[slug, found] += 1
    assert wrong.total() <= WRONG_MAX, wrong
