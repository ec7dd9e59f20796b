"""Routers, switches and access points among themselves, and with their clouds."""

from struct import pack

TCP, UDP = 6, 17
HELLO = b"\4\6\0\0\0\1\7\xd0"  # Babel's, and one byte of padding
OLSR = b"\1\6\0\x0c\xc0\0\2\1\1\0\0\1"
HNCP = b"\0\3\0\x08" + bytes(range(8)) + b"\0\x21\0\3abc\0"
ASKS = b"\x10\0\0\1" + b"nonce 12"  # LISP: for one prefix, to be answered at one place
NONE = b"\0\1\x0a\0\0\2" + b"\0\x18\0\1\x0a\0\0\0"
PREFIX = b"\0\0\5\xa0\1\x18\x10\0\0\0\0\1\x0a\0\0\0" + b"\1\x64\xff\0\0\5\0\1\xc0\0\2\1"
LMP = b"\x10\0\0\1\0\x18\0\0" + b"\1\1\0\x08\0\0\0\1\1\5\0\x08\0\0\0\1"

KNOWN = [
    ("bgp", TCP, True, 179, b"\xff" * 16 + b"\x00\x1d\x01\x04"),
    ("openflow", TCP, True, 6653, b"\x04\x00\x00\x10\0\0\0\x01\0\x01\0\x08\0\0\0\x10"),
    ("openflow", TCP, True, 16633, b"\x01\x00\x00\x08\0\0\0\x01"),
    ("merakicloud", UDP, True, 7351, b"\xfe\xf7\x28\x91\0\0\0\1"),
    ("lisp", UDP, True, 4342, ASKS + b"\0\0" + b"\0\1\xc0\0\2\1" + b"\0\x20\0\1\x0a\0\0\1"),
    ("lisp", UDP, True, 4342, ASKS + b"\x40\3\0\0\2\0\0\x0a\0\0\0\1\0\1" + bytes(4) + NONE + NONE),
    ("lisp", UDP, False, 4342, b"\x20\0\0\1" + b"nonce 12" + PREFIX),
    ("lisp", UDP, True, 4342, b"\x30\0\1\1" + b"nonce 12" + b"\0\1\0\x14" + b"\xd1" * 20 + PREFIX),
    ("lisp", UDP, True, 4342, b"\x70\0\0\0" + b"nonce 12" + b"\0\1\0\x14" + b"\xd1" * 20 + bytes(8)),
    ("lisp", UDP, True, 4342, b"\x80\0\0\0" + b"\x45\0\0\x20" + bytes(28)),
    ("lisp", UDP, True, 4341, b"\xc0" + bytes(7) + b"\x45\0\0\x29" + bytes(37)),
    ("lisp", TCP, True, 4342, b"\0\x11\0\x10" + bytes(8) + b"\x9f\xac\xad\xe9"),
    ("hsrp", UDP, True, 1985, b"\0\0\x10\x03\x0a\x64\x01\0cisco\0\0\0\xc0\0\x02\x01"),
    ("bfd", UDP, True, 3784, b"\x20\x40\x03\x18\0\0\0\x01" + pack(">IIII", 0, 1000000, 1000000, 0)),
    ("ldp", UDP, True, 646, b"\0\1\0\x1e\xc0\0\2\1\0\0\1\0\0\x14\0\0\0\1" + bytes(16)),
    ("rip", UDP, True, 520, b"\2\2\0\0" + b"\0\2\0\0\x0a\0\0\0\xff\0\0\0\0\0\0\0\0\0\0\1"),
    ("rip", UDP, True, 520, b"\1\1\0\0" + bytes(16) + b"\0\0\0\x10"),
    ("rip", UDP, True, 520, b"\2\2\0\0\xff\xff\0\2password" + bytes(8) + b"\0\2" + bytes(18)),
    ("rip", UDP, True, 521, b"\2\1\0\0\x20\1\x0d\xb8" + bytes(12) + b"\0\0\x20\1"),
    ("babel", UDP, True, 6696, b"\x2a\2\0\x09" + HELLO + b"\0"),
    ("babel", UDP, True, 40001, b"\x2a\2\0\x08" + HELLO),
    ("babel", UDP, True, 6696, b"\x2a\2\0\x08" + HELLO + b"\x10\4mac!"),
    ("olsr", UDP, True, 698, b"\0\x1c\0\1" + OLSR + OLSR),
    ("aodv", UDP, True, 654, b"\1\0\0\2" + bytes(20)),
    ("aodv", UDP, True, 654, b"\2\x40\0\2" + bytes(16)),
    ("aodv", UDP, True, 654, b"\3\0\0\1" + bytes(8)),
    ("hncp", UDP, True, 8231, HNCP),
    ("lmp", UDP, True, 701, LMP),
    ("lmp", UDP, True, 49998, LMP),
    ("lspping", UDP, True, 3503, b"\0\1\0\0\1\2\0\0" + bytes(24)),
    ("rpkirtr", TCP, True, 323, b"\1\2\0\0\0\0\0\x08"),
    ("rpkirtr", TCP, True, 3323, b"\0\1\0\7\0\0\0\x0c\0\0\0\x09"),
    ("rpkirtr", TCP, False, 8282, b"\1\3\0\7\0\0\0\x08"),
    ("rpkirtr", TCP, False, 323, b"\1\3\0\7\0\0\0\x08" + b"\1\4\0\0\0\0\0\x14\1\x18\x18\0\xc0\0\2\0\0\0\xfd\xe8"),
    ("bmp", TCP, True, 11019, b"\3\0\0\0\x0f\4\0\2\0\5edge1"),
    ("pcep", TCP, True, 4189, b"\x20\1\0\x0c\1\x10\0\x08\x20\x1e\x78\1"),
    ("msdp", TCP, True, 639, b"\4\0\3"),
    ("msdp", TCP, True, 639, b"\1\0\x14\1\x0a\0\0\1\0\0\0\x20" + bytes(8)),
    ("wccp", UDP, True, 2048, b"\0\0\0\x0a\2\0\0\x18" + bytes(24)),
    ("fpm", TCP, True, 2620, b"\1\1\0\x14\x10\0\0\0\x18\0" + bytes(10)),
    ("fpm", TCP, True, 2620, b"\1\1\0\x48\0\0\0\x44" + bytes(16)),
    ("vxlan", UDP, True, 4789, b"\x08\0\0\0\0\0\5\0" + bytes(60)),
    ("vxlan", UDP, True, 8472, b"\x88\x48\0\7\0\0\5\0" + bytes(60)),
    ("vxlan", UDP, True, 4790, b"\x0c\0\0\3\0\0\5\0" + bytes(60)),
    ("geneve", UDP, True, 6081, b"\1\x40\x65\x58\0\0\5\0\1\2\x80\0" + bytes(60)),
    ("tzsp", UDP, True, 37008, b"\1\0\0\1\1" + bytes(60)),
    ("tzsp", UDP, True, 37008, b"\1\4\0\0\1"),
    ("vqp", UDP, True, 1589, b"\1\1\0\1" + pack(">IIH", 7, 0xC01, 4) + bytes(4)),
    ("vqp", UDP, True, 1589, b"\1\2\3\0\0\0\0\7"),
    ("dlep", UDP, True, 854, b"DLEP\0\1\0\4" + bytes(4)),
    ("dlep", TCP, True, 854, b"\0\1\0\x08\0\5\0\4\0\0\xea\x60"),
    ("dlep", TCP, True, 854, b"\0\x10\0\0"),
    ("capwap", UDP, True, 5246, b"\0\x10\2\0\0\0\0\0" + b"\0\0\0\1\0\0\x08\0" + b"\0\x14\0\1\0"),
    ("capwap", UDP, True, 5246, b"\1\0\0\0\x16\xfe\xff" + bytes(20)),
    ("ubntac2", UDP, True, 10001, b"\1\0\0\x09\x0b\0\x06router"),
    ("ubntac2", UDP, True, 10001, b"\1\0\0\0"),
    ("ubntac2", UDP, True, 10001, b"\2\x08\0\0"),
    ("ubntac2", UDP, False, 10001, b"\2\6\0\x10\2\0\x0a\2\0\0\0\0\1\xc0\0\2\1\x0b\0\0"),
]
