"""Volumes that are counted for a time: where a day, a week, a month begins, and what of a rolling window is left.

Bytes are kept in slots of time.  A calendar's period is one slot; a rolling window has SLOTS of them, so what was used
leaves it in steps of a part of it.  Everything here is a function of the time that it is given.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network

from dpi.policy.plan import PlannedQuota
from dpi.policy.schedule import Span, instant, zone_of

PERIODS = ("day", "week", "month")
SLOTS = 24

Network = IPv4Network | IPv6Network
Slots = dict[int, int]  # Unix time at which each begins → bytes


def slot(quota: PlannedQuota, now: float) -> int:
    """The slot that bytes of this moment belong to."""
    if quota.rolling:
        width = max(1, round(quota.rolling / SLOTS))
        return int(now // width * width)
    return round(period(quota, now)[0])


def period(quota: PlannedQuota, now: float) -> Span:
    """The calendar's day, week (from Monday) or month around a time, by the clock on the wall."""
    zone = zone_of(quota.zone)
    here = datetime.fromtimestamp(now, zone)
    begin = datetime(here.year, here.month, here.day)
    if quota.per == "week":
        begin -= timedelta(days=begin.weekday())
        end = begin + timedelta(days=7)
    elif quota.per == "month":
        begin = begin.replace(day=1)
        end = (begin + timedelta(days=32)).replace(day=1)
    else:
        end = begin + timedelta(days=1)
    return instant(zone, begin), instant(zone, end)


def oldest(quota: PlannedQuota, now: float) -> float:
    """What began earlier counts no more."""
    return now - quota.rolling if quota.rolling else period(quota, now)[0]


def still(slots: Slots, since: float) -> Slots:
    """Those that still count; `since` as oldest() says it."""
    return slots if all(begin >= since for begin in slots) else {b: n for b, n in slots.items() if b >= since}


def apart(own: Iterable[str], others: Iterable[str]) -> list[str]:
    """Prefixes without what others have of them: of several that hold an address the longest counts."""
    mine, found = set(own), list[str]()
    spans = sorted((*_numbers(text), text) for text in set(others) - mine)
    starts = [span[:2] for span in spans]
    for prefix in sorted(mine):
        version, first, last = _numbers(prefix)
        inside = spans[bisect_left(starts, (version, first)) : bisect_right(starts, (version, last))]
        left = [ip_network(prefix)]
        for _, _, _, text in inside:
            if ip_network(text).prefixlen > ip_network(prefix).prefixlen:
                left = [part for each in left for part in _less(each, ip_network(text))]
        found += map(str, left)
    return found


def _numbers(prefix: str) -> tuple[int, int, int]:
    """IP version, first and last address."""
    network = ip_network(prefix)
    return network.version, int(network.network_address), int(network.broadcast_address)


def _less(whole: Network, part: Network) -> Iterable[Network]:
    if isinstance(whole, IPv4Network) and isinstance(part, IPv4Network):
        return whole.address_exclude(part) if part.subnet_of(whole) else [whole]
    if isinstance(whole, IPv6Network) and isinstance(part, IPv6Network):
        return whole.address_exclude(part) if part.subnet_of(whole) else [whole]
    return [whole]
