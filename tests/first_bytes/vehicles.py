"""Vehicles."""

from functools import reduce
from operator import xor
from struct import pack, unpack

from tests.first_bytes.crc import reflected

TCP, UDP = 6, 17


def heartbeat(header: bytes) -> bytes:
    message = header + pack("<IBBBBB", 0, 2, 3, 81, 4, 3)
    (inverse,) = unpack("<H", reflected(message[1:] + b"\x32", 0x8408, 0xFFFF))
    return message + pack("<H", inverse ^ 0xFFFF)


def sentence(kind: bytes, text: bytes) -> bytes:
    return kind + text + b"*%02X\r\n" % reduce(xor, text)


KNOWN = [
    ("controllerareanetwork", UDP, True, 40001, b"ISO11898\1\1" + bytes(14)),
    ("controllerareanetwork", TCP, True, 20000, b"CANNELLONIv1"),
    ("controllerareanetwork", TCP, False, 29536, b"< hi >"),
    ("controllerareanetwork", UDP, True, 42000, b'<CANBeacon name="car" type="SocketCAN" description="a bus">'),
    ("controllerareanetwork", UDP, True, 20000, b"\2\0\7\0\1\0\0\1\x23\4data"),
    ("controllerareanetwork", UDP, True, 20000, b"\2\0\x08\0\2\x98\xda\xf1\x10\x03abc\x40\0\1\x23\x08"),
    ("controllerareanetwork", UDP, True, 20000, b"\2\0\x09\0\1\0\0\1\x23\x8c\1" + bytes(12)),
    ("trdp", UDP, True, 17224, pack(">IHH", 7, 0x0100, 0x5064) + bytes(12) + pack(">I", 24) + bytes(40)),
    ("trdp", TCP, True, 17225, pack(">IHH", 7, 0x0100, 0x4D72) + bytes(12) + pack(">I", 13) + bytes(100)),
    ("mavlink", UDP, True, 14551, heartbeat(b"\xfe\x09\0\xff\0\0")),
    ("mavlink", UDP, True, 14551, heartbeat(b"\xfd\x09\0\0\x07\1\1\0\0\0")),
    ("mavlink", TCP, False, 5760, heartbeat(b"\xfd\x09\0\0\x07\1\1\0\0\0")),
    ("doip", TCP, True, 13401, b"\2\xfd\0\5\0\0\0\x07\x0e\0\0" + bytes(4)),
    ("doip", UDP, True, 13400, b"\xff\0\0\1\0\0\0\0"),
    ("v2g", UDP, True, 15118, b"\1\xfe\x90\0\0\0\0\2\x10\0"),
    ("v2g", TCP, True, 50001, b"\1\xfe\x80\1\0\0\0\4\x80\0\xdb\xab"),
    ("nmea0183", TCP, False, 10111, sentence(b"$", b"GPGLL,5300.97914,N,00259.98174,E,125926,A")),
    ("nmea0183", UDP, True, 10110, sentence(b"!", b"AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0")),
]
