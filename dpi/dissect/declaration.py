"""A protocol's signature as it is declared in a file: plain data, and how much evidence it is.

dpi/match/declare.py reads these from YAML, declared.pyx makes the loop's table of them; what each part means to its
author is in docs/reference/signatures.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Sender = Literal["either", "client", "server"]

ENOUGH = 32  # bits of evidence that name a flow alone
ENOUGH_WITH_PORT = 16  # … at a port that the signature names
ENOUGH_OF_BOTH = 16  # … where the other side must look so as well
COMMON = frozenset((0x00, 0xFF))  # so much begins with these that one of them says little
COMMON_BITS = 2
LENGTH_BITS = 16  # at most that a length which agrees counts for


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
        fixed: dict[int, int] = {}  # offset: mask; what two parts fix counts once
        values: dict[int, int] = {}
        bits = 0
        for part in self.parts:
            if part.within or part.after:
                places = max(1, part.within - part.at - len(part.searched) + 1)
                found = sum(map(_worth, part.data, part.mask)) + sum(_worth(byte, 0xFF) for byte in part.after)
                bits += max(0, found - (places - 1).bit_length())
            else:
                for i, (byte, mask) in enumerate(zip(part.data, part.mask, strict=True), part.at):
                    fixed[i] = fixed.get(i, 0) | mask
                    values[i] = values.get(i, 0) | byte & mask
        bits += sum(_worth(values[i], mask) for i, mask in fixed.items())
        if self.counted:
            bits += min(8 * self.counted.size, LENGTH_BITS)
        return bits

    @property
    def needed(self) -> int:
        """The evidence without which it would name flows by chance."""
        if self.both:
            return ENOUGH_OF_BOTH
        return ENOUGH_WITH_PORT if self.ports else ENOUGH


def _worth(byte: int, mask: int) -> int:
    return COMMON_BITS if mask == 0xFF and byte in COMMON else mask.bit_count()
