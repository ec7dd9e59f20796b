"""How fast a counter grows: by the slopes between any two looks at it, whose median is the estimator of Theil and Sen.

A machine that is away for longer than a class's burst makes one window too slow, and what comes then the next too fast;
TCP's segments of 64 kB are steps of an eighth of a second at 4 Mbit/s.  All pairs together make little of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations


def slopes(looks: Sequence[tuple[float, int]]) -> list[float]:
    """Looks are (seconds, count), in order."""
    return [(after - before) / (ended - begun) for (begun, before), (ended, after) in combinations(looks, 2)]
