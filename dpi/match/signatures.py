"""What can be named, read from signature files: labels, categories, and the tables that the loop matches with.

The built-in files are in dpi/signatures; a user's own directories are read after them, in the order given, and
add to or override them.  The format is described in docs/reference/signatures.md.  Every finding of every file
is reported at once.  Files are read into drafts (drafts.py), which are put together in the end (assemble.py).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dpi.errors import UsageError
from dpi.match.assemble import assemble
from dpi.match.drafts import Reader
from dpi.match.labels import Signatures

BUILT_IN = Path(__file__).resolve().parent.parent / "signatures"
ENDINGS = (".yaml", ".yml")
Stamp = tuple[tuple[str, int, int], ...]  # path, mtime in ns, size


def load(
    directories: Iterable[str | Path] = (),
    keep: Signatures | None = None,
    instead: Mapping[str, str] | None = None,
) -> Signatures:
    """Reads the built-in signatures, then every *.yaml of the user's directories in name order, or a file of theirs.

    keep: what was loaded before; its labels and categories have the same numbers again, and no other gets them.
    instead: what is to stand in files, by their real paths.
    Raises FindingsError with every finding as FILE:LINE:COL, UsageError where a directory cannot be read.
    """
    reader = Reader(keep)
    with _uncollected():
        for layer, directory in enumerate([BUILT_IN, *map(Path, directories)]):
            for path in files(directory):
                reader.read(path, layer, instead.get(os.path.realpath(path)) if instead else None)
        return assemble(reader, BUILT_IN)


def with_file(folders: Iterable[Path], file: Path) -> list[Path]:
    """The folders and a signature file, which is left out where it stands in one of them: it is read with that."""
    found = list(folders)
    return found if any(file.resolve().parent == folder.resolve() for folder in found) else [*found, file]


@contextmanager
def _uncollected() -> Iterator[None]:
    """While many objects are made that are all kept, the cyclic collector would go through them again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def stamp(directories: Iterable[str | Path]) -> Stamp:
    """Changes when a file of the user's does, or comes, or goes."""
    found = []
    for directory in map(Path, directories):
        try:
            for path in files(directory):
                stat = path.stat()
                found.append((str(path), stat.st_mtime_ns, stat.st_size))
        except (OSError, UsageError):
            found.append((str(directory), 0, 0))
    return tuple(found)


def files(directory: Path) -> list[Path]:
    """The signature files of a directory in the order in which they are read; of a file itself."""
    if directory.is_file():
        return [directory]
    try:
        return sorted(path for path in directory.iterdir() if path.suffix in ENDINGS)
    except OSError as error:
        raise UsageError(f"{directory}: {error.strerror}") from error
