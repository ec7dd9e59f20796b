"""Tunnels."""

from random import Random
from struct import pack

TCP, UDP = 6, 17
NOISE = Random(1)  # what a scrambler makes of a handshake


def noise(n: int) -> bytes:
    return NOISE.randbytes(n)


TIME = pack(">II", 1, 1700000000)
EARLY = pack(">II", 0x0F000001, 1700000000)
RESET_V3 = b"\x50" + b"\x5a" * 8 + EARLY + b"\xa5" * (32 + 5 + 288) + pack(">H", 290)  # what ends it is the wrapped key
NAME = b"\x012\x0ddnscrypt-cert\x07example\x03org\0\0\x10\0\1"
AVAST = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01\x32\x09SeCurEdNS\x05avast\x03com\0\0\x10\0\1"

ZEROTIER_HELLO = (
    bytes(range(100, 108))  # packet's number
    + bytes.fromhex("778cde7190 a1b2c3d4e5")  # to, from
    + b"\0"
    + bytes(range(200, 208))  # authentication
    + b"\x01\x0d\x01\x0e\0\0"  # HELLO, version 13, 1.14.0
    + bytes(8)
    + bytes.fromhex("a1b2c3d4e5")
    + bytes(range(64))
    + bytes(8)
)

FASTD = b"".join(
    pack("<HH", kind, len(value)) + value
    for kind, value in (
        (0, b"\1"),
        (3, b"\1"),
        (4, b"\1"),
        (13, b"v22"),
        (5, b"ec25519-fhmqvc"),
        (6, bytes(range(32))),
        (7, bytes(range(32, 64))),
        (8, bytes(range(64, 96))),
    )
)
FASTD = b"\1\0" + pack(">H", len(FASTD)) + FASTD

KNOWN = [
    ("fastd", UDP, True, 10000, FASTD),
    ("fastd", UDP, True, 10001, b"\xc8\3\0\x0c" + bytes(8) + FASTD),
    ("wireguard", UDP, True, 51820, b"\x01\0\0\0" + bytes(range(144))),
    ("wireguard", UDP, False, 51820, b"\x02\0\0\0" + bytes(range(88))),
    ("wireguard", UDP, True, 443, b"\x01\0\0\0" + bytes(range(128)) + bytes(16)),
    ("wireguard", UDP, False, 51820, b"\x03\0\0\0" + bytes(range(60))),
    ("openvpn", UDP, True, 1194, b"\x38" + b"\x5a" * 8 + bytes(5)),
    ("openvpn", UDP, False, 1194, b"\x40" + b"\x5b" * 8 + b"\x01" + bytes(4) + b"\x5a" * 8 + bytes(4)),
    ("openvpn", UDP, True, 443, b"\x38" + b"\x5a" * 8 + b"\xa5" * 20 + TIME + bytes(5)),
    ("openvpn", UDP, True, 443, b"\x38" + b"\x5a" * 8 + TIME + b"\xa5" * 37),
    ("openvpn", UDP, True, 443, RESET_V3),
    ("openvpn", TCP, True, 443, pack(">H", len(RESET_V3)) + RESET_V3),
    ("openvpn", TCP, True, 443, b"\0\x0e\x38" + b"\x5a" * 8 + bytes(5)),
    ("ipsec", UDP, True, 500, b"\x11" * 8 + bytes(8) + b"\x21\x20\x22\x08" + pack(">II", 0, 28)),
    ("ipsec", UDP, True, 4500, b"\xff"),
    ("ipsec", UDP, True, 4500, b"\xc1\xc2\xc3\xc4\0\0\0\1" + bytes(range(1, 41))),
    ("ipsec", UDP, True, 10500, b"\x11" * 8 + bytes(8) + b"\x21\x20\x22\x08" + pack(">II", 0, 32) + bytes(4)),
    ("pptp", TCP, True, 1723, pack(">HHIHH", 156, 1, 0x1A2B3C4D, 1, 0) + bytes(144)),
    ("l2tp", UDP, True, 1701, pack(">HHHHHH", 0xC802, 12, 0, 0, 0, 0)),
    ("l2tp", UDP, True, 1701, pack(">HHHHHH", 0x4002, 14, 7, 9, 0xFF03, 0xC021) + b"\1\1"),
    ("l2tp", UDP, True, 1701, pack(">HHH", 0x0002, 7, 9) + b"\x21" + bytes(20)),
    ("tinc", TCP, True, 655, b"0 alpha 17\n"),
    ("tinc", TCP, True, 655, b"0 alpha 17.7\n1 ABCDEF\n"),
    ("softether", UDP, True, 5004, b"A"),
    ("softether", UDP, False, 5004, b"IP=192.0.2.1,PORT=51381"),
    ("softether", UDP, True, 5004, pack(">II", 3, 7) + b"opcode" + pack(">III", 2, 1, 9) + b"get_token" + bytes(20)),
    ("ciscovpn", UDP, True, 10000, b"\xfe\x57\x7e\x2b" + bytes(20)),
    ("tailscale", UDP, True, 41641, b"TS\xf0\x9f\x92\xac" + bytes(60)),
    ("ultrasurf", TCP, True, 443, bytes.fromhex("cc1c30415ba43866") + bytes(60)),
    ("dnscrypt", UDP, False, 443, b"r6fnvWj8" + bytes(280)),
    ("dnscrypt", UDP, True, 443, b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + NAME),
    ("dnscrypt", TCP, False, 443, b"\x01\x20r6fnvWj8" + bytes(280)),
    ("dnscrypt", TCP, True, 443, pack(">H", 12 + len(NAME)) + b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + NAME),
    ("avastsecuredns", UDP, True, 443, AVAST),
    ("zerotier", UDP, True, 9993, ZEROTIER_HELLO),
    ("zerotier", UDP, True, 40002, ZEROTIER_HELLO),
    ("nebulavpn", UDP, True, 4242, pack(">BBHIQ", 0x10, 0, 0, 0, 1) + bytes(range(100))),
    ("nebulavpn", UDP, False, 40002, pack(">BBHIQ", 0x10, 0, 0, 0x12345678, 2) + bytes(range(100))),
    ("n2n", UDP, True, 7654, b"\3\2\0\5community" + bytes(11) + bytes(range(30))),
    ("n2n", UDP, False, 40002, b"\3\2\0\x27lan" + bytes(17) + bytes(range(30))),
    ("n2n", UDP, True, 7654, b"\1\1\0\0lan" + bytes(13) + bytes(range(2, 14)) + b"\2" + bytes(54)),
    ("yggdrasil", TCP, True, 40002, b"meta" + pack(">HHHH", 100, 0, 2, 0) + bytes(range(94))),
    ("yggdrasil", TCP, False, 40002, b"meta\0\4" + bytes(range(100))),
]
DATA = pack("<IIQ", 4, 0x5A6B7C8D, 1) + bytes(range(32))
OPENS = pack("<II", 1, 0x5A6B7C8D) + bytes(range(140))  # under load, as the last 16 bytes say
ANSWERS = pack("<III", 2, 0x11223344, 0x5A6B7C8D) + bytes(range(80))
COOKIE = pack("<II", 3, 0x5A6B7C8D) + bytes(range(56))
SESSION = bytes(range(0x51, 0x59))
TALKS = [
    ("wireguard", UDP, 4000, [(DATA, True), (DATA, True)]),
    ("wireguard", UDP, 4000, [(OPENS, True), (ANSWERS, False)]),
    ("wireguard", UDP, 4000, [(OPENS, True), (COOKIE, False)]),
    ("openvpn", UDP, 1194, [(b"\x28" + SESSION + bytes(9), True), (b"\x20" + SESSION + bytes(60), True)]),
    ("openvpn", UDP, 1194, [(pack(">II", 0x48000007, n) + bytes(range(60)), True) for n in (1, 2)]),
    ("ipsec", UDP, 4500, [(pack(">II", 0xC1C2C3C4, n) + bytes(range(1, 41)), True) for n in (700, 701)]),
    ("wireguard", UDP, 4000, [(noise(148), True), (noise(92), False)]),
    *(
        ("openvpn", UDP, 4000, [(noise(n), True), (noise(n + 12), False), (noise(n + 8), True)])
        for n in (14, 42, 54, 86)
    ),
]
