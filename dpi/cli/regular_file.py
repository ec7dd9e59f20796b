"""Arguments that must be files: a device or a pipe is told, not waited for."""

from __future__ import annotations

import stat
from pathlib import Path

from dpi.errors import UsageError

KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}


def need_file(path: Path) -> None:
    """Raises UsageError where there is none, with what is there; OSError where it may not be looked at."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{path}: no such file") from error
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path}: {KINDS[stat.S_IFMT(mode)]}, not a file")
