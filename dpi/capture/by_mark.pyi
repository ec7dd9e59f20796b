from typing import Self

from typing_extensions import disjoint_base

from dpi.capture.nfqueue import PacketHandler

@disjoint_base
class ByMark(PacketHandler):
    def __new__(cls, rules: dict[int, tuple[str, int | None]] | None = None) -> Self: ...
    @property
    def seen(self) -> list[dict[str, int]]: ...
