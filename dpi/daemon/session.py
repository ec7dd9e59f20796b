"""Refuses a policy that would cut off who changes it.

The box's own connections never meet a policy: only what is forwarded is queued, blocked and routed.  So a session to
the box itself is safe, and two kinds are not: a session that the box forwards (its shell runs on a machine behind it),
and one that comes by a machine beyond the box (a jump host, a VPN server): the way to that machine is forwarded.

Whose session it is, is told by the caller's SSH_CONNECTION, and for changes without a caller by the connections that
sshd has.  A session is cut by a rule that blocks its flow, or when the cache that it goes by is taken away; what would
send its next connection to a cache locks out as well.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from dpi.enforce import conntrack
from dpi.errors import DpiError, UsageError
from dpi.policy.plan import Plan, Route
from dpi.record.fields import FlowRecord
from dpi.record.reader import record_of
from dpi.simulate.destinations import Destinations, is_plain
from dpi.simulate.outcome import Judge

SSH = 22
ESTABLISHED = "01"  # net/tcp_states.h
SHELLS = ("sshd", "dropbear")  # beginnings of what /proc/PID/comm says of who serves sessions
CARRIERS = {"remoteaccess", "vpn"}  # categories of what may carry a session
MAPPED = bytes(10) + b"\xff\xff"

Ends = tuple[str, int, str, int]  # source, its port, destination, its port


@dataclass(frozen=True)
class Session:
    """A TCP connection by which somebody works here.  `server` is empty where only its client is known."""

    client: str
    cport: int
    server: str = ""
    sport: int = 0

    def __str__(self) -> str:
        return f"{self.client}:{self.cport}" + (f" to {self.server}:{self.sport}" if self.server else "")


def session_of(text: str) -> Session:
    """SSH_CONNECTION ("client port server port") or SSH_CLIENT ("client port port").  Raises UsageError."""
    words = text.split()
    try:
        client = str(ip_address(words[0].partition("%")[0]))
        if len(words) == 4:
            server = str(ip_address(words[2].partition("%")[0]))
            return Session(client, int(words[1]), server, int(words[3]))
        cport, sport = words[1:]
        return Session(client, int(cport), "", int(sport))
    except (ValueError, IndexError):
        raise UsageError(f"{text!r} is no session as SSH_CONNECTION says it") from None


def logged_in(proc: Path = Path("/proc")) -> list[Session]:
    """The sessions that sshd has in this network namespace."""
    mine = set(_sockets(proc))
    found = []
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (proc / "self" / "net" / name).read_text().splitlines()[1:]:
                words = line.split()
                (server, sport), (client, cport) = _end(words[1]), _end(words[2])
                if words[3] == ESTABLISHED and (sport == SSH or words[9] in mine):
                    found.append(Session(client, cport, server, sport))
    return found


def _sockets(proc: Path) -> Iterator[str]:
    """The inodes of the sockets of all that serve sessions."""
    for process in proc.iterdir():
        with contextlib.suppress(OSError):  # it has ended
            if not process.name.isdigit() or not (process / "comm").read_text().startswith(SHELLS):
                continue
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    target = str(descriptor.readlink())
                    if target.startswith("socket:["):
                        yield target[8:-1]


def _end(text: str) -> tuple[str, int]:
    """`0100007F:0016` as /proc/net/tcp has it: words of 32 bits in the machine's order."""
    address, _, port = text.partition(":")
    raw = b"".join(struct.pack("=I", int(address[i : i + 8], 16)) for i in range(0, len(address), 8))
    return str(ip_address(raw[12:] if raw.startswith(MAPPED) else raw)), int(port, 16)


def refuse_to_cut(sessions: Iterable[Session], flows: Iterable[FlowRecord], old: Judge, new: Judge) -> None:
    """Raises DpiError where the new policy would cut one of these sessions, or one that sshd has; says how."""
    every = dict.fromkeys([*sessions, *logged_in()])
    if not every:
        return
    forwarded = [session for session in every if not session.server or not _is_local(session.server)]
    concerned: dict[Ends, FlowRecord] = {}
    for record in flows:
        if any(_carries(session, record) for session in every):
            concerned[record.src, record.sport, record.dst, record.dport] = record
    connections = []
    for connection in _connections() if forwarded or concerned else ():
        ends = _ends(connection)
        if ends in concerned or any(_is(session, connection) for session in forwarded):
            connections.append(connection)
            concerned.setdefault(ends, _unseen(connection))
    found = [each for record in concerned.values() if (each := _cut(record, old, new))]
    found += [each for c in connections if (each := _moved(c, old.plan, new.plan))]
    if found:
        raise DpiError(
            "refused, as it would cut a session that may be yours: " + "; ".join(found) + ".  "
            "`dpi policy apply --force` does it all the same, best with `--confirm 2min`"
        )


def _is_local(address: str) -> bool:
    """Whether this box has the address itself: then it is also where the kernel would speak to it from."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, SSH))
            return str(probe.getsockname()[0]) == address
    except OSError:
        return False


def _connections() -> Iterator[conntrack.Connection]:
    with contextlib.suppress(OSError):
        yield from conntrack.dump()


def _is(session: Session, c: conntrack.Connection) -> bool:
    """As the client sees it, or as the server does behind NAT."""
    if c.original.protocol != socket.IPPROTO_TCP or c.original.sport != session.cport:
        return False
    if str(ip_address(c.original.source)) != session.client:
        return False
    ends = (c.original.destination, c.original.dport), (c.reply.source, c.reply.sport)
    return any(port == session.sport and session.server in ("", str(ip_address(address))) for address, port in ends)


def _carries(session: Session, record: FlowRecord) -> bool:
    """The session itself, or what its client's machine is reached by: it stands beyond this box then."""
    if (record.src, record.sport, record.dport) == (session.client, session.cport, session.sport):
        return session.server in ("", record.dst)
    return record.dst == session.client and (record.dport == SSH or record.category in CARRIERS)


def _ends(c: conntrack.Connection) -> Ends:
    """As the flow table has it: behind the destination's NAT, before the source's."""
    return str(ip_address(c.original.source)), c.original.sport, str(ip_address(c.reply.source)), c.reply.sport


def _unseen(c: conntrack.Connection) -> FlowRecord:
    """A session that was there before its flow could be seen, so nothing but its port names it."""
    src, sport, dst, dport = _ends(c)
    told = {
        "l4": "tcp", "protocol": "ssh", "category": "remoteaccess", "method": "port", "decided_at": 1,
        "ip_version": 6 if c.family == socket.AF_INET6 else 4, "state": "established",
        "src": src, "sport": sport, "dst": dst, "dport": dport,
    }  # fmt: skip
    record = record_of(told)
    assert record is not None
    return record


def _cut(record: FlowRecord, old: Judge, new: Judge) -> str:
    """How the new policy cuts the flow, or would cut the next like it; empty where it does neither."""
    flow = f"{record.src}:{record.sport} to {record.dst}:{record.dport}"
    before, after = old.rule(record), new.rule(record)
    outcome = new.outcomes.of_rule(after)
    if outcome.verdict != "pass" and old.outcomes.of_rule(before).verdict == "pass":
        assert after is not None
        rule = new.plan.engine.rules[after]
        return f"{flow} ({record.app or record.protocol}) would be {outcome} by rule {rule.name} ({rule.where})"
    was, becomes = _cache(old, record, before), _cache(new, record, after)
    if becomes and becomes != was:
        return f"{flow}, begun anew, would go to cache {becomes}"
    return ""


def _cache(judge: Judge, record: FlowRecord, rule: int | None) -> str:
    """Where the next connection like this goes: by its rule, or by a prefix of the policy."""
    if record.direction == "in":
        return ""
    own = judge.plan.engine.rules[rule].route if rule is not None else None
    there = Destinations(judge.plan)
    origin = there.find(record.src, record.dst, time.time(), plain=is_plain(record))
    return own or (origin.cache if origin else "")


def _moved(c: conntrack.Connection, old: Plan, new: Plan) -> str:
    """A connection that goes by a cache which the new policy has no more, or has elsewhere."""
    marks = old.kernel.marks
    number = c.mark & marks.route_mask
    before, after = ({marks.route(r.number): r for r in plan.kernel.routes}.get(number) for plan in (old, new))
    if before is None or (after is not None and _way(after) == _way(before)):
        return ""
    return f"{ip_address(c.original.source)}:{c.original.sport} goes by cache {before.name}, which would change"


def _way(route: Route) -> tuple[object, ...]:
    return route.kind, route.port, route.next_hop4, route.next_hop6, route.device, route.table
