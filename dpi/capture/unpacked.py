"""Captures that were compressed, as rotated ones are (`tcpdump -z gzip`): a thread unpacks them into a pipe.

The thread holds no lock of Python's while it unpacks, and nothing is written to disk.  However much comes of a few
bytes, memory is what is unpacked together, the pipe, and what the format looks back upon: 32 kB (gzip), 4 MB (bzip2),
or of xz what it says itself, to which MEMORY is the limit.
"""

from __future__ import annotations

import fcntl
import importlib
import io
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

# Four bytes at the most: so many are there when a capture is found to be none.
STARTS = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zX": "xz", b"(\xb5/\xfd": "zstd", b'\x04"M\x18': "lz4"}
MODULES = {"gzip": "gzip", "bzip2": "bz2", "xz": "lzma"}  # of those that Python reads
AT_ONCE = 1 << 18  # bytes that are unpacked together
PIPE = 1 << 20  # bytes in the pipe, where the system allows so many
MEMORY = 256 << 20  # bytes that xz may want; what `xz -9` makes wants 65 MiB


def packed(start: bytes) -> str | None:
    """What compresses files that start so."""
    return next((name for each, name in STARTS.items() if start.startswith(each)), None)


def unpacked(fd: int, start: bytes) -> Unpacked | None:
    """What a file or a pipe holds, of which `start` was read; None where it is not compressed, or nothing reads it."""
    name = packed(start)
    return Unpacked(fd, start, name) if name in MODULES else None


class Unpacked:
    """The read end of a pipe, which has what `start` and `fd` hold; `fd` stays the caller's.

    error: why the compressed data could not be unpacked, where the pipe has ended for that.
    """

    def __init__(self, fd: int, start: bytes, kind: str) -> None:
        self.error: str | None = None
        self._kind = kind
        self._read, write = os.pipe()
        with suppress(OSError):
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE)
        self._source = _Source(os.dup(fd), start)
        threading.Thread(target=self._run, args=(write,), name="unpack", daemon=True).start()

    def fileno(self) -> int:
        return self._read

    def tell(self) -> int:
        """Compressed bytes that were read so far."""
        return self._source.done

    def close(self) -> None:
        """The thread ends by itself at what it writes next."""
        os.close(self._read)

    def _run(self, write: int) -> None:
        try:
            with io.BufferedReader(self._source) as source:
                for piece in _pieces(source, self._kind):
                    data = memoryview(piece)
                    while data:
                        data = data[os.write(write, data) :]
        except BrokenPipeError:
            pass  # nobody wants more
        except Exception as error:  # each module has its own
            self.error = f"the {self._kind} data cannot be unpacked: {error}"
        finally:
            os.close(write)


class _Source(io.RawIOBase):
    """A start that was read already, then what a descriptor has, which is closed with this.  done: bytes given."""

    def __init__(self, fd: int, start: bytes) -> None:
        self._fd = fd
        self._start = memoryview(start)
        self.done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = min(len(buffer), len(self._start))
        if n:
            buffer[:n] = self._start[:n]
            self._start = self._start[n:]
        else:
            n = os.readv(self._fd, [buffer])
        self.done += n
        return n

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


def _pieces(source: io.BufferedIOBase, kind: str) -> Iterator[bytes]:
    module = importlib.import_module(MODULES[kind])
    if kind == "xz":
        yield from _streams(source, module)
        return
    with module.open(source) as file:
        while data := file.read1(AT_ONCE):
            yield data


def _streams(source: io.BufferedIOBase, lzma: Any) -> Iterator[bytes]:
    """Of xz, whose files may be several streams with zeros between them; lzma.open() knows no limit of memory."""
    rest = b""
    while rest := rest or source.read1():
        if not (rest := rest.lstrip(b"\0")):
            continue
        stream = lzma.LZMADecompressor(memlimit=MEMORY)
        while not stream.eof:
            yield stream.decompress(rest, AT_ONCE)
            rest = source.read1() if stream.needs_input else b""
            if stream.needs_input and not rest and not stream.eof:
                raise EOFError("it ends before its end-of-stream marker")
        rest = stream.unused_data + rest
