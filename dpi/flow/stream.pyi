def reassemble(
    pieces: list[tuple[int, bytes]], budget: int = ..., cap: int = ...
) -> tuple[list[bool], bytes, int, int]:
    """Puts (offset, bytes) pieces into a stream: ([accepted, ...], contiguous bytes, held, held after freeing)."""
