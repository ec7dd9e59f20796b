from typing import Self, final

from dpi.wire.decode import Decoded

@final
class Fragments:
    """The table for tests and fuzzers: IP packets in, the datagrams that they complete out."""

    def __new__(cls, datagrams: int = 64, size: int = ..., timeout: int = ...) -> Self: ...
    def add(self, packet: bytes, time: int = 0) -> Decoded | None: ...
    @property
    def held(self) -> tuple[int, int]: ...
    @property
    def lost(self) -> int: ...
