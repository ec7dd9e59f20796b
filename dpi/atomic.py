"""Gives files new content at one stroke, so that nobody ever reads half of it.

The content goes to a file beside the old one, is forced to disk and takes the old one's name, owner, mode and extended
attributes (SELinux' label).
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dpi.errors import DpiError


def replace(file: Path, content: bytes) -> None:
    """Gives a file new content.  A symbolic link stays one.  Raises DpiError; then the file is as it was."""
    file = file.resolve()
    beside = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        try:
            old = file.stat()
        except FileNotFoundError:
            old = None
            file.parent.mkdir(exist_ok=True)
        beside.unlink(missing_ok=True)  # of an editor that was killed; the lock is ours now
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644 if old is None else 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                if old is not None:
                    _take_over(stream.fileno(), file, old)
                os.fsync(stream.fileno())
            beside.rename(file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise DpiError(f"{file}: cannot be written: {error.strerror}") from error


def _take_over(handle: int, file: Path, old: os.stat_result) -> None:
    """Owner, mode and extended attributes of the file that is replaced."""
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, old.st_mode & 0o7777)
    with contextlib.suppress(OSError):  # not every file system has them, not every user may set them
        for name in os.listxattr(file):
            os.setxattr(handle, name, os.getxattr(file, name))
