"""Captures that were compressed, as rotated ones are (`tcpdump -z gzip`): a thread unpacks them into a pipe.

The thread holds no lock of Python's while it unpacks, and nothing is written to disk.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import stat
import threading
from contextlib import suppress
from typing import IO

STARTS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstd", b'\x04"M\x18': "lz4"}
MODULES = {"gzip": "gzip", "bzip2": "bz2", "xz": "lzma"}  # of those that Python reads
AT_ONCE = 1 << 18  # bytes that are unpacked together
PIPE = 1 << 20  # bytes in the pipe, where the system allows so many


def packed(start: bytes) -> str | None:
    """What compresses files that start so."""
    return next((name for each, name in STARTS.items() if start.startswith(each)), None)


def unpacked(file: IO[bytes]) -> Unpacked | None:
    """What a file holds from where it stands on, unpacked; None where it is not compressed, or is no file."""
    fd = file.fileno()
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return None
    name = packed(os.pread(fd, 8, os.lseek(fd, 0, os.SEEK_CUR)))
    return Unpacked(fd, name) if name in MODULES else None


class Unpacked:
    """The read end of a pipe, which has what `fd` holds; `fd` stays the caller's.

    error: what was wrong with the compressed data, where the pipe has ended for that.
    """

    def __init__(self, fd: int, kind: str) -> None:
        self.error: str | None = None
        self._packed = fd
        self._kind = kind
        self._read, write = os.pipe()
        with suppress(OSError):
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE)
        threading.Thread(target=self._run, args=(os.dup(fd), write), name="unpack", daemon=True).start()

    def fileno(self) -> int:
        return self._read

    def tell(self) -> int:
        """Compressed bytes that were read so far."""
        return os.lseek(self._packed, 0, os.SEEK_CUR)

    def close(self) -> None:
        """The thread ends by itself at what it writes next."""
        os.close(self._read)

    def _run(self, fd: int, write: int) -> None:
        module = importlib.import_module(MODULES[self._kind])
        try:
            with os.fdopen(fd, "rb") as file, module.open(file) as source:
                while data := memoryview(source.read1(AT_ONCE)):
                    while data:
                        data = data[os.write(write, data) :]
        except BrokenPipeError:
            pass  # nobody wants more
        except Exception as error:  # each module has its own
            self.error = f"the {self._kind} data is damaged: {error}"
        finally:
            os.close(write)
