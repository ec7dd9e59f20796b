"""A protocol's signature as it is declared in a file: plain data, and how much evidence it is.

dpi/match/declare.py reads these from YAML, declared.pyx makes the loop's table of them; what each part means to its
author is in docs/reference/signatures.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Sender = Literal["either", "client", "server"]

ENOUGH = 32  # bits of evidence that name a flow alone
ENOUGH_WITH_PORT = 16  # … at a port that the signature names
ENOUGH_OF_BOTH = 16  # … where the other side must look so as well
COMMON = frozenset((0x00, 0xFF))  # so much begins with these that one of them says little
COMMON_BITS = 2
LENGTH_BITS = 16  # at most that a length which agrees counts for
ANCHOR = 4  # bytes in a row, at the most, by which a signature is found


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes under a mask of the same size, and where they stand.

    within: 0, they stand at offset `at`; else somewhere between there and `within`, both offsets from the start.
    after: where not empty, that is what is searched instead, and the bytes stand right behind it.
    """

    data: bytes
    mask: bytes
    at: int = 0
    within: int = 0
    after: bytes = b""

    @property
    def searched_for(self) -> bool:
        return bool(self.within or self.after)

    @property
    def searched(self) -> bytes:
        return self.after or self.data


@dataclass(frozen=True, slots=True)
class Length:
    """A field of `size` bytes at `at` that counts the bytes from offset `counts_from` to the end."""

    at: int
    size: int
    counts_from: int
    little: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """Where a host name stands: at an offset or behind some bytes; up to some others, or of a length before it."""

    at: int = 0
    after: bytes = b""
    until: bytes = b""
    size: int = 0  # bytes of the length before it; 0: there is none


class Anchor(NamedTuple):
    """Bytes at a place, by which a signature is found among the others."""

    at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Declaration:
    """What one side of a flow must look like to be of a label.  transports: IP protocol numbers."""

    label: int
    app: bool
    transports: tuple[int, ...]
    parts: tuple[Part, ...]
    ports: tuple[tuple[int, int], ...] = ()
    sender: Sender = "either"
    packets: tuple[int, int] = (1, 255)
    length: tuple[int, int] = (1, 0xFFFFFFFF)
    counted: Length | None = None
    both: bool = False
    host: Host | None = None
    where: str = field(default="", compare=False)  # FILE:LINE

    @property
    def evidence(self) -> int:
        """Bits that chance would have to meet in one side's bytes."""
        bits = sum(_worth(byte, mask) for byte, mask in self.fixed.values())
        for part in self.parts:
            if part.searched_for:
                places = max(1, part.within - part.at - len(part.searched) + 1)
                found = sum(map(_worth, part.data, part.mask)) + sum(_worth(byte, 0xFF) for byte in part.after)
                bits += max(0, found - (places - 1).bit_length())
        if self.counted:
            bits += min(8 * self.counted.size, LENGTH_BITS)
        return bits

    @property
    def needed(self) -> int:
        """The evidence without which it would name flows by chance."""
        if self.both:
            return ENOUGH_OF_BOTH
        return ENOUGH_WITH_PORT if self.ports else ENOUGH

    @property
    def fixed(self) -> dict[int, tuple[int, int]]:
        """What stands at one place whatever comes: {offset: (byte, mask)}; what two parts fix is there once."""
        found: dict[int, tuple[int, int]] = {}
        for part in self.parts:
            if part.searched_for:
                continue
            for at, (byte, mask) in enumerate(zip(part.data, part.mask, strict=True), part.at):
                value, known = found.get(at, (0, 0))
                found[at] = (value | byte & mask, known | mask)
        return found

    @property
    def anchor(self) -> Anchor | None:
        """The first four fixed bytes in a row, else the first of the longest runs."""
        known = {at: byte for at, (byte, mask) in self.fixed.items() if mask == 0xFF}
        best, most = 0, 0
        for at in sorted(known):
            n = 1
            while n < ANCHOR and at + n in known:
                n += 1
            if n > most:
                best, most = at, n
        return Anchor(best, bytes(known[best + i] for i in range(most))) if most else None

    @property
    def first_bytes(self) -> list[int]:
        """Every byte that what it names may begin with."""
        byte, mask = self.fixed.get(0, (0, 0))
        return [value for value in range(256) if value & mask == byte]


def _worth(byte: int, mask: int) -> int:
    return COMMON_BITS if mask == 0xFF and byte in COMMON else mask.bit_count()
