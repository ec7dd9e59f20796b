from collections.abc import Iterable, Mapping
from typing import Any, Self

from typing_extensions import disjoint_base

@disjoint_base
class Rules:
    def __new__(cls, rules: Iterable[Mapping[str, Any]]) -> Self: ...
    def __len__(self) -> int: ...
    def ask(
        self,
        *,
        app: int = 0,
        protocol: int = 0,
        category: int = 0,
        host: bytes = b"",
        ja4: bytes = b"",
        alpn: bytes = b"",
        local: bytes = ...,
        remote: bytes = ...,
        port: int = 0,
        proto: int = 0,
        opened: int = 0,
        dscp: int = 0,
        vlan: int = 0,
        mac: bytes = b"",
    ) -> int | None: ...
    def speed(self, questions: list[dict[str, Any]], rounds: int) -> int: ...
