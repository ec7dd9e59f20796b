"""Buildings and meters."""

from binascii import crc_hqx
from struct import pack

from tests.first_bytes.crc import reflected

TCP, UDP = 6, 17
SBUS = pack(">IBBHBBB", 13, 1, 0, 5, 0, 1, 6)


def hdlc(body: bytes) -> bytes:
    inside = pack(">H", 0xA000 | len(body) + 4) + body
    return b"\x7e" + inside + reflected(inside, 0x8408, 0xFFFF) + b"\x7e"


KNOWN = [
    ("atg", TCP, True, 10001, b"\x01I20100\n"),
    ("atg", TCP, False, 40001, b"\x01\r\nI20100\r\n11/30/2026 12:00\r\n"),
    ("knxnetip", UDP, True, 3671, b"\x06\x10\x02\x01\0\x0e\x08\1\xc0\0\2\1\x0e\x57"),
    ("iec62056", TCP, True, 4059, pack(">HHHH", 1, 16, 1, 5) + b"\x60\x03\xa1\x01\0"),
    ("iec62056", TCP, True, 4060, hdlc(b"\x03\x21\x93")),
    ("bacnet", UDP, True, 47808, b"\x81\x0b\0\x0c\x01\x20\xff\xff\0\xff\x10\x08"),
    ("ethersio", UDP, True, 6060, b"ESIO\0\1\0\1" + bytes(16)),
    ("ethersbus", UDP, True, 5050, SBUS + pack(">H", crc_hqx(SBUS, 0))),
    ("cnpip", UDP, True, 1628, pack(">HBB", 28, 1, 0x71) + bytes(24)),
    ("ansic1222", TCP, True, 1153, b"\x60\x20\xa2\x05\x80\x03\x01\x02\x03" + bytes(25)),
    ("iec62056", TCP, True, 8899, b"/?!\r\n"),
    ("iec62056", TCP, True, 8899, b"/?00123456!\r\n"),
    ("niagarafox", TCP, True, 1912, b"fox a 1 -1 fox hello\n{\nfox.version=s:1.0\n};;\n"),
    ("mbus", TCP, True, 10001, bytes.fromhex("1040fe3e16")),
    ("mbus", TCP, False, 40002, bytes.fromhex("6803036808017278e35316".replace("78e353", "7b"))),
    ("lorawan", UDP, True, 1700, b"\2\x12\x34\0" + bytes(range(8)) + b'{"rxpk":[{"tmst":3512348611}]}'),
    ("lorawan", UDP, True, 40002, b"\2\x12\x34\0" + bytes(range(8)) + b'{"stat":{"time":"2026-11-30 00:00:00 GMT"}}'),
    ("lorawan", UDP, False, 40002, b'\2\x12\x34\3{"txpk":{"imme":true}}'),
    ("lorawan", UDP, True, 1700, b"\2\x12\x34\2" + bytes(range(8))),
    ("lorawan", UDP, False, 1700, b"\2\x12\x34\4"),
]
TALKS = [
    ("lorawan", UDP, 40002, [(b"\2\x12\x34\2" + bytes(range(8)), True), (b"\2\x12\x34\4", False)]),
]
