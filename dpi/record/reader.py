"""Flow records read back: those that the writer wrote, and those that the daemon tells of flows that live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from dpi.errors import UsageError
from dpi.record.fields import FIELDS, FlowRecord

NUMBERS = ("sport", "dport", "vlan", "packets_up", "bytes_up", "packets_down", "bytes_down", "decided_at", "dscp")
TIMES = ("start", "end", "confidence")


def written(path: Path, since: float = 0.0) -> Iterator[FlowRecord]:
    """The records of a file and of those that it was rotated to, of flows that ended at `since` or later (Unix time).

    Lines that are no records are passed over.  Raises UsageError where the file cannot be read.
    """
    for file in _files(path):
        try:
            if file.stat().st_mtime < since:
                continue
            with file.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    record = _read(line)
                    if record is not None and record.end >= since:
                        yield record
        except FileNotFoundError:  # rotated away meanwhile
            continue
        except OSError as error:
            raise UsageError(f"{file}: cannot be read: {error.strerror}") from error


def record_of(told: dict[str, Any]) -> FlowRecord | None:
    """A record from its fields, others left out; None where it cannot be one."""
    values: dict[str, Any] = {name: told.get(name) for name in FIELDS}
    try:
        for name in ("src", "dst"):
            values[name] = str(ip_address(told[name]))
        for name in NUMBERS:
            values[name] = int(told.get(name) or 0)
        for name in TIMES:
            values[name] = float(told.get(name) or 0)
        values["l4"], values["protocol"] = str(told["l4"]), str(told.get("protocol") or "unknown")
        for name in ("app", "hostname", "mac"):
            values[name] = None if told.get(name) is None else str(told[name])
    except (KeyError, ValueError, TypeError):
        return None
    return FlowRecord(**values)


def _files(path: Path) -> list[Path]:
    """The newest first."""
    rotated = [p for p in path.parent.glob(f"{path.name}.*") if p.suffix[1:].isdecimal()]
    return [path, *sorted(rotated, key=lambda p: int(p.suffix[1:]))]


def _read(line: str) -> FlowRecord | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    return record_of(told) if isinstance(told, dict) else None
