from collections.abc import Iterable
from typing import Self

from typing_extensions import disjoint_base

from dpi.core import Core

@disjoint_base
class Flows:
    def __new__(cls, hellos: Iterable[bytes], datagrams: Iterable[bytes], data: bytes) -> Self: ...
    def open(self, core: Core, flows: int) -> float: ...
    def send(self, core: Core, flows: int, packets: int) -> float: ...
