"""From policy files to a plan, and the numbers that it gave, kept from one life of the daemon to the next."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from dpi.errors import Finding
from dpi.policy.check import Names, check
from dpi.policy.compile import compile_policy
from dpi.policy.load import policy_files
from dpi.policy.names import Machine
from dpi.policy.plan import Ids, Plan

Stamp = tuple[tuple[str, int, int], ...]  # path, mtime in ns, size


class Policies:
    """The policy at one place, as it is there now."""

    def __init__(self, config: Path, sets: tuple[str, ...], state_dir: Path, names: Names) -> None:
        self.config = config
        self.sets = sets
        self._names = names
        self._ids_file = state_dir / "ids.json"
        self._ids = self._read_ids()

    def read(self) -> tuple[Plan, tuple[Finding, ...]]:
        """The plan, and warnings.  Raises FindingsError with everything that is wrong."""
        machine = Machine.here()
        checked = check(self.config, self.sets, names=self._names, machine=machine)
        return compile_policy(checked, machine, self._ids), checked.warnings

    def keep(self, plan: Plan) -> None:
        """The plan is in force: its numbers are now what flows and counters carry."""
        self._ids = plan.ids
        part = self._ids_file.with_suffix(".part")
        self._ids_file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(dataclasses.asdict(plan.ids)))
        part.replace(self._ids_file)

    def stamp(self) -> Stamp:
        """Changes when one of the files does."""
        found = []
        for path in policy_files(self.config):
            try:
                stat = path.stat()
                found.append((str(path), stat.st_mtime_ns, stat.st_size))
            except OSError:
                found.append((str(path), 0, 0))
        return tuple(found)

    def _read_ids(self) -> Ids:
        """A damaged file is as good as none: numbers are then given anew."""
        try:
            raw = json.loads(self._ids_file.read_text())
            parts = {f.name: {str(k): int(v) for k, v in raw[f.name].items()} for f in dataclasses.fields(Ids)}
            return Ids(**parts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Ids()
