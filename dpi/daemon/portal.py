"""The daemon's own page, to which rules may redirect: one text for whatever is asked."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from dpi.errors import UsageError
from dpi.policy.plan import PortalPlan

PAGE_MAX = 1 << 20  # bytes
PAGE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Not available</title>
<body><h1>Not available</h1>
<p>The policy of this network does not let you have what you asked for. Its administrator knows why.</p></body></html>
"""
REQUEST_MAX = 8192
REQUEST_SECONDS = 5.0
CLIENTS = 256  # at a time; more are not answered


class Portal:
    def __init__(self) -> None:
        self._plan: PortalPlan | None = None
        self._server: asyncio.Server | None = None
        self._answer = b""
        self._clients = 0

    async def use(self, plan: PortalPlan | None) -> None:
        """Serves this page from now on; none: no longer.  Raises UsageError and goes on as before."""
        answer = _answer(plan) if plan else b""
        if plan and (self._plan is None or self._plan.port != plan.port):
            try:
                server = await asyncio.start_server(self._serve, None, plan.port, limit=REQUEST_MAX)
            except OSError as error:
                raise UsageError(f"portal: port {plan.port}: {error.strerror}") from error
            await self.close()
            self._server = server
        elif plan is None:
            await self.close()
        self._plan, self._answer = plan, answer

    async def close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients <= CLIENTS:
                async with asyncio.timeout(REQUEST_SECONDS):
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer)
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._clients -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _answer(plan: PortalPlan) -> bytes:
    page = PAGE
    if plan.page:
        try:
            with Path(plan.page).open("rb") as file:
                page = file.read(PAGE_MAX + 1)
        except OSError as error:
            raise UsageError(f"portal: {plan.page}: {error.strerror}") from error
        if len(page) > PAGE_MAX:
            raise UsageError(f"portal: {plan.page}: longer than {PAGE_MAX >> 20} MiB")
    head = (
        "HTTP/1.1 200 OK",
        "Content-Type: text/html; charset=utf-8",
        f"Content-Length: {len(page)}",
        "Cache-Control: no-store",
        "Connection: close",
    )
    return "\r\n".join([*head, "", ""]).encode() + page
