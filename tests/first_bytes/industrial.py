"""Plants, substations, laboratories."""

from binascii import crc_hqx
from struct import pack, unpack

from tests.first_bytes.crc import reflected

TCP, UDP = 6, 17
COTP = b"\x03\0\0\x16\x11\xe0\0\0\0\1\0\xc0\1\x0a\xc1\2\1\0\xc2\2\1\2"


def rtu(body: bytes) -> bytes:
    (inverse,) = unpack("<H", reflected(body, 0xA001, 0xFFFF))
    return body + pack("<H", inverse ^ 0xFFFF)


def tpkt(body: bytes) -> bytes:
    return pack(">BBH", 3, 0, len(body) + 7) + b"\x02\xf0\x80" + body


DNP3 = b"\x05\x64\x05\xc0\x01\x00\x00\x04"
PHASOR = b"\xaa\x41" + pack(">HHII", 18, 7, 1700000000, 0) + b"\0\2"
MMS = b"\x0d\x40\x05\x06\x13\x01\0\x16\x01\x02" + bytes(30) + b"\x06\x05\x28\xca\x22\x02\x03" + bytes(9)
ADS = bytes(16) + pack("<HHIII", 4, 4, 0, 0, 1)

KNOWN = [
    ("opcua", TCP, True, 4840, b"HELF" + pack("<IIIIII", 48, 0, 65535, 65535, 0, 0) + bytes(20)),
    ("opcua", TCP, True, 4840, b"MSGC" + pack("<IIIII", 8192, 1, 1, 52, 2) + bytes(40)),
    ("fins", TCP, True, 9600, b"FINS" + pack(">IIII", 12, 0, 0, 0)),
    ("fins", UDP, True, 9600, b"\x80\0\x02\0\1\0\0\2\0\1\x05\x01"),
    ("fins", UDP, True, 9600, b"\x80\0\2\0\1\0\0\2\0\2\1\1" + b"\x82\0\x64\0\0\2"),
    ("fins", UDP, False, 9600, b"\xc0\0\2\0\2\0\0\1\0\2\1\1" + b"\0\0\0\1\0\2"),
    ("hislip", TCP, True, 4880, b"HS\0\0" + pack(">IQ", 0x01005858, 6) + b"hislip"),
    ("iec60870", TCP, True, 2404, b"\x68\x04\x07\0\0\0"),
    ("iec60870", TCP, True, 12404, b"\x68\x0e\0\0\0\0\x64\x01\x06\0\x01\0\0\0\0\x14"),
    ("s7comm", TCP, True, 102, COTP + tpkt(b"\x32\x01\0\0\0\0\0\x08\0\0")),
    ("s7commplus", TCP, True, 102, COTP + tpkt(b"\x72\x01\0\xc4\x31\0\0")),
    ("iso95061mms", TCP, True, 102, COTP + tpkt(MMS)),
    ("beckhoffads", TCP, True, 48898, pack("<HI", 0, 32) + ADS),
    ("beckhoffads", UDP, True, 48899, b"\x03\x66\x14\x71" + bytes(20)),
    ("dnp3", TCP, True, 20000, DNP3 + reflected(DNP3, 0xA6BC, 0)),
    ("ieeec37118", TCP, True, 4712, PHASOR + pack(">H", crc_hqx(PHASOR, 0xFFFF))),
    ("hartip", UDP, True, 5094, pack(">BBBBHH", 1, 0, 0, 0, 2, 13) + b"\1\0\0\x75\x30"),
    ("hartip", TCP, True, 5094, pack(">BBBBHH", 2, 0, 4, 0, 7, 12) + b"\x80\0\0\0"),
    ("ethernetip", TCP, True, 44818, pack("<HHIIQI", 0x65, 4, 0, 0, 7, 0) + b"\1\0\0\0"),
    ("ethernetip", UDP, True, 44818, pack("<HHIIQI", 0x63, 0, 0, 0, 0, 0)),
    ("cip", UDP, True, 2222, pack("<HHHIIHH", 2, 0x8002, 8, 1, 1, 0xB1, 4) + bytes(4)),
    ("ethernetglobaldata", UDP, True, 18246, b"\x0d\x01\xd4\xf0\xc0\xa8\x08\x4d" + bytes(40)),
    ("modbus", TCP, True, 502, pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 10)),
    ("modbus", TCP, True, 502, pack(">HHHBBH", 1, 0, 4, 0, 0x5A, 2)),
    ("modbus", UDP, True, 502, pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 10)),
    ("modbus", TCP, True, 502, rtu(b"\x11\3\0\x6b\0\3")),
    ("modbus", TCP, False, 502, rtu(b"\x11\x83\2")),
    ("modbus", TCP, True, 1502, b":010300000002FA\r\n"),
    ("modbus", TCP, False, 1502, b":01030400010002F5\r\n"),
    ("modbus", TCP, True, 1502, pack(">HHHBBHHBHH", 1, 0, 11, 1, 16, 1, 2, 4, 10, 258)),
    ("modbus", TCP, False, 1502, pack(">HHHBBBHH", 1, 0, 7, 1, 3, 4, 10, 258)),
    ("melsec", TCP, True, 5007, b"\x50\0\0\xff\xff\3\0" + pack("<HHHH", 12, 4, 0x0401, 0) + b"\x64\0\0\xa8\2\0"),
    ("melsec", TCP, False, 5007, b"\xd0\0\0\xff\xff\3\0" + pack("<HHHH", 6, 0, 1, 2)),
    ("melsec", UDP, True, 5006, b"\x54\0\x34\x12\0\0\0\xff\xff\3\0" + pack("<HHHH", 6, 4, 0x0101, 0)),
    ("melsec", TCP, True, 5008, b"500000FF03FF000018001004010000D*0001000002"),
    ("melsec", TCP, True, 5008, b"54001234000000FF03FF000018001004010000D*0001000002"),
    ("dicom", TCP, True, 104, pack(">BBIHH", 1, 0, 200, 1, 0) + b"%-16s%-16s" % (b"ARCHIVE", b"CT1") + bytes(134)),
    ("dicom", TCP, False, 11113, pack(">BBIHH", 2, 0, 200, 1, 0) + b"%-16s%-16s" % (b"ARCHIVE", b"CT1") + bytes(134)),
    ("dicom", TCP, False, 11113, b"\3\0\0\0\0\4\0\1\1\7"),
    ("hsms", TCP, True, 5000, pack(">IHHHI", 10, 0xFFFF, 0, 1, 7)),
    ("hsms", TCP, False, 5000, pack(">IHHHI", 10, 0xFFFF, 0, 2, 7)),
    ("gvcp", UDP, True, 3956, pack(">BBHHH", 0x42, 1, 2, 0, 1)),
    ("gvcp", UDP, False, 3956, pack(">HHHH", 0, 3, 0xF8, 1) + bytes(0xF8)),
    ("gvcp", UDP, True, 3956, pack(">BBHHHI", 0x42, 1, 0x80, 4, 2, 0xA00)),
]
