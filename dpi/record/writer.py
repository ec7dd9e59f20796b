"""Flow records on disk: JSON lines, rotated by size.  A full disk loses records, counted, and nothing else.

Writing happens in a thread of its own behind a bounded queue, so that a slow disk never holds up the control
plane, and through it held packets.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from pathlib import Path
from typing import Any

WAITING_MAX = 100_000  # records


class Writer:
    """Appends records to `path`; at `max_bytes` it is renamed to `path.1`, and so on up to `keep` files."""

    def __init__(self, path: Path, max_bytes: int = 100 << 20, keep: int = 5) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(WAITING_MAX)
        self.written = 0
        self.lost = 0
        self.error: str | None = None  # the newest, None while all is well
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(self._open())  # a path that cannot be written is said at start, not later
        self._thread = threading.Thread(target=self._run, name="records", daemon=True)
        self._thread.start()

    def put(self, record: dict[str, Any]) -> None:
        """Never blocks, never raises: what cannot be kept is counted in `lost`."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Writes what waits, and ends."""
        self._waiting.put(None)
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < 1000:
                try:
                    batch.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            records = [r for r in batch if r is not None]
            if records:
                self._write(records)
            if len(records) < len(batch):
                return

    def _write(self, records: list[dict[str, Any]]) -> None:
        data = "".join(json.dumps(r, default=str) + "\n" for r in records).encode()
        try:
            self._rotate(len(data))
            file = self._open()
            try:
                start = os.fstat(file).st_size
                if os.write(file, data) < len(data):
                    os.ftruncate(file, start)  # no half lines
                    raise OSError("the disk is full")
            finally:
                os.close(file)
            self.written += len(records)
            self.error = None
        except OSError as error:
            self.lost += len(records)
            self.error = str(error)

    def _open(self) -> int:
        """A descriptor to append to; the file is not for everybody, as it says who talked to whom."""
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

    def _rotate(self, more: int) -> None:
        if not self._path.exists() or self._path.stat().st_size + more <= self._max_bytes:
            return
        if self._keep == 0:
            self._path.unlink()
            return
        for n in range(self._keep - 1, 0, -1):
            old = self._path.with_name(f"{self._path.name}.{n}")
            if old.exists():
                old.replace(self._path.with_name(f"{self._path.name}.{n + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
