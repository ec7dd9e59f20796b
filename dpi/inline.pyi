from collections.abc import Mapping, Sequence

from typing_extensions import disjoint_base

from dpi.capture.nfqueue import PacketHandler
from dpi.core import Core

@disjoint_base
class InlineHandler(PacketHandler):
    def __init__(
        self,
        core: Core,
        lans: Sequence[int] = ...,
        local: Sequence[tuple[bytes, int]] = ...,
        vlans: Mapping[int, int] | None = None,
        wake: int = ...,
    ) -> None: ...
    def use_lans(self, lans: Sequence[int], vlans: Mapping[int, int] | None = None) -> None: ...
    def faults(self) -> list[int]: ...
