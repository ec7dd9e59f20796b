def probe_bytes(
    data: bytes,
    *,
    proto: int,
    sport: int = 40000,
    dport: int = 40001,
    from_opener: bool = True,
    turn: int = 0,
    wire: int | None = None,
) -> tuple[int, str, str, str]: ...
