"""Protocols that nobody speaks, laid out as many are: what they say must not be taken for what is known.

Each of FAMILIES makes, of a random.Random, a protocol: a function that says what a side sends next, 0 being who opened.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from random import Random
from struct import pack

TCP, UDP, BOTH = (6,), (17,), (6, 17)
Says = Callable[[int], bytes]
WORDS = (
    "alpha", "value", "id", "name", "status", "ok", "error", "set", "get", "data", "sensor", "x", "y", "level", "count",
    "time", "seq", "ack", "stop", "update", "total",
)  # fmt: skip
CODES = {1: "B", 2: "H", 4: "I"}


def text(rng: Random) -> bytes:
    return " ".join(rng.choices(WORDS, k=rng.randrange(1, 9))).encode()


def body(rng: Random) -> bytes:
    """Noise; or zeros, low numbers, text, floats and noise in turn."""
    size = rng.choice([rng.randrange(1, 16), rng.randrange(4, 64), rng.randrange(16, 256), rng.randrange(64, 1400)])
    out = b"" if rng.random() < 0.5 else rng.randbytes(size)
    while len(out) < size:
        out += rng.choice(
            [
                bytes(rng.randrange(1, 12)),
                rng.randbytes(rng.randrange(1, 24)),
                text(rng),
                pack(rng.choice(["<I", ">I", "<H", ">H"]), rng.randrange(rng.choice([4, 256, 65536]))),
                pack(rng.choice(["<f", ">f"]), rng.gauss(20, 30)),
            ]
        )
    return out[:size]


def lengths(rng: Random) -> Says:
    """A length of what follows, or of all; before or behind it a kind, a number that counts, zeros; perhaps a mark."""
    order, width = rng.choice("<>"), rng.choice([1, 2, 4])
    plus = rng.choice([0, 0, width, 2, 8])
    kind, number = rng.choice(["", "B", "H", "I"]), rng.choice(["", "B", "H", "I"])
    mark, zeros, first = rng.choice([b"", b"", rng.randbytes(2)]), bytes(rng.choice([0, 1, 2, 4])), rng.random() < 0.4
    kinds = [rng.randrange(24) for _ in range(4)]
    count = rng.choice([0, 1, rng.randrange(200)])

    def say(_: int) -> bytes:
        nonlocal count
        count += 1
        which = pack(order + kind, rng.choice(kinds)) if kind else b""
        rest = (pack(order + number, count & 255) if number else b"") + zeros + body(rng)[: 200 if width == 1 else 1300]
        if not first:
            rest = which + rest
        size = pack(order + CODES[width], min(len(rest) + plus, 255 if width == 1 else 65535))
        return mark + (which if first else b"") + size + rest

    return say


def fields(rng: Random) -> Says:
    """Types, lengths and values of every width in either byte order."""
    order, wide, long = rng.choice("<>"), rng.choice("BHI"), rng.choice("BHI")
    return lambda _: b"".join(
        pack(order + wide, rng.randrange(16)) + pack(order + long, len(value)) + value
        for value in (body(rng)[: rng.randrange(60)] for _ in range(rng.randrange(1, 8)))
    )


def versions(rng: Random) -> Says:
    """A version, a kind, a length."""
    order, version = rng.choice("<>"), rng.randrange(1, 6)

    def say(_: int) -> bytes:
        rest = body(rng)
        return pack(order + "BBH", version, rng.randrange(16), len(rest) + rng.choice([0, 4])) + rest

    return say


def numbers(rng: Random) -> Says:
    """Small numbers of any width."""
    kinds = ("<I", ">I", "<H", ">H", "<Q", ">Q")
    return lambda _: b"".join(
        pack(rng.choice(kinds), rng.choice([0, 1, 2, 3, rng.randrange(256)])) for _ in range(rng.randrange(1, 24))
    )


def sparse(rng: Random) -> Says:
    """Zeros, a few of which are set."""

    def say(_: int) -> bytes:
        out = bytearray(rng.choice([8, 12, 16, 20, 24, 28, 32, 48, 56, 64, 100, rng.randrange(4, 300)]))
        for _ in range(rng.randrange(1, 8)):
            out[rng.randrange(len(out))] = rng.choice([1, 2, 4, 8, 16, rng.randrange(256)])
        return bytes(out)

    return say


def noise(rng: Random) -> Says:
    """Noise of a fixed size for each side, or of any; perhaps with something constant, or low, before it."""
    low_numbers = rng.choices([0, 0, 1, 2, 3, 4, 5, 8, 16, 255], k=rng.randrange(9))
    before = [rng.randbytes(rng.randrange(9)), bytes(low_numbers)]
    sizes = [rng.choice([8, 12, 16, 20, 28, 32, 48, 60, 64, 88, 144, rng.randrange(8, 1400)]) for _ in range(2)]
    fixed, low = rng.random() < 0.5, rng.random() < 0.5
    return lambda side: before[low] + rng.randbytes(sizes[side] if fixed else rng.randrange(1, 1400))


def sessions(rng: Random) -> Says:
    """A session's number, a kind, the numbers of what was sent and received, a length."""
    session, kinds = rng.randbytes(rng.choice([2, 4, 8])), rng.randrange(240)
    order, wide = rng.choice("<>"), rng.choice("BHI")
    sent = [0, 0]

    def say(side: int) -> bytes:
        sent[side] += 1
        rest = rng.choice([b"", body(rng)])
        return (
            session
            + bytes([kinds + rng.randrange(4)])
            + pack(order + wide + wide + "H", sent[side] & 255, sent[1 - side] & 255, len(rest))
            + rest
        )

    return say


def structures(rng: Random) -> Says:
    """A structure of C's as it lies in memory."""
    kinds, order, count = rng.choices("BHIQfds", k=rng.randrange(2, 12)), rng.choice("<>"), 0

    def say(_: int) -> bytes:
        nonlocal count
        count += 1
        out = b""
        for kind in kinds:
            if kind == "s":
                out += rng.choice(WORDS).encode().ljust(16, b"\0")
                continue
            width = len(pack("=" + kind, 0))
            value = rng.gauss(0, 50) if kind in "fd" else rng.choice([0, 1, count, rng.randrange(100)])
            out += bytes(-len(out) % width) + pack(order + kind, value)
        return out

    return say


def objects(rng: Random) -> Says:
    """JSON in lines, or behind a length."""
    head, end = rng.choice([("", b"\n"), ("", b"\0"), ("<I", b""), (">I", b""), ("<H", b""), (">H", b"")])

    def say(_: int) -> bytes:
        words = text(rng).decode().split()
        out = json.dumps({word: rng.choice([rng.random(), rng.randrange(999), word]) for word in words})
        return (pack(head, len(out)) if head else b"") + out.encode() + end

    return say


def lines(rng: Random) -> Says:
    """Codes, words, fields in lines."""
    shape, end = rng.choice(["%d %s", "%s=%d", "%s,%d", "+%s %d", "*%s:%d", "[%d] %s"]), rng.choice([b"\n", b"\r\n"])

    def say(_: int) -> bytes:
        number, words = rng.randrange(1000), text(rng).decode()
        return (shape % ((number, words) if shape.find("%d") < shape.find("%s") else (words, number))).encode() + end

    return say


def compressed(rng: Random) -> Says:
    return lambda _: zlib.compress(body(rng), rng.randrange(10))


def like_wireguard(rng: Random) -> Says:
    """A kind of 1 to 4 and three zeros, but other sizes and low numbers."""
    count = 0

    def say(_: int) -> bytes:
        nonlocal count
        count += 1
        return pack("<II", rng.randrange(1, 5), count) + bytes(4 * rng.randrange(4)) + body(rng)

    return say


def like_openvpn(rng: Random) -> Says:
    """An opcode and a session, and a number, but nothing behind it that is OpenVPN's."""
    session, codes = [rng.randbytes(8), rng.randbytes(8)], rng.choices([0x20, 0x28, 0x30, 0x38, 0x40, 0x50], k=2)
    count = 0

    def say(side: int) -> bytes:
        nonlocal count
        count += 1
        return bytes([codes[side]]) + session[side] + pack(">I", count) + rng.randbytes(rng.randrange(1, 400))

    return say


def like_stun(rng: Random) -> Says:
    """A kind, the length of the rest, an identity, attributes; no cookie, and nothing is answered."""

    def say(_: int) -> bytes:
        values = [rng.randbytes(4 * rng.randrange(5)) for _ in range(rng.randrange(4))]
        rest = b"".join(pack(">HH", rng.randrange(0x1000), len(value)) + value for value in values)
        return pack(">HH", rng.choice([1, 0x101]), len(rest)) + rng.randbytes(16) + rest

    return say


def like_records(rng: Random) -> Says:
    """A kind as TLS' records have, the length of all or of the rest, a byte."""
    kind, plus = rng.randrange(0x14, 0x1A), rng.choice([0, 1, 3, 4])

    def say(_: int) -> bytes:
        rest = body(rng)
        return bytes([kind]) + pack(">H", len(rest) + plus) + bytes([rng.choice([0, 1])]) + rest

    return say


def like_rtp(rng: Random) -> Says:
    """Two bits of version 2, but numbers that jump and no kind that is in use."""
    kind, step, source, count = rng.randrange(35, 72), rng.randrange(5, 400), rng.randbytes(4), rng.randrange(65536)

    def say(_: int) -> bytes:
        nonlocal count
        count = count + step & 65535
        return pack(">BBHI", 0x80, kind, count, rng.randrange(1 << 32)) + source + rng.randbytes(rng.randrange(10, 900))

    return say


def like_mpeg(rng: Random) -> Says:
    """MPEG's transport stream begins so, but what follows is noise."""
    return lambda _: b"\x47" + rng.randbytes(rng.choice([187, 375, 563, rng.randrange(10, 1400)]))


FAMILIES: list[tuple[Callable[[Random], Says], tuple[int, ...]]] = [
    (lengths, BOTH), (fields, BOTH), (versions, BOTH), (numbers, BOTH), (sparse, BOTH), (noise, BOTH), (sessions, BOTH),
    (structures, BOTH), (objects, BOTH), (lines, BOTH), (compressed, BOTH), (like_wireguard, UDP), (like_openvpn, BOTH),
    (like_stun, UDP), (like_records, TCP), (like_rtp, UDP), (like_mpeg, UDP),
]  # fmt: skip
