from collections.abc import Iterable, Sequence
from typing import Self

from typing_extensions import disjoint_base

from dpi.dissect.declaration import Declaration

def fault(declarations: Sequence[Declaration]) -> tuple[int, str] | None: ...

@disjoint_base
class Declarations:
    declared: tuple[Declaration, ...]
    def __new__(cls, declarations: Iterable[Declaration] = ()) -> Self: ...
    def __len__(self) -> int: ...
    def find(
        self, messages: Sequence[tuple[bytes, bool]], *, proto: int, sport: int = 40000, dport: int = 40001
    ) -> tuple[int, str, str]: ...
    def cost(self, payloads: Sequence[bytes], rounds: int, *, proto: int, port: int) -> float: ...
