"""The versions of a policy that were in force: who put them there, when, what for, and all of their text.

    FOLDER/7/about.json  policy.yaml  policy.d/10-guests.yaml

A version is a policy like any other: `dpi policy show|diff FOLDER/7/policy.yaml` read it.  Beside them may lie
`instead.json`: the daemon's own files are not what is in force, because another file was applied, a version was rolled
back to, or a change still waits to be confirmed.  It names the version to use instead, and the own files as they were
then: once they are other ones, they count again.  It is written before a change that waits is made, so that whatever
dies meanwhile, the next start finds the way back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dpi.errors import DpiError, UsageError
from dpi.policy.load import policy_files

FOLDER = Path("/var/lib/dpi/versions")
KEPT = 100
ABOUT, INSTEAD = "about.json", "instead.json"


@dataclass(frozen=True)
class Source:
    """Where a policy is read: the file (its drop-ins beside it) and what `--set` says."""

    config: Path
    sets: tuple[str, ...] = ()

    def digest(self) -> str:
        """Changes when one byte of it does.  Files that cannot be read count as empty."""
        found = hashlib.sha256(json.dumps(self.sets).encode())
        for path in policy_files(self.config):
            with contextlib.suppress(OSError):
                found.update(f"\0{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
        return found.hexdigest()


@dataclass(frozen=True)
class Version:
    """One that was in force."""

    number: int
    time: float  # Unix time at which it came into force
    who: str
    comment: str
    hash: str  # of what it means: Plan.hash
    digest: str  # of its text: Source.digest
    source: Source

    def to_json(self) -> dict[str, object]:
        told = asdict(self)
        del told["source"], told["digest"]
        return told | {"file": str(self.source.config)}


@dataclass(frozen=True)
class Instead:
    """The version in force instead of the daemon's own files, for as long as these have that digest."""

    version: int
    own: str
    unconfirmed: bool = False  # a change was on trial when this was written: the version is the one before it


class Versions:
    """The folder of them.  Raises DpiError where it cannot be written."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder

    def all(self) -> list[Version]:
        """Oldest first.  What is damaged is passed over."""
        found = []
        with contextlib.suppress(OSError):
            for entry in self.folder.iterdir():
                if entry.name.isdigit() and (version := _read(entry)):
                    found.append(version)
        return sorted(found, key=lambda version: version.number)

    def get(self, number: int) -> Version:
        """UsageError where there is none of this number."""
        version = _read(self.folder / str(number))
        if version is None:
            raise UsageError(f"there is no version {number}: `dpi policy history` lists them")
        return version

    def add(
        self, source: Source, meaning: str, signatures: Sequence[str] = (), *, who: str = "", comment: str = ""
    ) -> Version:
        """Keeps a policy that has just come into force; the version that it is already, where it is one.

        `signatures` are the absolute paths of the folders that it names, as the copy lies elsewhere.
        """
        before = self.all()
        digest = source.digest()
        for version in before:
            if source == version.source or (version is before[-1] and digest == version.digest):
                return version
        number = before[-1].number + 1 if before else 1
        sets = source.sets
        if signatures and not any(word.startswith("signatures=") for word in sets):
            sets = (*sets, f"signatures={json.dumps(list(signatures))}")
        about = {"time": time.time(), "who": who, "comment": comment, "hash": meaning, "digest": digest}
        part = self.folder / f".{number}.part"
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(mode=0o700, parents=True)
            for path in policy_files(source.config):
                to = part / path.relative_to(source.config.parent)
                to.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, to)
            (part / ABOUT).write_text(json.dumps({**about, "file": source.config.name, "sets": sets}, indent=1))
            part.rename(self.folder / str(number))
        except OSError as error:
            raise DpiError(f"{self.folder}: the version cannot be kept: {error.strerror}") from error
        for old in before[: max(0, len(before) + 1 - KEPT)]:
            if (instead := self.instead()) is None or instead.version != old.number:
                shutil.rmtree(self.folder / str(old.number), ignore_errors=True)
        return self.get(number)

    def instead(self) -> Instead | None:
        """A damaged file is as good as none."""
        try:
            return Instead(**json.loads((self.folder / INSTEAD).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def set_instead(self, instead: Instead | None) -> None:
        path = self.folder / INSTEAD
        try:
            if instead is None:
                path.unlink(missing_ok=True)
                return
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            with part.open("w") as file:
                json.dump(asdict(instead), file)
                file.flush()
                os.fsync(file.fileno())  # the machine may be what dies
            part.replace(path)
        except OSError as error:
            raise DpiError(f"{path}: {error.strerror}") from error


def _read(folder: Path) -> Version | None:
    try:
        about = json.loads((folder / ABOUT).read_text())
        return Version(
            number=int(folder.name),
            time=float(about["time"]),
            who=str(about["who"]),
            comment=str(about["comment"]),
            hash=str(about["hash"]),
            digest=str(about["digest"]),
            source=Source(folder / str(about["file"]), tuple(map(str, about["sets"]))),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
