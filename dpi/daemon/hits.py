"""When rules, classes and caches last had traffic: the kernel counts without a time, so its counters are looked at."""

from __future__ import annotations

import threading
import time

from dpi.enforce import Counters


class Hits:
    """Remembers when each counter was last seen to have risen.  May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str], tuple[int, float | None]] = {}  # packets, and when they rose

    def look(self, counters: Counters, now: float | None = None) -> None:
        """Compares with the last look.  What was counted before the first one has no time."""
        now = time.time() if now is None else now
        packets: dict[tuple[str, str], int] = {}
        kinds = {"rule": counters.rules, "class": counters.classes, "cache": counters.routes}
        for kind, counts in kinds.items():
            for (_, name), count in counts.items():
                packets[kind, name] = packets.get((kind, name), 0) + count.packets
        with self._lock:
            for key, total in packets.items():
                before, when = self._seen.get(key, (total, None))
                risen = total > before or 0 < total < before  # less: somebody set it to zero meanwhile
                self._seen[key] = total, now if risen else when
            self._seen = {key: self._seen[key] for key in packets}

    def last(self, kind: str, name: str) -> float | None:
        """Unix time, as exact as looks are frequent; None where it never rose."""
        with self._lock:
            return self._seen.get((kind, name), (0, None))[1]
