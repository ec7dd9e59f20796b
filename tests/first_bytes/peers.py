"""Peer to peer."""

from struct import pack

TCP, UDP = 6, 17
HANDSHAKE = b"\x13BitTorrent protocol"
GUID = bytes(range(1, 9)) + b"\xff" + bytes(range(9, 15)) + b"\0"
PING = b"h" * 32 + b"s" * 64 + b"\0\x01\xcb" + b"\x04\xc6" + bytes(9)

TOX_KEY = bytes(range(100, 132))

KNOWN = [
    ("bittorrent", TCP, True, 6881, HANDSHAKE + bytes(48)),
    ("bittorrent", TCP, True, 6881, pack(">IBII", 16393, 7, 5, 16384) + bytes(100)),
    ("bittorrent", UDP, True, 6881, b"d1:ad2:id20:" + bytes(20) + b"e1:q4:ping"),
    ("bittorrent", UDP, True, 6771, b"BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\n"),
    ("bittorrent", UDP, True, 6881, b"\x41\x00" + bytes(14) + b"\x00\x01\x00\x00"),
    ("bittorrent", UDP, True, 40001, pack(">BBHIIIHH", 0x41, 0, 60382, 554242861, 0, 0, 46109, 0)),
    (
        "bittorrent",
        UDP,
        True,
        40001,
        pack(">QII20s20sQQQIIIiH", 7, 1, 9, b"h" * 20, b"-XX1234-abcdefghijkl", 0, 5, 0, 2, 0, 1, -1, 6881),
    ),
    ("bittorrent", UDP, True, 6969, pack(">QII", 0x41727101980, 0, 7)),
    ("gnutella", TCP, True, 6346, b"GNUTELLA CONNECT/0.6\r\n"),
    ("gnutella", UDP, True, 6346, b"GND\x01\0\1\1\1hello"),
    ("gnutella", UDP, True, 6346, GUID + b"\0\1\0" + pack("<I", 0)),
    ("gnutella", UDP, True, 6346, GUID + b"\x44\0\0" + pack("<I", 5) + b"\x05GTKG"),
    ("edonkey", TCP, True, 4662, b"\xe3" + pack("<IBB", 40, 1, 16) + bytes(38)),
    ("edonkey", TCP, False, 4662, b"\xe3" + pack("<IB", 20, 0x4C) + bytes(19)),
    ("edonkey", TCP, False, 4662, b"\xc5" + pack("<IB", 3, 1) + bytes(2)),
    ("edonkey", UDP, True, 4672, b"\xe4\x20\x02" + bytes(32)),
    ("edonkey", UDP, True, 4672, b"\xe4\x11" + bytes(range(16)) + pack("<HBB", 4662, 8, 0)),
    ("edonkey", UDP, True, 4672, b"\xe4\x43" + bytes(range(32)) + b"\0"),
    ("edonkey", UDP, False, 4672, b"\xe4\x58\xc0\0\2\1"),
    ("bitcoin", TCP, True, 8333, b"\xf9\xbe\xb4\xd9version\0\0\0\0\0" + pack("<I", 86) + bytes(90)),
    ("bitcoin", TCP, True, 48333, b"\x1c\x16\x3f\x28version\0\0\0\0\0" + pack("<I", 102) + bytes(4)),
    ("ethereum", UDP, True, 30303, PING),
    ("ethereum", TCP, True, 30303, pack(">H", 400) + b"\x04" + bytes(399)),
    ("monero", TCP, True, 18080, b"\x01\x21\x01\x01\x01\x01\x01\x01" + bytes(25)),
    ("mining", TCP, True, 3333, b'{"id":1,"method":"mining.subscribe","params":["miner/1"]}\n'),
    ("mining", TCP, True, 3333, b'{"method":"login","params":{"login":"4A","pass":"x","agent":"xmr/1"},"id":1}\n'),
    ("jsonrpc", TCP, True, 40001, b'Content-Length: 40\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"exit"}'),
    ("jsonrpc", TCP, True, 6640, b'{"method":"echo","id":"echo","params":[]}'),
    ("jsonrpc", TCP, True, 8332, b'{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}'),
    ("nano", TCP, True, 7075, b"RC\x14\x14\x12\x0a\x05\0" + bytes(32)),
    ("libp2p", TCP, True, 4001, b"\x13/multistream/1.0.0\n\x07/noise\n"),
    ("libp2p", TCP, False, 4001, b"\x13/multistream/1.0.0\n"),
    ("zug", UDP, True, 19000, pack(">H", 40) + b"UG\x10" + bytes(35)),
    ("directconnect", TCP, False, 411, b"$Lock EXTENDEDPROTOCOLABCABCABCABCABCABC Pk=hub1|"),
    ("directconnect", TCP, True, 40002, b"$MyNick somebody|$Lock EXTENDEDPROTOCOL Pk=client|"),
    ("directconnect", TCP, True, 411, b"$Supports UserCommand NoGetINFO |"),
    ("directconnect", TCP, True, 1511, b"HSUP ADBAS0 ADBASE ADTIGR\n"),
    ("directconnect", TCP, False, 1511, b"ISUP ADBASE ADTIGR\n"),
    (
        "soulseek",
        TCP,
        True,
        2242,
        pack("<III4sI6sII32sI", 66, 1, 4, b"user", 6, b"secret", 160, 32, b"0" * 32, 17),
    ),
    ("soulseek", TCP, True, 40002, pack("<IBI4sI1sI", 18, 1, 4, b"user", 1, b"P", 7)),
    ("tox", UDP, True, 33445, b"\0" + bytes(range(81))),
    ("tox", UDP, False, 33445, b"\1" + bytes(range(81))),
    ("tox", UDP, True, 33445, b"\2" + bytes(range(112))),
    ("tox", UDP, True, 33445, b"\x18" + bytes(range(144))),
    ("tox", UDP, False, 33445, b"\x19" + bytes(range(160))),
    ("tox", UDP, True, 33445, b"\x21" + bytes(range(32))),
]
TALKS = [
    ("tox", UDP, 40002, [(b"\2" + TOX_KEY + bytes(range(80)), True), (b"\0" + TOX_KEY + bytes(range(49)), True)]),
    ("tox", UDP, 33446, [(b"\1" + TOX_KEY + bytes(range(49)), True), (b"\4" + TOX_KEY + bytes(range(88)), True)]),
    (
        "bittorrent",
        UDP,
        49001,
        [
            (pack(">QIIBBIB", 0xA123456789ABCDEF, 1024, 77, 50, 0, 0, 50) + bytes(20), True),
            (pack(">IIQBBIB", 1025, 77, 0xA123456789ABCDEF, 50, 0, 0, 50), False),
        ],
    ),
    (
        "bittorrent",
        UDP,
        40001,
        [
            (b"\x01\x00\x12\x34\x21\x09\x5f\x3d" + bytes(8) + b"\0\x05\0\0" + b"data", True),
            (b"\x21\x00\x12\x33\x21\x09\x60\x11" + bytes(12), False),
        ],
    ),
]
