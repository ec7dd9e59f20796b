"""Things at home and their clouds."""

from struct import pack

TCP, UDP = 6, 17


def keyed(text: bytes) -> bytes:
    out, key = bytearray(), 171
    for byte in text:
        key ^= byte
        out.append(key)
    return bytes(out)


SYSTEM = keyed(b'{"system":{"get_sysinfo":{}}}')

KNOWN = [
    ("ookla", TCP, True, 8080, b"HI\n"),
    ("ookla", TCP, True, 8080, b"HI 8e17cb65-c6b5-4b39-adcc-97006a1e4537\n"),
    ("ookla", TCP, False, 8080, b"HELLO 2.9 (2.9.2) 2021-11-30.2159.ffae0e0\n"),
    ("avast", TCP, True, 80, b"NOSA\0\x20" + bytes(26)),
    ("alicloud", TCP, True, 443, b"\xce\xfa\xbe\xba\0\0\0\x04" + bytes(4)),
    ("tivoconnect", UDP, True, 2190, b"TiVoConnect=1\nMethod=Broadcast\nPlatform=PC\n"),
    ("tuyalp", UDP, True, 6666, b"\0\0\x55\xaa\0\0\0\0\0\0\0\0\0\0\0\x20" + bytes(28) + b"\0\0\xaa\x55"),
    ("spotify", UDP, True, 57621, b"SpotUdp0" + bytes(36)),
    ("spotify", TCP, True, 4070, b"\0\x04" + pack(">I", 40) + b"\x52\x0e\x50" + bytes(31)),
    ("tplinkshp", UDP, True, 9999, SYSTEM),
    ("tplinkshp", TCP, True, 9999, pack(">I", len(SYSTEM)) + SYSTEM),
    ("tplinkshp", UDP, True, 20002, pack(">BBHHBBII", 2, 0, 1, 20, 17, 0, 7, 7) + bytes(20)),
    ("artnet", UDP, True, 6454, b"Art-Net\0\0\x20\0\x0e\2\0"),
    ("mpd", TCP, False, 6601, b"OK MPD 0.23.5\n"),
    ("sacn", UDP, True, 5568, b"\0\x10\0\0ASC-E1.17\0\0\0\x72\x0b" + bytes(20)),
    ("wakeonlan", UDP, True, 9, b"\xff" * 6 + b"\2\0\0\0\0\1" * 16),
    ("xiaomi", UDP, True, 54321, b"\x21\x31\0\x20" + b"\xff" * 28),
    ("xiaomi", UDP, False, 54321, b"\x21\x31\0\x20" + bytes(4) + bytes(range(24))),
    ("lifx", UDP, True, 56700, pack("<HHI", 36, 0x3400, 7) + bytes(24) + pack("<HH", 2, 0)),
    ("esphome", TCP, True, 6053, b"\0\x06\1\x0a\4node"),
    ("esphome", TCP, False, 6053, b"\0\4\2\x08\1\x10\x0a"),
    ("esphome", TCP, True, 6053, b"\1\0\0\1\0\x31\0" + bytes(48)),
    ("esphome", TCP, False, 6053, b"\1\0\5\1node"),
    ("nestlogsink", TCP, True, 11095, pack("<H", 60) + b"\x10\x13" + bytes(58)),
    ("iqiyi", UDP, True, 16600, bytes(100) + b"PPStream" + bytes(20)),
]
