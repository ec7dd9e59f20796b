"""What many games share."""

from struct import pack

TCP, UDP = 6, 17
CONNECT = b"\x82\xff\0\1" + pack(">HHIII", 0, 0xFFFF, 1400, 32768, 2) + bytes(28)
ONES = b"\xff\xff\xff\xff"
RAKNET = b"\0\xff\xff\0\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78"

KNOWN = [
    ("gaijinentertainment", UDP, True, 20021, b"\x8f\xff\0\1" + CONNECT),
    ("enet", UDP, True, 28785, b"\x8f\xff\0\1" + CONNECT),
    ("enet", UDP, True, 28786, b"\x8f\xff\x7e\1\1\2\3\4" + CONNECT),
    ("steam", UDP, True, 27036, b"\xff\xff\xff\xff\x21\x4c\x5f\xa0" + bytes(30)),
    ("steam", UDP, True, 27017, b"VS01" + bytes(32)),
    ("sourceengine", UDP, True, 40001, b"\xff\xff\xff\xffdetails\0"),
    ("sourceengine", UDP, True, 40001, b"\xff\xff\xff\xffinfostring"),
    ("sourceengine", UDP, True, 27015, b"\xff\xff\xff\xffTSource Engine Query\0"),
    ("sourceengine", UDP, False, 27015, b"\xff\xff\xff\xffA\1\2\3\4"),
    ("sourceengine", UDP, False, 2457, b"\xff\xff\xff\xffI\x02A server\0map\0game\0Game\0\0\0\0\0\0dl\0\0"),
    ("sourceengine", UDP, True, 40001, b"\xff\xff\xff\xffE\x02\0mp_friendlyfire\x001\0sv_gravity\x00800\0"),
    ("sourceengine", UDP, True, 40001, b"\xff\xff\xff\xffW"),
    ("sourceengine", UDP, True, 40001, b"\xff\xff\xff\xffi"),
    ("sourceengine", UDP, False, 40001, b"\xff\xff\xff\xffj00000000000000\0"),
    ("sourceengine", UDP, False, 27015, b"\xff\xff\xff\xffm192.0.2.1:27015\0A server\0map\0valve\0Game\0\5\x20\x2f"),
    ("steam", UDP, True, 27011, b"1\xff0.0.0.0:0\0\\gamedir\\cstrike\0"),
    ("steam", UDP, True, 27011, b"1\x03192.0.2.1:27015\0\0"),
    ("steam", UDP, False, 27011, b"\xff\xff\xff\xff\x66\x0a" + b"\xc0\0\2\1\x69\x87" + bytes(6)),
    ("halflife2", UDP, True, 40001, ONES + b"q\1\2\3\x040000000000\0"),
    ("halflife2", UDP, True, 40001, ONES + b"qconnect0x0A1B2C3D\0"),
    ("halflife2", UDP, True, 40001, ONES + b"getchallenge steam\n"),
    ("raknet", UDP, True, 19132, b"\x05" + RAKNET + b"\x06" + bytes(100)),
    ("raknet", UDP, True, 19132, b"\x01" + bytes(8) + RAKNET + bytes(8)),
    ("raknet", UDP, True, 19132, b"\x84\1\0\0\0\0\x88\x03" + bytes(16)),
    ("tocaboca", UDP, True, 5055, b"\xff\xff\0\1" + bytes(8) + b"\2\xff\1\4" + bytes(28)),
    ("tocaboca", UDP, True, 5055, b"\x7d" * 12 + b"\1"),
    ("yojimbo", UDP, True, 40000, b"\0NETCODE 1.02\0" + bytes(1000)),
    ("i3d", UDP, True, 50001, pack(">HHIIHH", 0x9078, 5, 7, 0x0003CFA9, 0xBEDE, 3) + bytes(60)),
    ("i3d", UDP, True, 50001, b"\0\1\0\x46\0\x03\xcf\xa8" + bytes(66)),
    ("quake", UDP, True, 40001, b"\xff\xff\xff\xffstatus\0"),
    ("quake", UDP, True, 26000, b"\x80\0\0\x0c\x02QUAKE\0\x03"),
    ("quake", UDP, True, 27666, b"\xff\xffgetInfo\0\1\2\3\4"),
    ("quake", UDP, True, 27500, ONES + b"status 23\n"),
    ("quake", UDP, True, 27960, ONES + b"getstatus\n"),
    ("quake", UDP, True, 27961, ONES + b"getchallenge 7 Quake3Arena"),
    ("quake", UDP, False, 27962, ONES + b"statusResponse\n\\mapname\\q3dm17\n"),
    ("gamespy", UDP, True, 7778, b"\\status\\"),
    ("gamespy", UDP, False, 7778, b"\\gamename\\ut\\gamever\\451"),
    ("rcon", TCP, True, 27015, pack("<iii", 16, 7, 3) + b"secret\0\0"),
    ("steamdatagramrelay", UDP, True, 27045, b"\1\x81sdping" + bytes(92)),
    ("crynetwork", UDP, True, 20250, b"\x3c\0\0\x08\xed" + bytes(11) + b"\1\0\0\0\7\0\0\0\3\7" + bytes(44)),
    ("kcp", UDP, True, 40001, pack("<IBBHIIII", 77, 81, 0, 128, 1000, 0, 0, 5) + b"hello"),
    ("kcp", UDP, True, 40001, pack("<IHHIBBHIIII", 0, 0xF1, 31, 77, 81, 0, 128, 1000, 0, 0, 5) + b"hello"),
]
START = b"\x11\x22\x33\x40\x01\x02\x03\x04\x05\x06" + bytes(24)
TALKS = [
    ("epicgames", UDP, 7777, [(START, True), (b"\x11\x22\x33\x48" + bytes(30), False)]),
    (
        "halflife2",
        UDP,
        27015,
        [(b"\xff" * 4 + bytes(20) + b"000\0", True), (b"\xff" * 4 + bytes(30) + b"000\0", False)],
    ),
    ("gamespy", UDP, 25565, [(b"\xfe\xfd\x09\0\0\0\7", True), (b"\x09\0\0\0\x079513307\0", False)]),
]
