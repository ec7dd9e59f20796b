"""The signatures in use, and those that a policy which is being read would use instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from dpi.match import signatures
from dpi.match.labels import Signatures
from dpi.vocabulary import of_signatures


class _Read(NamedTuple):
    signatures: Signatures
    folders: tuple[Path, ...]
    stamp: signatures.Stamp


class SignatureFiles:
    """Read when a policy is read, in use when it is in force."""

    def __init__(self) -> None:
        self._used: _Read | None = None
        self._fresh: _Read | None = None  # read, and not in use yet

    @property
    def used(self) -> Signatures:
        """Those in use: there are some from the first policy on."""
        assert self._used is not None
        return self._used.signatures

    @property
    def next(self) -> Signatures:
        """Those of the policy that was read last."""
        return self._fresh.signatures if self._fresh else self.used

    def vocabulary(self, folders: tuple[Path, ...]) -> Any:
        """The names of the signatures in these folders.  They are read again only where a file has changed."""
        stamp = signatures.stamp(folders)
        self._fresh = None
        if self._used and (folders, stamp) == (self._used.folders, self._used.stamp):
            return of_signatures(self._used.signatures)
        before = self._used.signatures if self._used else None
        self._fresh = _Read(signatures.load(folders, before), folders, stamp)
        return of_signatures(self._fresh.signatures)

    def adopt(self) -> bool:
        """The policy that was read is in force, and so are its signatures.  False: they are the same as before."""
        if self._fresh is None:
            return False
        self._used, self._fresh = self._fresh, None
        return True

    def stamp(self) -> signatures.Stamp:
        """Changes when a file of those in use does."""
        return signatures.stamp(self._used.folders if self._used else ())
