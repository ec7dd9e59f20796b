"""What a client and a server are sent when a request is redirected."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from dpi.daemon.portal import PAGE, Portal
from dpi.daemon.redirect import ACK, FIN, PSH, RST, TCP, Segment, answers, segment
from dpi.errors import UsageError
from dpi.policy.plan import PortalPlan

REQUEST = b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"
ENDS = {
    4: (socket.inet_pton(socket.AF_INET, "10.0.0.5"), socket.inet_pton(socket.AF_INET, "192.0.2.1")),
    6: (socket.inet_pton(socket.AF_INET6, "fd00::5"), socket.inet_pton(socket.AF_INET6, "2001:db8::1")),
}


def packet(version: int, payload: bytes, sequence: int = 1000) -> bytes:
    source, destination = ENDS[version]
    tcp = TCP.pack(40000, 80, sequence, 2000, 5 << 4, PSH | ACK, 500, 0, 0) + payload
    if version == 4:
        return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0) + source + destination + tcp
    return struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + source + destination + tcp


def asked(version: int, payload: bytes = REQUEST, sequence: int = 1000) -> Segment:
    found = segment(packet(version, payload, sequence))
    assert found
    return found


def whole(data: bytes) -> bool:
    """Whether the TCP checksum holds."""
    head = 20 if data[0] >> 4 == 4 else 40
    addresses = data[12:20] if head == 20 else data[8:40]
    tcp = data[head:]
    summed = addresses + struct.pack(">II", len(tcp), 6) + tcp + b"\0" * (len(tcp) % 2)
    total = sum(struct.unpack(f">{len(summed) // 2}H", summed))
    return total % 0xFFFF == 0


@pytest.mark.parametrize("version", [4, 6])
def test_a_request_is_answered_in_the_servers_place_and_the_server_let_go(version: int) -> None:
    back, on = answers(asked(version), "http://portal.example/")
    head = 20 if version == 4 else 40
    sport, dport, sequence, acknowledged, _, flags, *_ = TCP.unpack_from(back, head)
    assert (sport, dport, sequence, acknowledged) == (80, 40000, 2000, 1000 + len(REQUEST))
    assert flags == PSH | ACK | FIN
    assert back[head + 20 :].startswith(b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n")
    assert back.endswith(b"\r\n\r\n")
    sport, dport, sequence, _, _, flags, *_ = TCP.unpack_from(on, head)
    assert (sport, dport, sequence, flags, len(on)) == (40000, 80, 1000, RST | ACK, head + 20)
    assert whole(back) and whole(on)
    assert segment(back) and (segment(back) or asked(version)).source == ENDS[version][1]


def test_numbers_wrap_and_what_is_no_http_is_reset() -> None:
    back, _ = answers(asked(4, b"\x16\x03\x01 hello", 0xFFFFFFFE), "http://portal.example/")
    _, _, _, acknowledged, _, flags, *_ = TCP.unpack_from(back, 20)
    assert (acknowledged, flags, len(back)) == (len(b"\x16\x03\x01 hello") - 2, RST | ACK, 40)


@pytest.mark.parametrize("version", [4, 6])
def test_any_bytes_are_taken_for_a_packet_or_not(version: int) -> None:
    data = packet(version, REQUEST)
    for cut in range(len(data)):
        found = segment(data[:cut])
        assert found is None or found.length == len(REQUEST)
    for at in range(len(data)):
        for value in (0, 0x7F, 0xFF):
            found = segment(data[:at] + bytes([value]) + data[at + 1 :])
            assert found is None or len(found.payload) <= found.length


def test_the_page_is_the_policys_or_our_own(tmp_path: Path) -> None:
    async def scene() -> None:
        portal = Portal()
        with socket.create_server(("", 0)) as other:
            taken = other.getsockname()[1]
            with pytest.raises(UsageError, match=f"portal: port {taken}"):
                await portal.use(PortalPlan(taken, None))
        await portal.use(PortalPlan(taken, None))
        assert (await _get(taken)).endswith(PAGE)
        page = tmp_path / "page.html"
        page.write_text("<p>sorry")
        await portal.use(PortalPlan(taken, str(page)))
        assert (await _get(taken)).endswith(b"\r\n\r\n<p>sorry")
        with pytest.raises(UsageError, match=r"no\.html"):
            await portal.use(PortalPlan(taken, str(tmp_path / "no.html")))
        assert b"200 OK" in await _get(taken), "goes on as before"
        await portal.use(None)
        with pytest.raises(OSError):
            await _get(taken)

    asyncio.run(scene())


async def _get(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(REQUEST)
    answer = await reader.read()
    writer.close()
    return answer
