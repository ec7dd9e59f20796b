from collections.abc import Iterable
from typing import Any, Self

from typing_extensions import disjoint_base

from dpi.capture.pcapfile import Capture
from dpi.dissect.declared import Declarations
from dpi.match.hosts import Hosts
from dpi.match.names import Names
from dpi.match.ports import Ports
from dpi.match.prefixes import Prefixes
from dpi.match.rules import Rules

FAULT_NAMES: tuple[str, ...]

_Key = tuple[bytes, int, bytes, int, int, int]

@disjoint_base
class Core:
    def __new__(
        cls,
        max_flows: int,
        *,
        events: int = 4096,
        merge: bool = False,
        offload: bool = False,
        risks: bool = False,
        hearsay: bool = False,
        starts: bool = False,
        labels: bool = False,
        firsts: bool = False,
        blind: int = 0,
    ) -> Self: ...
    def use(
        self,
        hosts: Hosts,
        prefixes: Prefixes,
        ports: Ports,
        names: Names,
        category: bytes,
        video: dict[int, int] | None = None,
        calls: dict[int, int] | None = None,
        shared: Iterable[int] = (),
        push: dict[int, int] | None = None,
        declared: Declarations | None = None,
        rules: Rules | None = None,
        mixed: Iterable[int] = (),
    ) -> None: ...
    def set_rules(self, rules: Rules, routes: Rules, mark_shift: int, mark_final: int) -> None: ...
    def override(self, named: int, answering: int) -> None: ...
    def set_local(self, local: Prefixes | None) -> None: ...
    def set_timeout(self, which: int, seconds: float) -> None: ...
    def feed(
        self,
        *,
        src: bytes,
        sport: int,
        dst: bytes,
        dport: int,
        proto: int,
        payload: bytes = b"",
        time: int = 0,
        vlan: int = 0,
        version: int = 4,
        flags: int = 0,
        seq: int = 0,
        ack: int = 0,
        origin: int = 0,
        length: int = 0,
        captured: int = -1,
        behind: bool = False,
        tunnel: int = 0,
        icmp_type: int = 0,
        sender: bytes = b"",
        receiver: bytes = b"",
    ) -> tuple[int, int | None, int]: ...
    def run(self, capture: Capture, limit: int = ..., until: int = ...) -> bool: ...
    def now(self) -> int: ...
    def tick(self, now: int) -> None: ...
    def drain(self, limit: int = 1024) -> list[tuple[Any, ...]]: ...
    def room(self) -> int: ...
    def flush(self, start: int, limit: int = 512, for_good: bool = False) -> int: ...
    def flows(self, start: int, limit: int = 256) -> tuple[list[tuple[Any, ...]], int]: ...
    def decided_by_rule(self, rules: int) -> list[int]: ...
    def one_way(self, examples: int) -> tuple[int, int, int, list[tuple[int, str, str]]]: ...
    def find(self, key: _Key) -> tuple[Any, ...] | None: ...
    def close(
        self,
        key: _Key,
        packets_src: int | None = None,
        bytes_src: int | None = None,
        packets_dst: int | None = None,
        bytes_dst: int | None = None,
    ) -> bool: ...
    def update(
        self, key: _Key, packets_src: int, bytes_src: int, packets_dst: int, bytes_dst: int, now: int
    ) -> bool: ...
    def reevaluate(self, start: int, limit: int = 1024) -> tuple[list[tuple[Any, ...]], int]: ...
    def counters(self) -> dict[str, int]: ...
