"""From policy files to a plan; its numbers and its versions, kept from one life of the daemon to the next."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from dpi.errors import Finding, UsageError
from dpi.policy.check import Names, check
from dpi.policy.compile import compile_policy
from dpi.policy.load import policy_files
from dpi.policy.names import Machine
from dpi.policy.plan import Ids, Interface, Plan
from dpi.policy.versions import Instead, Source, Version, Versions

Stamp = tuple[tuple[str, int, int], ...]  # path, mtime in ns, size


class Policies:
    """The policy in force: the daemon's own files, or a version instead of them (see policy/versions.py)."""

    def __init__(self, own: Source, state_dir: Path, versions: Versions, names: Names) -> None:
        self.own = own
        self.versions = versions
        self.source = own
        self._names = names
        self._ids_file = state_dir / "ids.json"
        self._ids = self._read_ids()
        self._interfaces: tuple[Interface, ...] = ()  # of the policy in force

    def find(self) -> str:
        """Finds what is to be in force at a start; → why it is not the own files, in words."""
        instead = self.versions.instead()
        if instead is None:
            return ""
        if instead.own != self.own.digest():
            self.versions.set_instead(None)  # the files were changed since: they count again
            return ""
        try:
            version = self.versions.get(instead.version)
        except UsageError:
            return ""
        self.source = version.source
        if instead.unconfirmed:
            return f"version {version.number} is in force, as the change after it was not confirmed"
        return f"version {version.number} is in force instead of {self.own.config}"

    def read(self, source: Source | None = None) -> tuple[Plan, tuple[Finding, ...]]:
        """The plan, and warnings.  Raises FindingsError with everything that is wrong."""
        source = source or self.source
        machine = Machine.here().with_also(self._interfaces)  # one in force may be away: that is no fault of the policy
        checked = check(source.config, source.sets, names=self._names, machine=machine)
        return compile_policy(checked, machine, self._ids), checked.warnings

    def keep(self, plan: Plan) -> None:
        """The plan is in force: its numbers are now what flows and counters carry."""
        self._ids = plan.ids
        self._interfaces = plan.kernel.interfaces
        part = self._ids_file.with_suffix(".part")
        self._ids_file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(dataclasses.asdict(plan.ids)))
        part.replace(self._ids_file)

    def keep_version(self, plan: Plan, who: str, comment: str) -> Version:
        """What is in force is written down.  DpiError where there is no room for it."""
        return self.versions.add(self.source, plan.hash, plan.engine.signature_dirs, who=who, comment=comment)

    def stand(self, version: Version | None, *, unconfirmed: bool = False) -> None:
        """From now on, at a start too: this version, or the own files again where they are the same (or None)."""
        own = self.own.digest()
        same = version is None or (version.digest == own and not unconfirmed)
        self.versions.set_instead(None if same or version is None else Instead(version.number, own, unconfirmed))

    def stamp(self) -> Stamp:
        """Changes when one of the daemon's own files does."""
        found = []
        for path in policy_files(self.own.config):
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
            parts = {f.name: {str(k): int(v) for k, v in raw.get(f.name, {}).items()} for f in dataclasses.fields(Ids)}
            return Ids(**parts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return Ids()
