"""What each subscriber or host has used of its quotas.

The sum of all flows' bytes, of those that live and of those that have ended, only rises; what it has risen by since the
last look is what was used meanwhile.  So nothing is kept for each flow, and what the kernel carries alone counts while
it flows, as far as conntrack's counters have been read.  The sums of who has no flow any more go: there may be any
number of hosts in a year, or of addresses that one makes up.

Kept on disk at bounded intervals: a kill loses what was counted since.  Connections from before a start are in no flow
table until they show a packet again; what they carried before then was counted before.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpi.daemon.kept import keep
from dpi.policy.plan import PlannedQuota
from dpi.policy.quota import Slots, oldest, period, slot, still
from dpi.record.fields import FlowRecord

log = logging.getLogger("dpi")

MOST = 100_000  # accounts of one quota: beyond, those that used least are forgotten
SAVE_SECONDS = 10.0

Key = tuple[bytes, int, bytes, int, int]  # of a connection
Use = tuple[str, str]  # quota, account


@dataclass
class Account:
    """What a subscriber or a host has used of one quota, and of what it was warned (a share of the volume)."""

    slots: Slots = field(default_factory=dict)
    warned: float = 0.0

    @property
    def used(self) -> int:
        return sum(self.slots.values())


class Quotas:
    """`whose` gives the account of a flow; `key` what conntrack knows it by; `tell` hears of thresholds."""

    def __init__(
        self,
        file: Path,
        whose: Callable[[PlannedQuota, FlowRecord], str | None],
        key: Callable[[FlowRecord], Key],
        tell: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = file
        self._whose, self._key, self._tell, self._clock = whose, key, tell, clock
        self._quotas: tuple[PlannedQuota, ...] = ()
        self._accounts: dict[str, dict[str, Account]] = _read(file)
        self._ended: dict[Use, int] = {}
        self._seen: dict[Use, int] = {}
        self._idle: dict[Use, int] = {}  # who had no flow at the last look, and the sum of what had ended
        self._done: dict[Use, int] = {}  # of those, who had none at the look before either, and nothing ended since
        self._before: dict[Key, int] = {}
        self.over: dict[str, list[str]] = {}  # by quota, the accounts that have used theirs up
        self._saved = 0.0
        self._changed = False
        self.error = ""  # why they could not be kept

    def __bool__(self) -> bool:
        return bool(self._quotas)

    def use(self, quotas: tuple[PlannedQuota, ...]) -> None:
        """These are in force.  What was used of others is kept until it counts no more: they may come back."""
        self._quotas = quotas
        self._find_over()

    def begin(self, carried: Mapping[Key, int]) -> None:
        """Bytes that connections carried before we began to count."""
        self._before = dict(carried)

    def gone(self, key: Key) -> None:
        """A connection ended that is in no table."""
        self._before.pop(key, None)

    def ended(self, record: FlowRecord) -> None:
        """A flow's last bytes."""
        if not self._quotas:
            return
        count = self._count(record)
        self._before.pop(self._key(record), None)
        for use in self._uses(record):
            self._ended[use] = self._ended.get(use, 0) + count

    def _count(self, record: FlowRecord) -> int:
        before = self._before.get(self._key(record), 0) if self._before else 0
        return max(record.bytes_down + record.bytes_up - before, 0)

    def _uses(self, record: FlowRecord) -> Iterable[Use]:
        for quota in self._quotas:
            if counts(quota, record) and (account := self._whose(quota, record)):
                yield quota.name, account

    def accounts_of(self, record: FlowRecord) -> list[str]:
        """Whose a flow is, for all quotas."""
        found = (self._whose(quota, record) for quota in self._quotas)
        return list(dict.fromkeys(who for who in found if who))

    def ended_so_far(self) -> dict[Use, int]:
        """To be given to look(), with the flows that live at that moment."""
        return dict(self._ended)

    def look(self, totals: dict[Use, int], live: Iterable[FlowRecord]) -> None:
        """Counts what was used since the last look."""
        idle = {**dict.fromkeys(self._seen, 0), **totals}
        for record in live:
            count = self._count(record)
            for use in self._uses(record):
                totals[use] = totals.get(use, 0) + count
                idle.pop(use, None)
        self._done = {use: count for use, count in idle.items() if self._idle.get(use) == count}  # a flow that ends
        self._idle = idle  # may be in neither sum for one look
        now = self._clock()
        for quota in self._quotas:
            accounts = self._accounts.setdefault(quota.name, {})
            current = slot(quota, now)
            for (name, who), total in totals.items():
                risen = total - self._seen.get((name, who), 0)
                if name == quota.name and risen > 0:
                    account = accounts.setdefault(who, Account())
                    account.slots[current] = account.slots.get(current, 0) + risen
                    self._seen[name, who] = total
                    self._changed = True
            self._settle(quota, accounts, now)
        self._find_over()

    def forget(self) -> None:
        """After a look, where ended() is called: the sums that nothing will be compared with again."""
        for use, count in self._done.items():
            left = self._ended.pop(use, 0) - count
            if left:
                self._ended[use] = left
            self._seen.pop(use, None)
        self._done = {}

    def _settle(self, quota: PlannedQuota, accounts: dict[str, Account], now: float) -> None:
        """What no longer counts goes; who passed a threshold is told."""
        since = oldest(quota, now)
        for who, account in list(accounts.items()):
            account.slots = still(account.slots, since)
            if not account.slots:
                del accounts[who]
                continue
            share = account.used / quota.volume
            passed = max((each for each in (*quota.warn, 1.0) if share >= each), default=0.0)
            if passed > account.warned:
                self._tell(
                    {
                        "event": "quota",
                        "time": now,
                        "quota": quota.name,
                        quota.each: who,
                        "used": account.used,
                        "volume": quota.volume,
                        "threshold": passed,
                    }
                )
            account.warned = passed
        if len(accounts) > MOST:
            for who in sorted(accounts, key=lambda w: accounts[w].used)[: len(accounts) - MOST]:
                del accounts[who]

    def _find_over(self) -> None:
        self.over = {quota.name: self._over(quota) for quota in self._quotas}

    def _over(self, quota: PlannedQuota) -> list[str]:
        since = oldest(quota, self._clock())
        accounts = list(self._accounts.get(quota.name, {}).items())
        return sorted(who for who, a in accounts if sum(still(a.slots, since).values()) >= quota.volume)

    def reset(self, who: str | None, name: str | None) -> int:
        """Forgets what was used, of one account or all, of one quota or all; → of how many."""
        count = 0
        for quota, accounts in self._accounts.items():
            for account in [a for a in accounts if who in (None, a)] if name in (None, quota) else []:
                del accounts[account]
                count += 1
        self._changed = True
        self._find_over()
        return count

    def told(self, who: str | None = None) -> list[dict[str, Any]]:
        """What each account has used, the largest share first; times are Unix times."""
        now, rows = self._clock(), []
        for quota in self._quotas:
            since = oldest(quota, now)
            end = None if quota.rolling else period(quota, now)[1]
            accounts = self._accounts.get(quota.name, {})
            for name in list(accounts) if who is None else [who]:
                account = accounts.get(name)
                if account is None:
                    continue
                slots = still(account.slots, since)
                used = sum(slots.values())
                rows.append(
                    {
                        "quota": quota.name,
                        "account": name,
                        "used": used,
                        "volume": quota.volume,
                        "share": used / quota.volume,
                        "over": used >= quota.volume,
                        "until": end or (min(slots) + quota.rolling if slots else None),
                        "says": quota.words,
                    }
                )
        return sorted(rows, key=lambda row: -float(row["share"]))

    def save(self, *, now: bool = False) -> None:
        """Writes what is new, unless that was done a moment ago.  A full disk is told once, and stops nothing."""
        if not self._changed or (time.monotonic() - self._saved < SAVE_SECONDS and not now):
            return
        self._saved = time.monotonic()
        kept = {
            quota: {who: [account.warned, account.slots] for who, account in list(accounts.items())}
            for quota, accounts in self._accounts.items()
            if accounts
        }
        try:
            keep(self._file, {"version": 1, "quotas": kept})
        except OSError as error:
            if not self.error:
                log.warning("what was used of quotas cannot be kept: %s: %s", self._file, error.strerror)
            self.error = f"{self._file}: {error.strerror}"
            return
        self.error, self._changed = "", False


def counts(quota: PlannedQuota, record: FlowRecord) -> bool:
    """Whether a flow's bytes are of this quota."""
    app = record.app if record.protocol != "dns" else None  # to ask for a name is not to use it
    if quota.apps and app not in quota.apps and record.protocol not in quota.apps:
        return False
    return not quota.categories or (app is not None and record.category in quota.categories)


def _read(file: Path) -> dict[str, dict[str, Account]]:
    """What was kept; a damaged file is told of, and is as good as none."""
    try:
        raw = json.loads(file.read_text())
        return {
            quota: {
                who: Account({int(begin): int(count) for begin, count in slots.items()}, float(warned))
                for who, (warned, slots) in accounts.items()
            }
            for quota, accounts in raw["quotas"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("what was used of quotas is lost: %s: %s", file, error)
        return {}
