"""Answers plain HTTP in a server's place: 302, to where a rule's `redirect` says.

The connection to the server is there when the request comes, and the request says the host.  The table keeps the
request back and logs it to us (enforce/nft/actions.py); we answer with the server's address and sequence numbers,
close, and reset the server's side.  A client that does not hear it sends its request again, and is answered again.
What is no HTTP gets a reset.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from dataclasses import dataclass

from dpi.daemon.raw import Sender, packet
from dpi.enforce.names import REDIRECT_GROUP
from dpi.enforce.nflog import Group
from dpi.policy.plan import PORTAL, KernelPlan

log = logging.getLogger("dpi.redirect")

METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"OPTIONS ", b"DELETE ", b"PATCH ")
FIN, RST, PSH, ACK = 0x01, 0x04, 0x08, 0x10
TCP = struct.Struct(">HHIIBBHHH")


@dataclass(frozen=True)
class Segment:
    """A TCP segment of a client; addresses packed."""

    source: bytes
    destination: bytes
    sport: int
    dport: int
    sequence: int
    acknowledged: int
    length: int  # bytes of payload, of which `payload` may have only the first
    payload: bytes


def segment(packet: bytes) -> Segment | None:
    """None where it is no whole TCP header right behind the IP header."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20 and packet[9] == socket.IPPROTO_TCP:
        at, whole = (packet[0] & 0x0F) * 4, int.from_bytes(packet[2:4])
        source, destination = packet[12:16], packet[16:20]
    elif version == 6 and len(packet) >= 40 and packet[6] == socket.IPPROTO_TCP:
        at, whole = 40, 40 + int.from_bytes(packet[4:6])
        source, destination = packet[8:24], packet[24:40]
    else:
        return None
    if at < 20 or len(packet) < at + TCP.size:
        return None
    sport, dport, sequence, acknowledged, offset, _, _, _, _ = TCP.unpack_from(packet, at)
    data = at + (offset >> 4) * 4
    length = whole - data
    if data < at + TCP.size or length < 0:
        return None
    return Segment(source, destination, sport, dport, sequence, acknowledged, length, packet[data : data + length])


def answers(asked: Segment, url: str) -> tuple[bytes, bytes]:
    """The packets to the client and to the server, from the IP header on."""
    after = (asked.sequence + asked.length) & 0xFFFFFFFF
    if asked.payload.startswith(METHODS):
        lines = ["HTTP/1.1 302 Found", f"Location: {url}", "Cache-Control: no-store", "Content-Length: 0"]
        text = "\r\n".join([*lines, "Connection: close", "", ""]).encode()
        flags = PSH | ACK | FIN
    else:
        text, flags = b"", RST | ACK
    back = _packet(asked.destination, asked.source, asked.dport, asked.sport, asked.acknowledged, after, flags, text)
    on = _packet(
        asked.source, asked.destination, asked.sport, asked.dport, asked.sequence, asked.acknowledged, RST | ACK, b""
    )
    return back, on


def _packet(
    source: bytes, destination: bytes, sport: int, dport: int, sequence: int, acknowledged: int, flags: int, text: bytes
) -> bytes:
    head = TCP.pack(sport, dport, sequence, acknowledged, 5 << 4, flags, 65535 if text else 0, 0, 0)
    return packet(source, destination, socket.IPPROTO_TCP, head + text, 16)


class Redirects:
    """The redirects of the plan in force."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}  # number of the disposition, in text → URL
        self._port = 0
        self._group: Group | None = None
        self._sender: Sender | None = None
        self.answered = 0

    def use(self, plan: KernelPlan) -> None:
        """From now on these.  Raises KernelError where somebody else listens to our group."""
        self._urls = {str(d.number): d.redirect for d in plan.dispositions if d.redirect}
        self._port = plan.portal.port if plan.portal else 0
        if self._urls and self._group is None:
            self._group = Group(REDIRECT_GROUP)
            self._sender = Sender()
            asyncio.get_running_loop().add_reader(self._group.fileno(), self._read)
        elif not self._urls:
            self.close()

    def close(self) -> None:
        if self._group is not None:
            asyncio.get_running_loop().remove_reader(self._group.fileno())
            self._group.close()
            self._group = None
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def _read(self) -> None:
        assert self._group is not None and self._sender is not None
        for logged in self._group.read():
            url, asked = self._urls.get(logged.prefix), segment(logged.packet)
            if url is None or asked is None or not asked.length:
                continue
            if url == PORTAL:
                url = self._own(asked.source)
            to_client, to_server = answers(asked, url)
            self._sender.send(asked.source, to_client)
            self._sender.send(asked.destination, to_server)
            self.answered += 1

    def _own(self, client: bytes) -> str:
        """The portal at the address that this box has towards a client."""
        family = socket.AF_INET if len(client) == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((socket.inet_ntop(family, client), 9))
                own = str(probe.getsockname()[0])
            except OSError:
                own = "0.0.0.0"
        return f"http://[{own}]:{self._port}/" if ":" in own else f"http://{own}:{self._port}/"
