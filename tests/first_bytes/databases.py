"""Databases."""

from struct import pack

TCP, UDP = 6, 17

KNOWN = [
    ("mysql", TCP, False, 3306, b"\x4a\x00\x00\x00\x0a8.0.36\x00" + bytes(60)),
    ("mysql", TCP, False, 3306, b"\x1a\0\0\0\xff\x6a\x04Host is not allowed now"),
    ("postgresql", TCP, True, 5432, pack(">II", 8, 80877103)),
    ("postgresql", TCP, True, 5432, pack(">II", 20, 0x30000) + b"user\0alice\0\0"),
    ("mongodb", TCP, True, 27017, pack("<IIII", 60, 1, 0, 2013) + bytes(44)),
    ("mongodb", TCP, True, 30000, pack("<IIII", 39, 1, 0xFFFFFFFF, 2004) + b"\0\0\0\0admin.$cmd" + bytes(9)),
    ("resp", TCP, True, 6379, b"*1\r\n$4\r\nPING\r\n"),
    ("resp", TCP, True, 6379, b"PING\r\n"),
    ("resp", TCP, False, 6379, b"-NOAUTH Authentication required.\r\n"),
    ("resp", TCP, False, 6379, b"$5\r\nvalue\r\n"),
    ("cassandra", TCP, True, 9042, b"\x04\0\0\0\x05\0\0\0\0"),
    ("cassandra", TCP, True, 9042, b"\x03\0\0\0\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0"),
    ("cassandra", TCP, False, 9042, b"\x84\0\0\0\x06\0\0\0\x02\0\0"),
    ("cassandra", TCP, True, 7000, b"\xca\x55\x2d\xfa\0\0\0\x0c"),
    ("mssqltds", TCP, True, 1433, pack(">BBHHBB", 0x12, 1, 20, 0, 0, 0) + b"\0\0\x06\0\x06\xff" + bytes(6)),
    ("mssqltds", TCP, True, 14330, pack(">BBHHBB", 0x10, 1, 144, 0, 1, 0) + pack("<II", 136, 0x74000004) + bytes(128)),
    ("mssqltds", TCP, True, 14330, pack(">BBHHBB", 1, 1, 46, 0, 1, 0) + pack("<IIHQI", 22, 18, 2, 0, 1) + b"go" * 8),
    ("mssqltds", TCP, False, 14330, pack(">BBHHBB", 4, 1, 21, 51, 1, 0) + b"\xfd\x01\0\xf9\0" + bytes(8)),
    ("oracle", TCP, True, 1521, pack(">HHBBHHH", 200, 0, 1, 0, 0, 314, 300) + bytes(188)),
    ("oracle", TCP, False, 1521, pack(">HHBBHHH", 32, 0, 2, 0, 0, 314, 0) + bytes(20)),
    ("drda", TCP, True, 50000, pack(">HBBHHH", 38, 0xD0, 0x41, 1, 32, 0x1041) + bytes(28)),
    ("drda", TCP, True, 1527, pack(">HBBHHH", 38, 0xD0, 0x51, 1, 32, 0x200C) + bytes(28)),
    ("drda", TCP, False, 1527, pack(">HBBHHH", 38, 0xD0, 0x52, 1, 32, 0x2205) + bytes(28)),
    ("memcached", TCP, True, 11211, b"get key\r\n"),
    ("memcached", TCP, True, 11211, pack(">BBHBBHIIQ", 0x80, 0, 3, 0, 0, 0, 3, 0, 0) + b"key"),
    ("memcached", UDP, True, 11211, b"\0\1\0\0\0\1\0\0stats\r\n"),
    ("memcached", TCP, True, 11211, b"touch key 0\r\n"),
    ("memcached", TCP, False, 11211, b"NOT_FOUND\r\n"),
    ("elasticsearch", TCP, True, 9300, b"ES" + pack(">IQBI", 13, 1, 0, 7000099)),
    ("z3950", TCP, True, 210, b"\xb4\x0f\x83\x02\0\xe0\x84\x03\0\xe9\xa2\x85\x04\x04\0\0\0"),
]
