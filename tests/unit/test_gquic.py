"""Google's own QUIC: what its handshake messages say, in every layout that versions gave them."""

from __future__ import annotations

from typing import Literal

import pytest
import quic_packets as qp

from dpi.dissect.gquic import dissect
from dpi.dissect.quic import Flow
from dpi.dissect.quic_header import looks

NO, MORE, YES = range(3)
CID, HASH = b"\x11\x22\x33\x44\x55\x66\x77\x88", bytes(range(12))
ACK, STOP_WAITING, PING = b"\x40\x01\x03\xd9\x01\x00", b"\x06\x00", b"\x07"


def message(tag: bytes, **values: str) -> bytes:
    """A handshake message; keywords are tags."""
    heads, body = b"", b""
    for name, value in values.items():
        body += value.encode()
        heads += name.encode().ljust(4, b"\0") + len(body).to_bytes(4, "little")
    return tag.ljust(4, b"\0") + len(values).to_bytes(2, "little") + bytes(2) + heads + body


CHLO = message(b"CHLO", PAD="-" * 200, SNI="www.Example.com", UAID="Chrome/58.0 Linux")


def datagram(version: int, frames: bytes, *, number_len: int = 1) -> bytes:
    """From the client; frames of versions to Q033 are preceded by their private flags."""
    number = bytes(number_len)
    name = b"Q0%02d" % version
    if version >= 44:
        return bytes([0xC3]) + name + b"\x50" + CID + bytes(4) + HASH + frames
    flags = 0x09 | {1: 0, 2: 1, 4: 2, 6: 3}[number_len] << 4
    return bytes([flags]) + CID + name + number + HASH + (b"\x01" if version < 34 else b"") + frames


def stream(version: int, data: bytes, *, offset: int = 0, with_length: bool = True) -> bytes:
    order: Literal["little", "big"] = "little" if version < 39 else "big"
    kind = 0x80 | (0x20 if with_length else 0) | (0x04 if offset else 0)
    head = bytes([kind, 1]) + (offset.to_bytes(2, order) if offset else b"")
    return head + (len(data).to_bytes(2, order) if with_length else b"") + data


@pytest.mark.parametrize("version", [24, 25, 30, 33, 34, 35, 38, 39, 43, 44, 46])
@pytest.mark.parametrize("offset", [0, 1024])
def test_the_chlo_of_every_version_names_the_flow(version: int, offset: int) -> None:
    data = datagram(version, stream(version, CHLO, offset=offset) + bytes(600))
    number = int.from_bytes(b"Q0%02d" % version, "big")
    assert looks(data)
    assert dissect(data) == (YES, number, "www.example.com", "Chrome/58.0 Linux")
    flow = Flow()
    assert flow.feed(data) == YES
    assert (flow.host, flow.agent, flow.version) == ("www.example.com", "Chrome/58.0 Linux", number)
    for opener in (True, False):
        flow = Flow()
        assert flow.feed(data, opener) == YES and flow.opener_is_client is opener


@pytest.mark.parametrize("number_len", [1, 2, 4, 6])
def test_packet_numbers_of_every_length_are_skipped(number_len: int) -> None:
    data = datagram(43, stream(43, CHLO, with_length=False), number_len=number_len)
    assert dissect(data)[2] == "www.example.com"


def test_frames_before_the_chlo_are_skipped() -> None:
    with_timestamps = b"\x65\x00\x05\x00\x01\x01\x00\x02\x07\x00\x03\x02" + bytes(5) + bytes(3)
    frames = PING + ACK + with_timestamps + STOP_WAITING + b"\0\0" + stream(43, CHLO)
    assert dissect(datagram(43, frames))[2] == "www.example.com"


def test_the_servers_handshake_is_quic_although_no_version_is_said() -> None:
    rejected = message(b"REJ", STK="x" * 50)
    data = b"\x08" + CID + b"\x01" + HASH + ACK + STOP_WAITING + stream(43, rejected)
    assert looks(data)
    assert dissect(data) == (YES, 0, "", "")
    flow = Flow()
    assert flow.feed(data) == YES and not flow.opener_is_client
    assert dissect(data.replace(b"REJ", b"REX"))[0] == NO


@pytest.mark.parametrize("version", [0x51303530, 0x54303530, 0x54303531])
def test_the_versions_between_googles_and_the_ietfs_are_opened(version: int) -> None:
    salts = {
        0x51303530: "504574efd066fe2f9d945cfcdbd3a7f0d3b56b45",
        0x54303530: "7ff579e5acd072915580304c43a2367c60488310",
        0x54303531: "7a4edef4e7ccee5fa4506c19124fc8ccda6e033d",
    }
    hello = CHLO if version == 0x51303530 else qp.client_hello("www.example.com")
    frames = b"\x07\x08" + qp.crypto(hello)[1:]
    data = qp.initial(frames, version=version, salt=salts[version], scid=b"")
    assert looks(data)
    flow = Flow()
    assert flow.feed(data) == YES
    assert (flow.host, flow.version) == ("www.example.com", version)


def test_a_name_that_is_none_is_not_taken() -> None:
    for bad in ("www example.com", "\x01", "www.exam\u00e9ple.com", "." * 5, "a" * 256):
        assert dissect(datagram(43, stream(43, message(b"CHLO", SNI=bad))))[2] == ""


def test_a_chlo_with_impossible_offsets_gives_no_name() -> None:
    wrong = bytearray(CHLO)
    wrong[12:16] = b"\xff\xff\xff\xff"
    assert dissect(datagram(43, stream(43, bytes(wrong))))[2] == ""
    many = bytearray(CHLO)
    many[4:6] = b"\xff\xff"
    assert dissect(datagram(43, stream(43, bytes(many))))[2] == ""


def test_any_prefix_gives_the_name_or_none() -> None:
    data = datagram(43, ACK + stream(43, CHLO))
    for i in range(len(data)):
        answer, _, host, _ = dissect(data[:i])
        assert (host, answer) in (("", NO), ("", MORE), ("", YES), ("www.example.com", YES))


def test_a_chlo_is_waited_for_behind_what_overtook_it() -> None:
    later, first = datagram(43, b"\x5a" * 400), datagram(43, stream(43, CHLO))
    flow = Flow()
    assert [flow.feed(later), flow.feed(first)] == [MORE, YES]
    assert flow.host == "www.example.com"
    nameless = Flow()
    assert [nameless.feed(later) for _ in range(4)] == [MORE] * 3 + [YES]
    assert (nameless.host, nameless.version) == ("", flow.version)
