"""How much of the captures has been read, shown where a person waits: standard error is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class Bar:
    """A line with the file that is read, how much of all is done, and how long the rest will take.

    Nothing is shown, and rich is not even imported, where standard error is no terminal.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._progress: Any = None
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self._sizes = {path: path.stat().st_size if path.is_file() else 0 for path in paths}
        of_pipes = any(str(path) == "-" or (path.exists() and not path.is_file()) for path in paths)
        self._done = 0
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None if of_pipes else sum(self._sizes.values()))

    def __enter__(self) -> Self:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress:
            self._progress.stop()

    def over(self, paths: Iterable[Path]) -> Iterator[Path]:
        """The same files, one after the other."""
        for path in paths:
            if self._progress:
                self._progress.update(self._task, description=path.name)
            yield path
            if self._progress:
                self._done += self._sizes[path]
                self.at(0)

    def at(self, offset: int) -> None:
        """So many bytes of the file are done."""
        if self._progress:
            self._progress.update(self._task, completed=self._done + offset)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While something else is written to the terminal."""
        if self._progress:
            self._progress.stop()
        try:
            yield
        finally:
            if self._progress:
                self._progress.start()
