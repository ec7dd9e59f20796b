"""The lab's sites over HTTP and TLS: `GET /bytes/N` sends N bytes, anything else a short page naming the server."""

from __future__ import annotations

import asyncio
import ssl

CHUNK = bytes(256 * 1024)
MOST = 10 * 1024**3


def wanted(path: str) -> int | None:
    """The N of `/bytes/N`, or None for another path."""
    if not path.startswith("/bytes/"):
        return None
    try:
        return min(max(int(path[7:]), 0), MOST)
    except ValueError:
        return None


class Site:
    """A web server that says who it is (`inet` or `cache`), so that a client can tell who answered."""

    def __init__(self, role: str) -> None:
        self.role = role

    async def start(self, tls: ssl.SSLContext) -> None:
        for family in ("0.0.0.0", "::"):
            await asyncio.start_server(self._serve, family, 80, backlog=1024)
            await asyncio.start_server(self._serve, family, 443, ssl=tls, backlog=1024)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            ConnectionError,
            ssl.SSLError,
            TimeoutError,
        ):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; False when the connection is over."""
        request = await reader.readline()
        words = request.split()
        if len(words) != 3:
            return False
        close, body = False, 0
        while (line := await reader.readline()) not in (b"\r\n", b"\n", b""):
            field, _, value = line.lower().partition(b":")
            close |= field == b"connection" and value.strip() == b"close"
            if field == b"content-length" and value.strip().isdigit():
                body = min(int(value), MOST)
            if field == b"expect":
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while body > 0 and (part := await reader.read(min(body, len(CHUNK)))):
            body -= len(part)
        size = wanted(words[1].decode("latin-1"))
        page = b"" if size is not None else f"hello from {self.role}\n".encode()
        length = len(page) if size is None else size
        head = f"HTTP/1.1 200 OK\r\nServer: {self.role}\r\nContent-Length: {length}\r\n\r\n"
        writer.write(head.encode() + page)
        left = size or 0
        while left > 0:
            writer.write(CHUNK[: min(left, len(CHUNK))])
            left -= len(CHUNK)
            await writer.drain()
        await writer.drain()
        return not close
