from collections.abc import Iterable
from typing import NamedTuple, Self

from typing_extensions import disjoint_base

KINDS: tuple[str, ...]

class Hit(NamedTuple):
    label: int
    kind: str
    fixed: int
    entry: int

def problem(text: str) -> str: ...

@disjoint_base
class Hosts:
    size: int
    def __new__(cls, entries: Iterable[tuple[str, int]]) -> Self: ...
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def match(self, name: str | bytes) -> Hit | None: ...
    def matches(self, name: str | bytes) -> list[Hit]: ...
    def speed(self, names: list[bytes], rounds: int) -> int: ...
