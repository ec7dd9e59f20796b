"""What nobody's protocols say (tests/made_up.py) is hardly ever taken for a known one's, on whatever port."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from dpi.dissect.probes.index import KINDS
from dpi.dissect.protocols import SLUGS
from tests.cores import SERVER, TCP, Connection, core, datagram, ended, method
from tests.made_up import FAMILIES, Says

FLOWS = 1200  # of each family
PIECE = 1400
PORTS = sorted({port for _, _, _, _, ports in KINDS for port in ports})  # a part of some probes' evidence


def talk(rng: random.Random, says: Says) -> list[tuple[int, bytes]]:
    """One side's messages, the other's, or both in turn."""
    count = rng.randrange(1, 9)
    sides = rng.choice([[0] * count, [1] * count, [n & 1 for n in range(count)]])
    return [(side, says(side)) for side in sides]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[0].__name__)
@pytest.mark.parametrize("where", ["anywhere", "ports"])
def test_hardly_any_is_named(family: tuple[Callable[[random.Random], Says], tuple[int, ...]], where: str) -> None:
    """On a port that is evidence itself one in a hundred, elsewhere fewer than one in five hundred."""
    rng = random.Random(1)
    one = core(2 * FLOWS)
    for number in range(FLOWS):
        port = rng.randrange(10000, 65536) if where == "anywhere" else rng.choice(PORTS)
        messages = talk(rng, family[0](rng))
        client = f"10.1.{number >> 8}.{number & 255}"
        if rng.choice(family[1]) == TCP:
            connection, sent = Connection(one, 40000, port, client).shake(), [0, 0]
            for side, data in messages:
                for at in range(0, len(data), PIECE):
                    connection.segment(side, sent[side] + at, data[at : at + PIECE])
                sent[side] += len(data)
        else:
            for side, data in messages:
                if side == 0:
                    datagram(one, data, 40000, port, client, SERVER)
                else:
                    datagram(one, data, port, 40000, SERVER, client)
    flows = ended(one)
    named = Counter(SLUGS[flow["protocol"]] for flow in flows if method(flow["protocol_method"]) == "signature")
    assert len(flows) == FLOWS
    assert named.total() <= (2 if where == "anywhere" else 12), named
