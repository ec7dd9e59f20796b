"""Caches that are being drained: they get no new connections, and those that they have finish there.

What an operator said holds until it is taken back, also for the next daemon: it is kept in a file beside the kernel's
state, which a reboot takes with it.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from dpi.errors import DpiError


class Drained:
    """Names of routes (`CACHE` or `CACHE/MEMBER`)."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "drained.json"
        self.names: frozenset[str] = frozenset()
        with contextlib.suppress(OSError, ValueError, TypeError):
            self.names = frozenset(name for name in json.loads(self._file.read_text()) if isinstance(name, str))

    def change(self, name: str, *, drained: bool) -> None:
        """Written down first; raises DpiError where that fails."""
        names = self.names | {name} if drained else self.names - {name}
        fresh = self._file.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(sorted(names)))
            fresh.replace(self._file)
        except OSError as error:
            raise DpiError(f"{self._file}: {error.strerror}") from error
        self.names = names
