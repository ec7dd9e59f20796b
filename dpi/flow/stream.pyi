def reassemble(
    pieces: list[tuple[int, bytes] | int], budget: int = ..., cap: int = ...
) -> tuple[list[bool], bytes, int, int]:
    """Puts (offset, bytes) pieces into a stream: ([accepted, ...], contiguous bytes, held, held after freeing).

    A number among them leaves out that many bytes of what is there by then.
    """
