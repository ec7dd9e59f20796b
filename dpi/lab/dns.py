"""The lab's resolver: UDP and TCP, IPv4 and IPv6, any name, some through an alias."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord

from dpi.lab.names import ALIASES, Names
from dpi.lab.topology import DNS4, DNS6

TTL = 60


class Resolver:
    """Answers queries from `names`; calls `on_new(name)` before a name is answered the first time."""

    def __init__(self, names: Names, on_new: Callable[[str], None]) -> None:
        self._names = names
        self._on_new = on_new
        self._seen: set[str] = set()

    def answer(self, query: bytes) -> bytes | None:
        """The answer to a query message, or None where it is no such thing."""
        try:
            request = DNSRecord.parse(query)
            name = str(request.q.qname).rstrip(".").lower()
        except Exception:  # dnslib raises many kinds on garbage; a resolver stays silent
            return None
        reply = request.reply()
        addresses = self._names.addresses(name) if name and not name.endswith(".arpa") else None
        if addresses is None:
            reply.header.rcode = RCODE.NXDOMAIN
            return bytes(reply.pack())
        if name not in self._seen:
            self._seen.add(name)
            self._on_new(name)
        owner = name
        if alias := ALIASES.get(name):
            reply.add_answer(RR(name, QTYPE.CNAME, rdata=CNAME(alias), ttl=TTL))
            owner = alias
        if request.q.qtype == QTYPE.A:
            reply.add_answer(RR(owner, QTYPE.A, rdata=A(addresses[0]), ttl=TTL))
        elif request.q.qtype == QTYPE.AAAA:
            reply.add_answer(RR(owner, QTYPE.AAAA, rdata=AAAA(addresses[1]), ttl=TTL))
        return bytes(reply.pack())

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        for address in (DNS4, DNS6):
            await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=(address, 53))
            await asyncio.start_server(self._tcp, address, 53)

    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                reply = self.answer(await reader.readexactly(length))
                if reply is None:
                    break
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if (reply := self._resolver.answer(data)) is not None:
            self._transport.sendto(reply, addr)
