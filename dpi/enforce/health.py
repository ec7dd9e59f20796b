"""Whether the caches answer: TCP connect, HTTP GET or ICMP echo, every interval, with thresholds both ways.

A cache is taken for up until it has failed `down_after` times in a row, and then for down until it has answered
`up_after` times in a row: one lost packet moves no traffic, and a cache that flaps is not believed at once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from dpi.policy.plan import Health as Check
from dpi.policy.plan import KernelPlan, Route

Changed = Callable[[str, bool], Awaitable[None]]

ECHO_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}  # RFC 792, RFC 4443
ECHO_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}


class Health:
    """Checks each route of a plan that has a check, until stopped; `changed(name, up)` is called on every change."""

    def __init__(self, plan: KernelPlan, changed: Changed) -> None:
        self._routes = [route for route in plan.routes if route.health and route.health.kind != "none"]
        self._changed = changed
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.ensure_future(self._watch(route)) for route in self._routes]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _watch(self, route: Route) -> None:
        check = route.health
        assert check is not None
        up, streak = True, 0
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            answers = await works(check, route.device)
            streak = streak + 1 if answers != up else 0
            if streak >= (check.down_after if up else check.up_after):
                up, streak = answers, 0
                await self._changed(route.name, up)
            due = max(due + check.interval, loop.time())
            await asyncio.sleep(due - loop.time())


async def works(check: Check, device: str | None = None) -> bool:
    """One check.  Never raises: whatever goes wrong is a cache that does not answer."""
    kinds: dict[str, Callable[[Check, str | None], Coroutine[Any, Any, bool]]] = {
        "tcp": _tcp,
        "http": _http,
        "icmp": _icmp,
    }
    try:
        return await asyncio.wait_for(kinds[check.kind](check, device), check.timeout)
    except (OSError, TimeoutError, ValueError):
        return False


def _socket(check: Check, device: str | None, kind: int, protocol: int = 0) -> socket.socket:
    family = _family(check)
    made = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
    if device:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    return made


def _family(check: Check) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in check.target else socket.AF_INET


async def _tcp(check: Check, device: str | None) -> bool:
    with _socket(check, device, socket.SOCK_STREAM) as connection:
        await asyncio.get_running_loop().sock_connect(connection, (check.target, check.port))
    return True


async def _http(check: Check, device: str | None) -> bool:
    """2xx and 3xx are an answer (RFC 9110, 15)."""
    loop = asyncio.get_running_loop()
    host = f"[{check.target}]" if ":" in check.target else check.target
    request = f"GET {check.path or '/'} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    with _socket(check, device, socket.SOCK_STREAM) as connection:
        await loop.sock_connect(connection, (check.target, check.port))
        await loop.sock_sendall(connection, request)
        head = b""
        while b"\n" not in head and len(head) < 4096:
            part = await loop.sock_recv(connection, 1024)
            if not part:
                break
            head += part
    words = head.split(maxsplit=2)
    return len(words) >= 2 and words[0].startswith(b"HTTP/") and words[1][:1] in (b"2", b"3")


async def _icmp(check: Check, device: str | None) -> bool:
    family = _family(check)
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    nonce = os.urandom(12)
    with _socket(check, device, socket.SOCK_RAW, protocol) as ping:
        await asyncio.get_running_loop().sock_sendto(ping, _echo(family, nonce), (check.target, 0))
        while True:
            data, _ = await asyncio.get_running_loop().sock_recvfrom(ping, 2048)
            if family == socket.AF_INET:  # a raw IPv4 socket shows the IP header (raw(7))
                data = data[(data[0] & 15) * 4 :] if data else data
            if len(data) >= 20 and data[0] == ECHO_REPLY[family] and data[8:20] == nonce:
                return True


def _echo(family: int, nonce: bytes) -> bytes:
    """An echo request; the kernel fills in ICMPv6's checksum (RFC 3542, 3.1)."""
    body = struct.pack(">BBHHH", ECHO_REQUEST[family], 0, 0, 0, 1) + nonce
    if family == socket.AF_INET6:
        return body
    total = sum(struct.unpack(f">{len(body) // 2}H", body))
    total = (total & 0xFFFF) + (total >> 16)
    total = ~(total + (total >> 16)) & 0xFFFF
    return body[:2] + struct.pack(">H", total) + body[4:]
