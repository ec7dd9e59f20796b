"""What the worker's parts share: the policy in force, the engine, and one another.

Nothing here knows who changes it: that is in_force.py's and worker.py's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpi.daemon.account import Accounts, Totals, key_of_record
from dpi.daemon.change import Policies
from dpi.daemon.conditions import ConditionWatch
from dpi.daemon.devices import Devices
from dpi.daemon.drain import Drained
from dpi.daemon.heart import Heart
from dpi.daemon.hits import Hits
from dpi.daemon.neighbours import Neighbours
from dpi.daemon.offload import Offload
from dpi.daemon.on_demand import Demand
from dpi.daemon.override import Overrides
from dpi.daemon.portal import Portal
from dpi.daemon.queues import Queues
from dpi.daemon.quota_accounts import QuotaAccounts
from dpi.daemon.quotas import Quotas
from dpi.daemon.redirect import Redirects
from dpi.daemon.signature_files import SignatureFiles
from dpi.daemon.steer import Caches
from dpi.daemon.subscribers import Subscribers
from dpi.engine import Engine
from dpi.policy.plan import Plan
from dpi.policy.versions import FOLDER, Source, Versions
from dpi.record.fields import FlowRecord
from dpi.record.writer import Writer

log = logging.getLogger("dpi")


@dataclass(frozen=True)
class Options:
    """What `dpi run` was told."""

    config: Path
    sets: tuple[str, ...] = ()
    state_dir: Path = Path("/run/dpi")
    versions_dir: Path = FOLDER
    socket: Path | None = None  # None: DPI_SOCKET, else as the policy says


class State:
    """Of one life of the daemon.  What is only declared is there once a policy was read and packets come."""

    base: Plan  # as the policy says
    plan: Plan  # … with the tariffs of those who have used up a quota
    engine: Engine
    accounts: Accounts

    def __init__(self, options: Options, heart: Heart) -> None:
        self.options = options
        self.heart = heart
        self.started = time.time()
        self.changing = asyncio.Lock()  # held while what is in force changes
        self.signatures = SignatureFiles()
        own = Source(options.config, options.sets)
        self.policies = Policies(own, options.state_dir, Versions(options.versions_dir), self.signatures.vocabulary)
        self.queues = Queues(heart)
        self.totals, self.hits = Totals(), Hits()
        self.subscribers, self.neighbours = Subscribers(), Neighbours()
        self.records: Writer | None = None
        overrides = Overrides(self.queues.release, self._subscriber_at, lambda *which: self.engine.override(*which))
        self.caches = Caches(self.queues.release, Drained(options.state_dir), overrides)
        self.offload = Offload()
        self.redirects, self.portal = Redirects(), Portal()
        self.demand = Demand(options.state_dir, self.changing)
        kept = options.versions_dir.parent
        self.devices = Devices(kept / "devices.json")
        owners = QuotaAccounts(self.subscribers)
        self.quotas = Quotas(kept / "quotas.json", owners.of_flow, key_of_record, self._warn)
        self.counting = asyncio.Lock()  # held while quotas are counted
        self.conditions = ConditionWatch(
            over=lambda conditions: owners.prefixes(self.quotas.over, conditions), devices=self.devices.known
        )
        self._classes: dict[int, str | None] = {}

    def use(self, plan: Plan) -> None:
        """This plan is in force."""
        self.plan = plan
        default = plan.kernel.trees[0].default if plan.kernel.trees else None
        self._classes = {
            d.number: None if d.block or d.exempt or d.redirect else d.class_ or default
            for d in plan.kernel.dispositions
        }
        self._default_class = default
        self.subscribers.use(plan.kernel)
        self.offload.use(plan.kernel)

    def class_of(self, record: FlowRecord) -> str | None:
        """The class that a flow's packets are in; None where they are blocked, or nothing is shaped."""
        marks = self.plan.kernel.marks
        number = (record.mark & marks.disposition_mask) >> marks.shift
        return self._classes.get(number, self._default_class)

    def _subscriber_at(self, address: str) -> str:
        branch = self.subscribers.table.of(address)
        return branch.name if branch and branch.prefixes else ""

    def _warn(self, event: dict[str, Any]) -> None:
        who = event.get("subscriber") or event.get("host")
        log.warning(
            "quota %s: %s has used %d %%: %d of %d bytes",
            event["quota"], who, 100 * event["used"] // event["volume"], event["used"], event["volume"],
        )  # fmt: skip
        if self.records:
            self.records.put(event)
