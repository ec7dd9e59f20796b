"""The built-in signatures as they were compiled before: what only names flows starts without reading them.

To read a megabyte of YAML and make tables of its 50,000 entries is most of what such a command needs to start, and
comes to the same each time.  So the tables are kept where Python keeps what it has compiled, in a `__pycache__` beside
their source, and are believed as that is: who may write there may change the program itself.  A file that is anybody
else's, or that others may write, is not looked at.  It begins with a check sum of all that it depends on and of itself
(CRC-32: a change or damage must be seen, nobody is to be kept from forging one); one that does not fit is made anew, in
one step, and where that cannot be done nothing is kept.
PYTHONDONTWRITEBYTECODE holds for it too.

Signatures of bytes and rules of apps are not kept, for none is built in; were there any, nothing would be.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
from pathlib import Path
from typing import Any
from zlib import crc32

from dpi import __version__
from dpi.dissect.declared import Declarations
from dpi.match import addresses, hosts, patterns, ports, prefixes, rules
from dpi.match.labels import Category, Kind, Label, Signatures, Tables

BUILT_IN = Path(__file__).resolve().parent.parent / "signatures"
SUM = 4  # bytes
_LAYOUT = (addresses, hosts, patterns, prefixes)  # modules that make or keep memory that is kept as it is


def tables() -> Tables:
    """Those of the built-in signatures.  Raises as signatures.load() does where they have to be read."""
    path = BUILT_IN / "__pycache__" / f"tables.{sys.implementation.cache_tag}"
    key = None
    try:
        key = _key()
        return _again(marshal.loads(_read(path, key)))
    except (OSError, EOFError, ValueError, TypeError):
        pass
    from dpi.match.signatures import load

    signatures = load()
    try:
        if not sys.dont_write_bytecode and not signatures.declared.declared and not signatures.ruled and key == _key():
            _write(path, key, marshal.dumps(_plain(signatures)))
    except OSError:
        pass
    return signatures


def _key() -> int:
    """What the tables depend on: the signatures, the modules whose memory they are, the version, and the place."""
    found = crc32(f"{__version__} {sys.version} {BUILT_IN}".encode())
    sources = sorted(path for path in BUILT_IN.iterdir() if path.suffix in (".yaml", ".yml"))
    for path in [*sources, *(Path(str(module.__file__)) for module in _LAYOUT)]:
        content = path.read_bytes()
        found = crc32(content, crc32(f"{path} {len(content)} ".encode(), found))
    return found


def _read(path: Path, key: int) -> memoryview:
    """What is kept under this key.  Raises OSError, ValueError where there is none that can be believed."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", 0) as file:
        found = os.fstat(file.fileno())
        owners = (0, os.geteuid(), Path(__file__).stat().st_uid)
        if not stat.S_ISREG(found.st_mode) or found.st_mode & 0o022 or found.st_uid not in owners:
            raise ValueError("others may have written it")
        kept = memoryview(file.read())
    if _sum(kept[SUM:], key) != kept[:SUM]:
        raise ValueError("of something else")
    return kept[SUM:]


def _write(path: Path, key: int, kept: bytes) -> None:
    """Puts it there in one step.  Raises OSError."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb") as file:
            file.write(_sum(kept, key) + kept)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _sum(kept: bytes | memoryview, key: int) -> bytes:
    return crc32(kept, key).to_bytes(SUM, "big")


def _plain(signatures: Signatures) -> tuple[Any, ...]:
    return (
        [tuple(category) for category in signatures.categories],
        [_plain_label(label) if label else None for label in signatures.labels],
        signatures.hosts.kept(),
        signatures.prefixes.kept(),
        signatures.port_pairs,
    )


def _plain_label(label: Label) -> tuple[Any, ...]:
    return (*label[:4], label.category.id, *label[5:])


def _label(
    categories: list[Category], number: int, slug: str, name: str, kind: Kind, category: int, *rest: Any
) -> Label:
    return Label(number, slug, name, kind, categories[category], *rest)


def _again(plain: tuple[Any, ...]) -> Tables:
    kinds, named, host_table, prefix_table, pairs = plain
    categories = [Category(*each) for each in kinds]
    labels = [_label(categories, *each) if each else None for each in named]
    return Tables(
        labels,
        categories,
        hosts.Hosts.again(host_table),
        prefixes.Prefixes.again(prefix_table),
        ports.Ports(pairs),
        Declarations(),
        rules.Rules([]),
    )
