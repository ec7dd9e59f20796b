from collections.abc import Sequence

KINDS: list[tuple[str, int, int, bytes, tuple[int, ...]]]

def probe_bytes(
    data: bytes,
    *,
    proto: int,
    sport: int = 40000,
    dport: int = 40001,
    from_opener: bool = True,
    turn: int = 0,
    wire: int | None = None,
) -> tuple[int, str, str, str, int]: ...
def probe_messages(
    messages: Sequence[tuple[bytes, bool]],
    *,
    proto: int,
    sport: int = 40000,
    dport: int = 40001,
    turn: int = 0,
    wire: int | None = None,
) -> tuple[int, str, str, str, int]: ...
