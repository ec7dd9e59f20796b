"""Random bytes name nothing: the shares of false names that the probes' evidence allows, with room for chance."""

from __future__ import annotations

import random
import struct

import pytest

from dpi.dissect.probes.index import KINDS, probe_bytes, probe_messages
from dpi.dissect.protocols import SLUGS

TCP, UDP = 6, 17
PRINTABLE = bytes(range(32, 127))
PORTS = sorted({port for _, _, _, _, ports in KINDS for port in ports})


def payload(rng: random.Random, alphabet: bytes | None) -> bytes:
    n = rng.choice((1, 2, 4, 8, 12, 20, 48, 100, 300, 1200))
    return bytes(rng.choices(alphabet, k=n)) if alphabet else rng.randbytes(n)


@pytest.mark.parametrize("alphabet", [None, PRINTABLE], ids=["bytes", "text"])
@pytest.mark.parametrize("proto", [TCP, UDP])
def test_random_payloads_on_unknown_ports_have_no_name(proto: int, alphabet: bytes | None) -> None:
    """32 bits of evidence each: of 150 probes and 40,000 payloads 0.0014 false names are to be expected."""
    rng = random.Random(f"{proto}{alphabet}")
    wrong = []
    for _ in range(40_000):
        data = payload(rng, alphabet)
        label = probe_bytes(data, proto=proto, from_opener=rng.random() < 0.5, turn=rng.randrange(3))[0]
        if label:
            wrong.append((SLUGS[label], data))
    assert not wrong


@pytest.mark.parametrize("proto", [TCP, UDP])
def test_two_random_datagrams_of_a_flow_have_no_name(proto: int) -> None:
    """Where both sides must agree, they do so by chance as seldom."""
    rng = random.Random(proto)
    for _ in range(20_000):
        messages = [(payload(rng, None), rng.random() < 0.5) for _ in range(4)]
        label = probe_messages(messages, proto=proto)[0]
        assert not label, (SLUGS[label], messages)


@pytest.mark.parametrize("proto", [TCP, UDP])
def test_random_payloads_on_registered_ports_have_hardly_a_name(proto: int) -> None:
    """The port is evidence there, the rest is 8 bits at the least; the port alone would have named them all."""
    rng = random.Random(-proto)
    counts: dict[int, int] = {}
    for _ in range(40_000):
        port = rng.choice(PORTS)
        counts[port] = counts.get(port, 0) + (probe_bytes(payload(rng, None), proto=proto, dport=port)[0] != 0)
    assert sum(counts.values()) < 40_000 * 0.02


def messages_of_none(rng: random.Random) -> list[tuple[bytes, bool]]:
    """Eight of a protocol that nobody knows: a small header, identities, counters, lengths, zeros."""
    head = bytes(
        rng.choice((0, 0, 1, 2, 4, 0x11, 0x20, 0x40, 0x80, rng.randrange(256))) for _ in range(rng.choice((1, 2, 4)))
    )
    layout = rng.choice("<>") + rng.choice(("IQ", "IH", "HH", "QI", "II", "BH", "IIQ"))
    ids = [rng.choice((0, rng.randrange(1 << 16), rng.randrange(1 << 32))) for _ in range(2)]
    if rng.random() < 0.5:
        ids[1] = ids[0]
    counters = [rng.choice((0, 1, rng.randrange(1 << 16))) for _ in range(2)]
    messages = []
    for _ in range(8):
        side = rng.randrange(2)
        counters[side] += 1
        values = [ids[side]] + [counters[side]] * (len(layout) - 2)
        widths = [8 * struct.calcsize("=" + kind) for kind in layout[1:]]
        fields = struct.pack(layout[0] + layout[1:], *(v & (1 << w) - 1 for v, w in zip(values, widths, strict=True)))
        n = rng.choice((0, 4, 16, 32, 100, rng.randrange(600)))
        rest = rng.randbytes(n) if rng.random() < 0.7 else bytes(n)
        length = struct.pack(layout[0] + "H", n) if rng.random() < 0.3 else b""
        messages.append((head + fields + length + rest, side == 0))
    return messages


@pytest.mark.parametrize("proto", [TCP, UDP])
def test_what_is_made_as_protocols_are_and_is_none_of_ours_has_hardly_a_name(proto: int) -> None:
    """Headers of zeros, identities and counters are nearer to one another than random bytes are."""
    rng = random.Random(4)
    flows = 5_000
    assert sum(probe_messages(messages_of_none(rng), proto=proto)[0] != 0 for _ in range(flows)) < flows * 0.002
