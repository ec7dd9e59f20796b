from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, Self

from typing_extensions import disjoint_base

from dpi.core import Core
from dpi.record.counts import Counts

FIELD_NAMES: tuple[str, ...]

class _Out(Protocol):
    def write(self, data: memoryview, /) -> int | None: ...

@disjoint_base
class Lines:
    wanted: Callable[..., bool] | None
    counts: Counts | None
    def __new__(
        cls,
        style: str,
        fields: Sequence[str],
        *,
        labels: Iterable[str | None],
        categories: Iterable[str | None],
        rules: Iterable[str | None],
        out: _Out,
        least: int = 0,
        risky: bool = False,
    ) -> Self: ...
    @property
    def flows(self) -> int: ...
    @property
    def named(self) -> int: ...
    @property
    def guessed(self) -> int: ...
    @property
    def apps(self) -> int: ...
    @property
    def carrying(self) -> int: ...
    @property
    def one_way(self) -> int: ...
    @property
    def even(self) -> int: ...
    @property
    def lengths(self) -> int: ...
    def take(self, core: Core, capture: str, first: bool = False) -> None: ...
    def flush(self) -> None: ...
