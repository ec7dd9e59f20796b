"""Since when a subscriber has sent nothing, by looking at what its classes counted now and then.

What comes to a subscriber that nobody asked for (scans of the Internet) is no use, as it is none to wake anybody
(enforce/nft/host_chains.py); anything that the subscriber sends is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dpi.enforce.nft.host_chains import NOISE
from dpi.enforce.on_demand import Sent


class _Seen(NamedTuple):
    sent: Sent | None  # None: not known
    looked: float  # when: at what was counted
    used: float


class Idle:
    """Those that have classes.  Times are of time.monotonic()."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}  # in the order in which they were looked at

    def __len__(self) -> int:
        return len(self._seen)

    def __contains__(self, name: str) -> bool:
        return name in self._seen

    def these(self, names: Iterable[str], now: float) -> None:
        """Just these have classes.  Of who is new it is not known when they were used: as if it were now."""
        wanted = dict.fromkeys(names)
        kept = {name: seen for name, seen in self._seen.items() if name in wanted}
        self._seen = kept | {name: _Seen(None, now, now) for name in wanted if name not in kept}

    def add(self, name: str, now: float) -> None:
        """This one's classes were made."""
        self._seen[name] = _Seen(Sent(0, 0), now, now)

    def remove(self, name: str) -> None:
        self._seen.pop(name, None)

    def due(self, now: float, every: float, most: int) -> list[str]:
        """Who is to be looked at again, the longest waiting first."""
        found: list[str] = []
        for name, seen in self._seen.items():
            if len(found) == most or now - seen.looked < every:
                break
            found.append(name)
        return found

    def saw(self, name: str, sent: Sent, now: float) -> float:
        """What a subscriber's classes have counted; → for how long it has been idle."""
        before, looked, used = self._seen.pop(name)
        if before and sent.up == before.up and 0 <= sent.down - before.down <= NOISE * (now - looked):
            idle = now - used
        else:  # sent something, or it is the first look
            idle = 0.0
        self._seen[name] = _Seen(sent, now, now - idle)
        return idle
