"""Games."""

from struct import pack

TCP, UDP = 6, 17
RAKNET = b"\0\xff\xff\0\xfe\xfe\xfe\xfe\xfd\xfd\xfd\xfd\x12\x34\x56\x78"

KNOWN = [
    ("amongus", UDP, True, 22023, b"\x08\0\1\0" + pack("<I", 2021 * 25000 + 6 * 1800 + 50) + b"\5alice"),
    ("gaijinentertainment", UDP, True, 20011, b"app.start,env=production,circuit=production,appl=x"),
    ("gaijinentertainment", UDP, True, 20021, b"\x8f\xff\0\1\x82\xff\0\1" + bytes(44)),
    ("genshinimpact", UDP, True, 22101, pack(">IIIII", 255, 0, 0, 0x499602D2, 0xFFFFFFFF)),
    ("genshinimpact", UDP, False, 22101, pack(">IIIII", 325, 1, 2, 0x499602D2, 0x14514545)),
    ("genshinimpact", TCP, True, 10012, b"\1\0\0\0\x2a\x07\0\0\0\0\xae\xc6\x75\xe1" + bytes(28)),
    ("steam", UDP, True, 27036, b"\xff\xff\xff\xff\x21\x4c\x5f\xa0" + bytes(30)),
    ("steam", UDP, True, 27017, b"VS01" + bytes(32)),
    ("sourceengine", UDP, True, 27015, b"\xff\xff\xff\xffTSource Engine Query\0"),
    ("sourceengine", UDP, False, 27015, b"\xff\xff\xff\xffA\1\2\3\4"),
    ("sourceengine", UDP, False, 2457, b"\xff\xff\xff\xffI\x02A server\0map\0game\0Game\0" + bytes(9)),
    ("sourceengine", UDP, True, 40001, b"\xff\xff\xff\xffE\x02\0mp_friendlyfire\x001\0sv_gravity\x00800\0"),
    ("lolwildrift", UDP, True, 18001, b"\x01\x02\xc8\x41" + bytes(14) + b"A0B1"),
    ("nintendo", UDP, True, 40001, b"\x32\xab\x98\x64\x02" + bytes(60)),
    ("neteasegames", UDP, True, 4513, b"\1\2\xd0\1" + bytes(4) + b"\0\1\1\1"),
    ("neteasegames", UDP, True, 4170, b"\xb3\xaf\x8d\xe8" + bytes(30)),
    ("raknet", UDP, True, 19132, b"\x05" + RAKNET + b"\x06" + bytes(100)),
    ("raknet", UDP, True, 19132, b"\x01" + bytes(8) + RAKNET + bytes(8)),
    ("raknet", UDP, True, 19132, b"\x84\1\0\0\0\0\x88\x03" + bytes(16)),
    ("tocaboca", UDP, True, 5055, b"\xff\xff\0\1" + bytes(8) + b"\2\xff\1\4" + bytes(28)),
    ("tocaboca", UDP, True, 5055, b"\x7d" * 12 + b"\1"),
    ("yojimbo", UDP, True, 40000, b"\0NETCODE 1.02\0" + bytes(1000)),
    ("i3d", UDP, True, 50001, pack(">HHIIHH", 0x9078, 5, 7, 0x0003CFA9, 0xBEDE, 3) + bytes(60)),
    ("i3d", UDP, True, 50001, b"\0\1\0\x46\0\x03\xcf\xa8" + bytes(66)),
    ("starcraft", TCP, True, 1119, b"\x4a\0\0\x0a\x66\x02\x0a\xed\x2d\x66" + bytes(60)),
    ("worldofwarcraft", TCP, False, 3724, b"WORLD OF WARCRAFT CONNECTION - SERVER TO CLIENT - V2\n"),
    ("worldofwarcraft", TCP, True, 3724, b"\0\x08\x20\0WoW\0" + bytes(28)),
    ("worldofwarcraft", TCP, False, 3724, b"\0\x06\xec\x01" + bytes(4)),
    ("pathofexile", TCP, True, 6112, b"\0\3\0\x37\x75\x60\0\2\0alice_in_chains" + bytes(4) + b"\x40\0\0\1"),
    ("tencentgames", TCP, True, 8080, b"\x33\x66\0\x0b\0\x0b" + bytes(60)),
    ("tencentgames", TCP, True, 8080, b"\x43\x66\xaa\0" + bytes(8) + b"\x10\xe6\x86\1" + bytes(40)),
    ("tencentgames", TCP, True, 8080, b"\0\0\0\x60\x78\1" + bytes(94)),
    ("tesonline", TCP, True, 24100, pack(">I", 700) + bytes(100) + b"eso.live" + bytes(592)),
    ("maplestory", TCP, False, 8484, pack("<HHH", 14, 83, 1) + b"1" + bytes(8) + b"\x08"),
    ("maplestory", TCP, False, 8484, pack("<HHH", 13, 83, 0) + bytes(8) + b"\x08"),
    ("maplestory", TCP, False, 8484, pack("<HHH", 15, 213, 2) + b"12" + bytes(8) + b"\x08"),
    ("codmobile", UDP, True, 7500, b"\1\2\3\4\5\6\7\x08ping"),
    ("codmobile", UDP, False, 7948, b"\xce" + bytes(300) + b"LOC_PREFAB_LOADOUTNAME_1"),
    ("steamdatagramrelay", UDP, True, 27045, b"\1\x81sdping" + bytes(92)),
    ("crynetwork", UDP, True, 20250, b"\x3c\0\0\x08\xed" + bytes(11) + b"\1\0\0\0\7\0\0\0\3\7" + bytes(44)),
    ("riotgames", UDP, True, 8181, bytes(28) + b"\xaa" * 4 + b"\xbb" * 4),
    ("kcp", UDP, True, 40001, pack("<IBBHIIII", 77, 81, 0, 128, 1000, 0, 0, 5) + b"hello"),
]
HELLO = b"\x0d\x02\0" + bytes(range(26))
START = b"\x11\x22\x33\x40\x01\x02\x03\x04\x05\x06" + bytes(24)
TALKS = [
    ("activision", UDP, 40001, [(HELLO, True), (b"\x0c" + HELLO[1:], False)]),
    ("lolwildrift", UDP, 15004, [(b"\4\0\0\0" + bytes(65), True), (b"\x10\0\0\0" + bytes(355), False)]),
    ("epicgames", UDP, 7777, [(START, True), (b"\x11\x22\x33\x48" + bytes(30), False)]),
    (
        "halflife2",
        UDP,
        27015,
        [(b"\xff" * 4 + bytes(20) + b"000\0", True), (b"\xff" * 4 + bytes(30) + b"000\0", False)],
    ),
    ("starcraft", UDP, 1119, [(b"\x09\x01", True), (b"\x0a\x01", False)]),
    ("heroesofthestorm", UDP, 3724, [(bytes(14) + b"\x40\0\1\2\3\4", True), (bytes(14) + b"\x40\x10\1\2\3\4", True)]),
]
