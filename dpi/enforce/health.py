"""Whether the caches' next hops are well: a check each interval, and the kernel told when the answer changes.

A route is believed up until `down_after` checks in a row have failed, and down until `up_after` have
succeeded, so that one lost packet moves nothing.  The checks are what a client would do: a TCP connection,
an HTTP GET answered with 2xx or 3xx, an ICMP echo.  They run on asyncio, each with its timeout; nothing here
blocks the loop.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from dpi.errors import DpiError
from dpi.policy.plan import Health, KernelPlan, Route

log = logging.getLogger(__name__)

OnChange = Callable[[str, bool], None]
MAX_ANSWER = 4096  # bytes of an HTTP answer that are read: the status line and then some


@dataclass
class Standing:
    """What is known of one route."""

    route: str
    up: bool = True
    streak: int = 0  # checks in a row that say otherwise
    since: float = 0.0  # Unix time of the last change; 0 before the first
    last_error: str = ""  # of the last check that failed, in words
    checks: int = 0
    failures: int = 0

    def note(self, health: Health, error: str | None) -> bool:
        """One more result (None: it went well).  → whether the route's state changed."""
        self.checks += 1
        if error is not None:
            self.failures += 1
            self.last_error = error
        if (error is None) == self.up:
            self.streak = 0
            return False
        self.streak += 1
        if self.streak < (health.down_after if self.up else health.up_after):
            return False
        self.up, self.streak, self.since = not self.up, 0, time.time()
        return True


class Watcher:
    """Checks every route of a plan that asks for it, until cancelled.

    `on_change(route, up)` is called in the event loop's thread; it may block for a moment, as
    `enforce.set_route_state` does.  A DpiError of it is logged, and it is told again at the next check.  That
    a route is up is told once it is certain; that it is down, at every check, for the table may have been
    flushed and made anew meanwhile.
    """

    def __init__(self, plan: KernelPlan, on_change: OnChange) -> None:
        self._routes = [r for r in plan.routes if r.health and r.health.kind != "none"]
        self._on_change = on_change
        self.standings = {r.name: Standing(r.name) for r in self._routes}

    async def run(self) -> None:
        """Returns at once where there is nothing to check."""
        async with asyncio.TaskGroup() as group:
            for route in self._routes:
                group.create_task(self._watch(route, self.standings[route.name]))

    async def _watch(self, route: Route, standing: Standing) -> None:
        health = route.health
        assert health
        told: bool | None = None  # what the kernel was last told; it may know something from an earlier daemon
        while True:
            begun = time.monotonic()
            changed = standing.note(health, await check(health, route.device))
            if changed:
                log.warning("route %s is %s", route.name, "up" if standing.up else f"down: {standing.last_error}")
            if (told != standing.up and not standing.streak) or not standing.up:
                try:
                    self._on_change(route.name, standing.up)
                    told = standing.up
                except DpiError as error:
                    log.error("route %s: %s", route.name, error)
            # Doubt is settled quickly: the failures that make a route down fit into one interval.
            pause = health.interval / health.down_after if standing.up and standing.streak else health.interval
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - begun)))


async def check(health: Health, device: str | None) -> str | None:
    """One check: None when it went well, otherwise what went wrong, in words."""
    try:
        async with asyncio.timeout(health.timeout):
            if health.kind == "icmp":
                await _echo(health.target, device)
            else:
                await _tcp(health, device)
    except TimeoutError:
        return f"no answer within {health.timeout:g} s"
    except OSError as error:
        return error.strerror or str(error)
    except ValueError as error:
        return str(error)
    return None


def _socket(target: str, kind: socket.SocketKind, protocol: int, device: str | None) -> socket.socket:
    version = ipaddress.ip_address(target).version
    sock = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, kind, protocol)
    try:
        sock.setblocking(False)
        if device:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    except OSError:
        sock.close()
        raise
    return sock


async def _tcp(health: Health, device: str | None) -> None:
    loop = asyncio.get_running_loop()
    port = health.port or 80
    with _socket(health.target, socket.SOCK_STREAM, 0, device) as sock:
        await loop.sock_connect(sock, (health.target, port))
        if health.kind == "tcp":
            return
        host = f"[{health.target}]" if ":" in health.target else health.target
        request = f"GET {health.path or '/'} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        await loop.sock_sendall(sock, request.encode())
        answer = b""
        while b"\r\n" not in answer and len(answer) < MAX_ANSWER:
            data = await loop.sock_recv(sock, MAX_ANSWER)
            if not data:
                break
            answer += data
    status = answer.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or not status[0].startswith(b"HTTP/") or status[1][:1] not in (b"2", b"3"):
        raise ValueError(f"answered {answer[:40]!r} to GET {health.path or '/'}")


ECHO, REPLY = {4: 8, 6: 128}, {4: 0, 6: 129}  # RFC 792, RFC 4443


async def _echo(target: str, device: str | None) -> None:
    """An echo request and its reply, on a raw socket (the ping group's sysctl is often shut)."""
    loop = asyncio.get_running_loop()
    version = ipaddress.ip_address(target).version
    protocol = socket.IPPROTO_ICMP if version == 4 else socket.IPPROTO_ICMPV6
    token = os.urandom(8)
    identity = int.from_bytes(token[:2])
    body = struct.pack(">HH", identity, 1) + token
    request = struct.pack(">BBH", ECHO[version], 0, 0) + body
    if version == 4:  # the kernel fills in ICMPv6's checksum, not ICMP's
        request = struct.pack(">BBH", ECHO[version], 0, checksum(request)) + body
    with _socket(target, socket.SOCK_RAW, protocol, device) as sock:
        sock.connect((target, 0))  # of a raw socket: does not wait
        await loop.sock_sendall(sock, request)
        while True:
            answer = await loop.sock_recv(sock, 2048)
            if version == 4:
                answer = answer[(answer[0] & 0x0F) * 4 :] if answer else b""
            if len(answer) >= 8 and answer[0] == REPLY[version] and answer[4:] == body:
                return


def checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
