"""Calls and streams."""

from struct import pack

TCP, UDP = 6, 17
STUN = pack(">HHI", 1, 0, 0x2112A442) + bytes(12)
FEEDBACK = pack(">BBHIII", 0x81, 205, 3, 0xCAFE0001, 0xCAFE0002, 0x00070000)
FRAMED = pack(">H", 20) + STUN


def rtp(number: int, kind: int = 0, source: int = 0xCAFE) -> bytes:
    return pack(">BBHII", 0x80, kind, number, number * 160, source) + bytes(160)


CLASSIC_ANSWER = pack(">HH", 0x0101, 12) + bytes(range(16)) + pack(">HHBBH4s", 1, 8, 0, 1, 40000, bytes(4))
KNOWN = [
    ("stun", UDP, True, 3478, STUN),
    ("stun", TCP, True, 3478, STUN),
    ("stun", TCP, True, 3478, FRAMED),
    ("stun", TCP, True, 443, pack(">BBH", 2, 0, len(STUN)) + STUN),
    ("stun", UDP, True, 3478, pack(">HHQ", 0xFF10, len(STUN) + 8, 0x0102030405060708) + STUN),
    ("stun", UDP, True, 3479, pack(">HHQ", 0xFF10, 8 + 60, 0x0102030405060708) + bytes(range(60))),
    ("stun", UDP, True, 3478, pack(">HH", 3, 8) + bytes(range(16)) + pack(">HHI", 15, 4, 0x72C64BC6)),
    ("stun", UDP, True, 3478, pack(">HHQQHHI", 1, 8, 0x1122334455667788, 7, 3, 4, 6)),
    ("dtls", UDP, True, 4433, b"\x16\xfe\xff" + bytes(8) + b"\x00\x04" + b"\x01\x00\x00\x00"),
    ("sip", UDP, True, 5060, b"REGISTER sip:example.org SIP/2.0\r\n"),
    ("sip", TCP, True, 5060, b"\r\n\r\nREGISTER sip:example.org SIP/2.0\r\n"),
    ("sip", TCP, False, 5060, b"SIP/2.0 200 OK\r\n"),
    ("rtsp", TCP, True, 554, b"OPTIONS rtsp://example.org/ RTSP/1.0\r\n"),
    ("rtmp", TCP, True, 1935, b"\x03\0\0\0\1\0\0\0\0" + bytes(1528)),
    ("rtmp", TCP, True, 6002, b"\x03\0\0\0\1\0\0\0\0" + b"\x55" * 1528),
    ("rtmp", TCP, True, 6002, b"\x03\0\0\0\0\x09\0\x7c\2" + b"\x55" * 1528),
    ("mpegts", UDP, True, 1234, (b"\x47\x01\0\x10" + bytes(184)) * 7),
    ("mpegts", UDP, True, 1234, ((b"\x47\x01\0\x10" + bytes(184)) * 8)[:1472]),
    ("mpegts", TCP, True, 1234, (b"\x47\x01\0\x10" + bytes(184)) * 4),
    ("rtp", TCP, True, 5000, (pack(">H", 172) + rtp(1)) + (pack(">H", 172) + rtp(2))),
    ("rtcp", UDP, True, 40001, b"\x80\xc9\x00\x01\x11\x22\x33\x44"),
    ("rtcp", UDP, True, 40001, b"\x80\xc9\x00\x01\x11\x22\x33\x44\x81\xca\x00\x03" + bytes(12)),
    ("rtcp", UDP, True, 40001, b"\x80\xcc\x00\x03\x11\x22\x33\x44PINGPONG"),
    ("rtcp", UDP, True, 40001, b"\x81\xcb\x00\x01\x11\x22\x33\x44\x81\xca\x00\x02\x11\x22\x33\x44\x01\x00\x00\x00"),
    ("sdrtn", UDP, True, 8130, b"\0\x5a\x38\x4c\0\0\x21\0\0\0\0\0\x04SNI\0\x0d\0a.example.org" + bytes(100)),
    ("teamspeak", UDP, True, 9987, b"TS3INIT1\0\x65" + bytes(24)),
    ("teamspeak", UDP, True, 8767, b"\xf4\xbe\x03\0" + bytes(20)),
    ("teamspeak", TCP, False, 10011, b"TS3\n\rWelcome"),
    ("teamspeak", TCP, False, 51234, b"[TS]\r\n"),
    ("teamspeak", UDP, True, 2010, b"\x01\x80\x84\x01"),
]
TALKS = [
    ("rtp", UDP, 40001, [(rtp(7), True), (rtp(8), True)]),
    ("rtcp", UDP, 40001, [(FEEDBACK, True), (FEEDBACK, True)]),
    ("stun", UDP, 40001, [(pack(">HH", 1, 0) + bytes(range(16)), True)] * 2),
    ("stun", UDP, 40001, [(pack(">HH", 1, 0) + bytes(range(16)), True), (CLASSIC_ANSWER, False)]),
    ("mpegts", UDP, 1234, [(pack(">BHB", 0x47, 0x0100, 0x10 + n) + bytes(184), True) for n in (3, 4)]),
    ("mumble", UDP, 64738, [(bytes(4) + b"identity", True), (b"\0\1\2\3identity" + bytes(12), False)]),
]
