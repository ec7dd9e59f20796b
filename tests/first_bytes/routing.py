"""Routers, switches and access points among themselves, and with their clouds."""

TCP, UDP = 6, 17

KNOWN = [
    ("bgp", TCP, True, 179, b"\xff" * 16 + b"\x00\x1d\x01\x04"),
    ("openflow", TCP, True, 6653, b"\x04\x00\x00\x10\0\0\0\x01\0\x01\0\x08\0\0\0\x10"),
    ("openflow", TCP, True, 16633, b"\x01\x00\x00\x08\0\0\0\x01"),
    ("merakicloud", UDP, True, 7351, b"\xfe\xf7\x28\x91\0\0\0\1"),
    ("lisp", UDP, True, 4342, b"\x10\0\0\1" + bytes(20)),
    ("lisp", UDP, True, 4342, b"\x70\0\0\0" + bytes(20)),
    ("lisp", UDP, True, 4341, b"\xc0" + bytes(7) + b"\x45\0\0\x29" + bytes(37)),
    ("lisp", TCP, True, 4342, b"\0\x11\0\x10" + bytes(8) + b"\x9f\xac\xad\xe9"),
    ("hsrp", UDP, True, 1985, b"\0\0\x10\x03\x0a\x64\x01\0cisco\0\0\0\xc0\0\x02\x01"),
    ("bfd", UDP, True, 3784, b"\x20\x40\x03\x18\0\0\0\x01" + bytes(16)),
    ("ldp", UDP, True, 646, b"\0\1\0\x1e\xc0\0\2\1\0\0\1\0\0\x14\0\0\0\1" + bytes(16)),
    ("dlep", UDP, True, 854, b"DLEP\0\1\0\4" + bytes(4)),
    ("dlep", TCP, True, 854, b"\0\1\0\4\0\1\0\0"),
    ("capwap", UDP, True, 5246, b"\0\x10\2\0\0\0\0\0" + bytes(20)),
    ("capwap", UDP, True, 5246, b"\1\0\0\0\x16\xfe\xff" + bytes(20)),
    ("ubntac2", UDP, True, 10001, b"\1\0\0\x09\x0b\0\x06router"),
]
