from collections.abc import Iterable
from typing import Self

from typing_extensions import disjoint_base

COPY_RANGE: int
MAX_LENGTH: int
HOLD_SECONDS: float

@disjoint_base
class PacketHandler: ...

@disjoint_base
class QueueReader:
    @property
    def handler(self) -> PacketHandler: ...
    def __new__(
        cls,
        number: int,
        handler: PacketHandler,
        *,
        max_length: int = ...,
        copy_range: int = ...,
        mask: int = ...,
        hold_seconds: float = ...,
        receive_buffer: int = ...,
        heartbeat: int = ...,
    ) -> Self: ...
    def run(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...
    def release(self, numbers: Iterable[int], drop: bool = False) -> None: ...
    def counters(self) -> dict[str, int]: ...
    @property
    def number(self) -> int: ...
    @property
    def heartbeat(self) -> int: ...
    @property
    def receive_buffer(self) -> int: ...

def kernel_counters() -> dict[int, dict[str, int]]: ...
