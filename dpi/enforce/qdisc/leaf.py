"""What a leaf is: a kind and its options as the kernel lists them."""

from __future__ import annotations

from dataclasses import dataclass

from dpi.policy.plan import Direction

MTU = 1514  # an Ethernet frame as qdiscs count it


@dataclass(frozen=True)
class Purpose:
    """What a leaf's options depend on."""

    direction: Direction
    ceil: int  # of its class, bit/s
    bridged: bool = False
    one_of_many: bool = False  # a subscriber's


@dataclass(frozen=True)
class Leaf:
    kind: str
    options: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, kind: str, **options: int) -> Leaf:
        return cls(kind, tuple(sorted(options.items())))

    def __str__(self) -> str:
        return self.kind
