"""HTTP/3 for the lab (aioquic): a server that answers like web.py, and a client that downloads."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from pathlib import Path
from typing import Any

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent
from aioquic.quic.packet import QuicProtocolVersion

from dpi.lab.web import wanted

CHUNK = bytes(64 * 1024)
WINDOW = 1 << 20  # bytes given to a stream and not yet sent; more would only fill memory


class Server(QuicConnectionProtocol):
    """One client's connection."""

    role = "inet"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._http: H3Connection | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def quic_event_received(self, event: QuicEvent) -> None:
        if self._http is None:
            self._http = H3Connection(self._quic)
        for http_event in self._http.handle_event(event):
            if isinstance(http_event, HeadersReceived):
                headers = dict(http_event.headers)
                path = headers.get(b":path", b"/").decode("latin-1")
                task = asyncio.ensure_future(self._answer(http_event.stream_id, path))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _answer(self, stream: int, path: str) -> None:
        assert self._http is not None
        size = wanted(path)
        page = b"" if size is not None else f"hello from {self.role}\n".encode()
        length = len(page) if size is None else size
        head = [(b":status", b"200"), (b"server", self.role.encode()), (b"content-length", b"%d" % length)]
        self._http.send_headers(stream, head)
        left = size or 0
        if not left:
            self._http.send_data(stream, page, True)
        while left > 0:
            part = CHUNK[: min(left, len(CHUNK))]
            left -= len(part)
            self._http.send_data(stream, part, left <= 0)
            self.transmit()
            sender = self._quic._streams[stream].sender
            while sender._buffer_stop - sender._buffer_start > WINDOW and not sender.is_finished:
                await asyncio.sleep(0.005)
        self.transmit()


async def start(role: str, address: str, certificate: Path) -> None:
    """Serves HTTP/3 at one address, port 443, with the certificate of its name."""
    configuration = QuicConfiguration(is_client=False, alpn_protocols=H3_ALPN, max_datagram_size=1350)
    configuration.congestion_control_algorithm = "cubic"
    configuration.load_cert_chain(certificate, certificate)
    kind = type("RoleServer", (Server,), {"role": role})
    await serve(address, 443, configuration=configuration, create_protocol=kind)


class Client(QuicConnectionProtocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._http = H3Connection(self._quic)
        self._events: deque[Any] = deque()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.received = 0
        self.first = 0.0  # when the first data came, and the newest
        self.last = 0.0
        self.server = ""

    def quic_event_received(self, event: QuicEvent) -> None:
        for http_event in self._http.handle_event(event):
            if isinstance(http_event, HeadersReceived):
                self.server = dict(http_event.headers).get(b"server", b"").decode("latin-1")
            if isinstance(http_event, DataReceived):
                self.last = time.monotonic()
                self.first = self.first or self.last
                self.received += len(http_event.data)
            if isinstance(http_event, (HeadersReceived, DataReceived)) and http_event.stream_ended:
                self._done.set_result(None)

    async def get(self, host: str, path: str) -> None:
        stream = self._quic.get_next_available_stream_id()
        self._http.send_headers(
            stream,
            [
                (b":method", b"GET"),
                (b":scheme", b"https"),
                (b":authority", host.encode()),
                (b":path", path.encode()),
            ],
            end_stream=True,
        )
        self.transmit()
        await self._done


async def fetch(host: str, path: str, ca: str, family: int, seconds: float, version: int = 1) -> dict[str, Any]:
    """Downloads https://host/path over HTTP/3, for at most `seconds`; what came and how fast (bit/s)."""
    loop = asyncio.get_running_loop()
    address = str((await loop.getaddrinfo(host, 443, family=family))[0][4][0])
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=host)
    configuration.load_verify_locations(ca)
    if version == 2:
        configuration.original_version = QuicProtocolVersion.VERSION_2
        configuration.supported_versions = [QuicProtocolVersion.VERSION_2, QuicProtocolVersion.VERSION_1]
    error = None
    client: Client | None = None
    try:
        async with asyncio.timeout(seconds):
            async with connect(address, 443, configuration=configuration, create_protocol=Client) as connection:
                assert isinstance(connection, Client)
                client = connection
                await client.get(host, path)
                client.close()
    except TimeoutError:
        error = "timeout"
    except (ConnectionError, OSError) as problem:
        error = str(problem) or type(problem).__name__
    received = client.received if client else 0
    took = client.last - client.first if client else 0.0
    return {
        "host": host,
        "server": client.server if client else "",
        "bytes": received,
        "seconds": took,
        "bit_s": received * 8 / took if took > 0 else 0.0,
        "error": error,
    }
