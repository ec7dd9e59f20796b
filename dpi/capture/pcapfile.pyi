import os
from collections.abc import Iterator
from types import TracebackType
from typing import Self, final

MESSAGES: dict[int, str]

@final
class Capture:
    """An open capture; `-` is standard input.  Raises CaptureError (`FILE:OFFSET: message`) where it is none.

    Iterates over (time in ns, link type, bytes on the wire, bytes captured); raises CaptureError at its end where
    something was wrong with the file.
    """

    path: str
    @property
    def size(self) -> int | None:
        """Bytes of the file; None of what is none, as a pipe."""

    @property
    def offset(self) -> int:
        """Bytes of the file that are behind the records read so far."""

    @property
    def warning(self) -> str | None:
        """What is wrong so far, or None: the file's first fault, as `FILE:OFFSET: message`; and, on a line of its own,
        as `FILE: message`, that packets have a link type that nothing reads."""

    def __new__(cls, path: str | os.PathLike[str]) -> Self: ...
    def skim(self) -> tuple[int, int]:
        """Reads to the end as the loop does: (records, bytes captured).  Raises nothing: .warning says."""
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def __iter__(self) -> Iterator[tuple[int, int, int, bytes]]: ...
    def __next__(self) -> tuple[int, int, int, bytes]: ...
