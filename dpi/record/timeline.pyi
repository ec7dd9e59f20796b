from typing import Self

from typing_extensions import disjoint_base

@disjoint_base
class Timeline:
    def __new__(cls) -> Self: ...
    @property
    def width(self) -> int: ...
    def rows_told(self) -> list[tuple[int, int, int, int, int]]: ...
