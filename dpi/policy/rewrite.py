"""Changes a policy file on disk so that nobody ever reads half of it, and no two editors at once.

The new text is checked as part of the whole policy before anything is written; then it goes to a file beside the
old one, is forced to disk and takes the old one's name, owner, mode and extended attributes (SELinux' label).
Editors wait for each other at a lock on the policy's folder, which leaves no lock file behind.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from dpi.atomic import replace
from dpi.errors import DpiError, UsageError
from dpi.flock import flock
from dpi.policy.check import Names, check

LOCK_SECONDS = 10.0


def rewrite(
    config: Path,
    file: Path,
    change: Callable[[str], str],
    *,
    names: Names | None = None,
    dry_run: bool = False,
) -> str:
    """Changes the text of one of a policy's files and returns the difference, as `diff -u` writes it.

    `change` is given the text ("" where there is no file yet) and returns the new one.  Raises FindingsError where
    the policy would not pass the check any more, DpiError where the file cannot be written; then it is as it was.
    """
    with locked(config):
        before = _content(file)
        try:
            text = before.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"{file}: not UTF-8 at byte {error.start}") from None
        after = change(text).encode("utf-8")
        if after != before:
            check(config, names=names, instead={file: after})
            if not dry_run:
                replace(file, after)
    return unified(file, before, after)


def unified(file: Path, before: bytes, after: bytes) -> str:
    """The difference of two texts; empty where there is none."""
    old = before.decode("utf-8").splitlines(keepends=True)
    new = after.decode("utf-8").splitlines(keepends=True)
    lines = difflib.unified_diff(old, new, str(file), str(file))
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error


@contextlib.contextmanager
def locked(config: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Holds the policy's folder against other editors."""
    folder = config.resolve().parent
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be opened: {error.strerror}") from error
    try:
        if not flock(handle, seconds):
            raise DpiError(f"{config}: somebody else is editing it")
        yield
    finally:
        os.close(handle)
