from collections.abc import Sequence

from typing_extensions import disjoint_base

from dpi.capture.nfqueue import PacketHandler
from dpi.core import Core

@disjoint_base
class InlineHandler(PacketHandler):
    def __init__(
        self, core: Core, lans: Sequence[int] = ..., local: Sequence[tuple[bytes, int]] = ..., wake: int = ...
    ) -> None: ...
    def faults(self) -> list[int]: ...
