"""Games."""

from struct import pack

TCP, UDP = 6, 17
ONES = b"\xff\xff\xff\xff"

KNOWN = [
    ("amongus", UDP, True, 22023, b"\x08\0\1\0" + pack("<I", 2021 * 25000 + 6 * 1800 + 50) + b"\5alice"),
    ("gaijinentertainment", UDP, True, 20011, b"app.start,env=production,circuit=production,appl=x"),
    ("genshinimpact", UDP, True, 22101, pack(">IIIII", 255, 0, 0, 0x499602D2, 0xFFFFFFFF)),
    ("genshinimpact", UDP, False, 22101, pack(">IIIII", 325, 1, 2, 0x499602D2, 0x14514545)),
    ("genshinimpact", TCP, True, 10012, b"\1\0\0\0\x2a\x07\0\0\0\0\xae\xc6\x75\xe1" + bytes(28)),
    ("lolwildrift", UDP, True, 18001, b"\x01\x02\xc8\x41" + bytes(14) + b"A0B1"),
    ("nintendo", UDP, True, 40001, b"\x32\xab\x98\x64\x90" + bytes(60)),
    ("nintendo", UDP, True, 40001, b"\x32\xab\x98\x64\x02" + bytes(60)),
    ("nintendo", UDP, True, 60000, b"\xaf\xa1\x40" + bytes(12) + b"\x97"),
    ("nintendo", UDP, False, 60000, b"\xa1\xaf\x10" + bytes(8) + b"\x5f\x22\x68\xea\x3a"),
    ("nintendo", UDP, True, 60000, b"\xea\xd0\1\x0c\2\0\xaf\xa1\xc0" + bytes(21) + bytes(14)),
    ("neteasegames", UDP, True, 4513, b"\1\2\xd0\1" + bytes(4) + b"\0\1\1\1"),
    ("neteasegames", UDP, True, 4170, b"\xb3\xaf\x8d\xe8" + bytes(30)),
    ("minetest", UDP, True, 30000, b"\x4f\x45\x74\x03\0\0\0\3\xff\xdc\1\0\0"),
    ("minetest", UDP, False, 30001, b"\x4f\x45\x74\x03\0\1\0\3\xff\xdc\0\1\0\2"),
    ("teeworlds", UDP, True, 8303, b"xe\x12\x34\0\0" + ONES + b"gie3\7"),
    ("teeworlds", UDP, True, 8303, b"\xff" * 10 + b"gie3\7"),
    ("teeworlds", UDP, True, 8303, b"\x21" + b"\1\2\3\4\5\6\7\x08" + ONES + b"gie3\7"),
    ("teeworlds", UDP, True, 8303, b"\x10\0\0\1TKEN" + bytes(504)),
    ("samp", UDP, True, 7777, b"SAMP\x0a\0\0\1" + pack("<H", 7777) + b"i"),
    ("samp", UDP, False, 7777, b"SAMP\x0a\0\0\1" + pack("<H", 7777) + b"i\0\2\0\x32\0" + bytes(20)),
    ("minecraft", TCP, True, 25565, b"\x15\0\xfb\5\x0eplay.example.x" + pack(">H", 25565) + b"\2"),
    ("minecraft", TCP, True, 20000, b"\x17\0\x2f\x11play.example.x\0FM\x63\xdd\1"),
    ("minecraft", TCP, True, 20000, b"\xfe\1\xfa\0\x0b" + "MC|PingHost".encode("utf-16-be") + bytes(9)),
    ("minecraft", TCP, False, 20000, b"\xff\0\x1a" + "\xa71\x0047\x001.4.2\0a server\x000\x0020".encode("utf-16-be")),
    ("bzflag", TCP, True, 5155, b"BZFLAG\r\n\r\n"),
    ("bzflag", TCP, False, 5155, b"BZFS0221\0"),
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
    ("maplestory", TCP, False, 8484, pack("<HHH", 15, 251, 1) + b"2" + bytes(8) + b"\x08\0"),
    ("maplestory", TCP, False, 8484, pack("<HHH", 19, 291, 6) + b"164132" + bytes(8) + b"\x01"),
    ("maplestory", TCP, False, 8484, pack("<HHH", 13, 83, 0) + bytes(8) + b"\x08"),
    ("maplestory", TCP, False, 8484, pack("<HHH", 15, 213, 2) + b"12" + bytes(8) + b"\x08"),
    ("codmobile", UDP, True, 7500, b"\1\2\3\4\5\6\7\x08ping"),
    ("codmobile", UDP, False, 7948, b"\xce" + bytes(300) + b"LOC_PREFAB_LOADOUTNAME_1"),
    ("riotgames", UDP, True, 8181, bytes(28) + b"\xaa" * 4 + b"\xbb" * 4),
]
HELLO = b"\x0d\x02\0" + bytes(range(26))
TALKS = [
    ("activision", UDP, 40001, [(HELLO, True), (b"\x0c" + HELLO[1:], False)]),
    ("lolwildrift", UDP, 15004, [(b"\4\0\0\0" + bytes(65), True), (b"\x10\0\0\0" + bytes(355), False)]),
    ("starcraft", UDP, 1119, [(b"\x09\x01", True), (b"\x0a\x01", False)]),
    ("heroesofthestorm", UDP, 3724, [(bytes(14) + b"\x40\0\1\2\3\4", True), (bytes(14) + b"\x40\x10\1\2\3\4", True)]),
]
