"""What DNS and other flows had told of a flow's server, as the table of names has it (match/names.pyx)."""

from __future__ import annotations

import time
from typing import Any, Literal, NamedTuple

from dpi.match.addresses import pack
from dpi.match.names import Names
from dpi.record.fields import TRANSPORTS, FlowRecord

NUMBERS = {name: number for number, name in TRANSPORTS.items()}
SECOND = 1_000_000_000


class Taught(NamedTuple):
    """A name of the server.

    to: the flow's client, or another address was told so by DNS; or the server itself has shown it to somebody.
    shared: other apps' names lead to the address, too.  when: Unix time at which it was told last.
    """

    name: str
    to: Literal["client", "another", "server"]
    shared: bool
    when: float


def taught(names: Names, record: FlowRecord, now: float) -> Taught | None:
    """What is known at a time (Unix), by whom a flow asks first (decide/labels.pyx); None where nothing is."""
    server, at = pack(record.dst), round(now * SECOND)
    if found := names.find(pack(record.src), server, at):
        return _of(found, "client" if found["own"] else "another")
    if found := names.find_server(server, record.dport, NUMBERS.get(record.l4, 0), at):
        return _of(found, "server")
    return None


def words(known: Taught, record: FlowRecord) -> str:
    """`DNS told the client that www.example.org is at 192.0.2.7, 0.120 s before it began, 2026-11-30 14:02:11.310`"""
    told = {
        "client": f"DNS told the client that {known.name} is at {record.dst}",
        "another": f"DNS told another address that {known.name} is at {record.dst}",
        "server": f"the server had shown the name {known.name} at this port",
    }[known.to]
    before = record.start - known.when
    when = f"{before:.3f} s before it began" if before >= 0 else f"last {-before:.3f} s after it began"
    shared = "; other apps' names lead there as well" if known.shared else ""
    return f"{told}, {when}, {clock(known.when)}{shared}"


def clock(when: float) -> str:
    """A Unix time as people here read it, to the millisecond."""
    return f"{time.strftime('%F %T', time.localtime(when))}.{int(when * 1000) % 1000:03}"


def _of(found: dict[str, Any], to: Literal["client", "another", "server"]) -> Taught:
    return Taught(found["name"], to, found["ambiguous"], found["learnt"] / SECOND)
