"""Networks among themselves."""

from struct import pack

TCP, UDP = 6, 17
DIAMETER = pack(">IIIII", 0x01000024, 0x80000101, 0, 1, 2) + pack(">II", 264, 0x40000010) + b"host.exa"

KNOWN = [
    ("gtp", UDP, True, 2123, b"\x32\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00"),
    ("gtp", UDP, True, 3386, b"\x4e\x01\0\0\0\x01"),
    ("gtp", UDP, True, 3386, b"\x1e\x01\0\0\0\x01\0\0\xff\xff\xff\xff" + bytes(8)),
    ("gtp", UDP, True, 3386, b"\x2e\x01\x00\x04\x00\x01" + bytes(4)),
    ("pfcp", UDP, True, 8805, b"\x20\x05\0\x0d\0\0\1\0" + b"\0\x3c\0\5\0\xc0\0\2\1"),
    ("pfcp", UDP, True, 8805, b"\x21\x32\0\x15" + bytes(8) + b"\0\0\2\0" + b"\0\x3c\0\5\0\xc0\0\2\1"),
    ("diameter", TCP, True, 3868, DIAMETER),
    ("diameter", TCP, True, 13868, DIAMETER),
    ("smpp", TCP, True, 2775, pack(">IIII", 33, 9, 0, 1) + b"user\0secret\0\0\x34\0\0\0"),
    ("smpp", TCP, True, 2775, pack(">IIII", 43, 4, 0, 2) + b"\0\1\x0112\0\1\x0134\0" + bytes(9) + b"\6hello!"),
    ("smpp", TCP, True, 2775, pack(">IIII", 24, 3, 0, 3) + b"17\0\1\x0112\0"),
    ("smpp", TCP, True, 2775, pack(">IIII", 16, 0x15, 0, 4)),
    ("smpp", TCP, False, 2775, pack(">IIII", 21, 0x80000009, 0, 1) + b"SMSC\0"),
    ("megaco", UDP, True, 2944, b"MEGACO/1 [192.0.2.1]:2944\nTransaction = 1 {"),
    ("megaco", UDP, True, 2944, b"!/1 [192.0.2.1]:2944 T=1{"),
    ("megaco", UDP, True, 2944, b"AU=0x12345678:0x00000001:0x0123456789ABCDEF0123 !/1 [192.0.2.1] T=1{"),
    ("megaco", UDP, True, 2944, b"!/2 gateway@example.org\nT=1{"),
    ("megaco", UDP, True, 2944, b"\r\nMegaco/1 <example.org> T=1{"),
    (
        "megaco",
        UDP,
        True,
        2945,
        bytes.fromhex("3028 a126 800101 a108a0068004c0000201 a217a115a113 8002270e") + bytes(13),
    ),
    ("megaco", UDP, True, 2945, bytes.fromhex("3080 a006800100810101 a180 800102 a18081") + b"\x0bexample.org"),
    (
        "megaco",
        TCP,
        True,
        2945,
        pack(">HHBBBB", 0x0300, 34, 0x30, 28, 0xA1, 26) + b"\x80\1\1\xa1\x0d\x81\x0bexample.org",
    ),
    ("megaco", TCP, True, 2944, pack(">HH", 0x0300, 30) + b"MEGACO/1 <example.org> T=1"),
    ("mgcp", UDP, True, 2427, b"RSIP 1201 *@rgw.example.net MGCP 1.0\r\n"),
    ("mgcp", UDP, False, 2427, b"200 1201 OK\r\n"),
    ("h323", TCP, True, 1720, b"\x03\0\0\xa0\x08\x02\x77\xf4\x05\x04\x03\x80"),
    ("h323", TCP, True, 10001, b"\x03\0\0\x1c\x02\x30\x01\x06\0\x08\x81\x75\0\x05\x00\x80\x1b"),
    ("h323", UDP, True, 1719, b"\x0e\x40\x12\x06\0\x08\x91\x4a\0\x04\x80\0\0"),
    ("ciscoskinny", TCP, True, 2000, pack("<III", 4, 0, 0)),
    ("ciscoskinny", TCP, True, 2000, pack("<III", 40, 20, 1) + b"SEP001122334455\0" + bytes(20)),
    ("ciscoskinny", TCP, True, 2000, pack("<IIII", 92, 0, 0x20, 2) + b"Name=SEP001122334455".ljust(84, b"\0")),
    ("ciscoskinny", TCP, False, 2000, pack("<III", 20, 0, 0x81) + pack("<I", 30) + b"D/M/Y\0\0\0" + bytes(4)),
    ("iax", UDP, True, 5036, b"\x80\x01\0\0\0\0\0\x03\0\0\x06\x0d\x06\x03joe\x13\x02\0\x3c"),
    ("iax", UDP, True, 4569, b"\x80\x01\0\0\0\0\0\x03\0\0\x06\x01\x0b\x02\0\x02"),
    ("bfcp", UDP, True, 5070, b"\x20\x0b\0\0\0\0\0\x01\0\x01\0\x02"),
    ("bfcp", TCP, True, 5070, b"\x20\x01\0\x01\0\0\0\x01\0\x01\0\x02\x05\x04\0\x03"),
    ("bfcp", UDP, True, 5070, b"\x40\x07\0\0\0\0\0\x01\0\x01\0\x02"),
    ("bfcp", UDP, True, 5070, b"\x50\x0f\0\0\0\0\0\x01\0\x01\0\x02"),
    (
        "bfcp",
        TCP,
        False,
        5070,
        b"\x20\x08\0\x01\0\0\0\x01\0\x01\0\x02\x05\x04\0\x03" + b"\x20\x04\0\x01\0\0\0\x01\0\x02\0\x02\x07\x04\0\x01",
    ),
]
HELLO = b"\x40\x0b\0\0\xd0\xc0\xff\xee\0\x01\0\x02"
TALKS = [("bfcp", UDP, 5070, [(HELLO, True), (HELLO, True)])]
