"""Messages between programs."""

from struct import pack

TCP, UDP = 6, 17
PROFINET = bytes.fromhex("0100a0de976cd111827100a02442df7d")  # DEA00001-6C97-11D1-8271-00A02442DF7D


def dcerpc_udp(interface: bytes, body: bytes) -> bytes:
    head = b"\x04\x00\x20\x00\x10\x00\x00\x00" + bytes(16) + interface + bytes(16)
    return head + pack("<IIIHHHHHBB", 0, 1, 0, 4, 0xFFFF, 0xFFFF, len(body), 0, 0, 0) + body


KNOWN = [
    ("dcerpc", TCP, True, 135, bytes.fromhex("05000b0310000000480000000100000000")),
    ("dcerpc", TCP, True, 1030, bytes.fromhex("05000b0300000000004800000000000100")),
    ("dcerpc", UDP, True, 49152, dcerpc_udp(bytes(range(16)), bytes(20))),
    ("dcerpc", UDP, True, 34964, dcerpc_udp(PROFINET, bytes(20))),
    ("corba", TCP, True, 2809, b"GIOP\x01\x02\x01\x00\x20\0\0\0"),
    ("corba", UDP, True, 9000, b"MIOP\x10\x03" + bytes(26) + b"GIOP\x01\x02"),
    ("jrmi", TCP, True, 1099, b"JRMI\x00\x02\x4b"),
    ("jrmi", TCP, False, 1098, b"\xac\xed\0\x05sr\0\x19java.rmi.MarshalledObject" + bytes(8)),
    ("thrift", TCP, True, 9090, b'[1,"ping",1,0,{}]'),
    ("thrift", TCP, True, 9090, pack(">I", 17) + b'[1,"ping",1,0,{}]'),
    ("thrift", UDP, True, 6831, b"\x82\x81\x80\x02\x09emitBatch\x1c"),
    ("thrift", TCP, True, 9090, b"\x80\x01\0\x01\0\0\0\x04ping\0\0\0\0\0"),
    ("thrift", TCP, True, 9090, b"\0\0\0\x11\x80\x01\0\x01\0\0\0\x04ping\0\0\0\0\0"),
    ("thrift", TCP, True, 9090, b"\0\0\0\x09\x82\x21\x01\x04ping\0"),
    ("thrift", TCP, True, 9090, pack(">IHHIH", 20, 0x0FFF, 0, 1, 1) + b"\x02\0\0\0" + bytes(6)),
    ("thrift", UDP, True, 6831, b"\x82\x81\x01\x09emitBatch\x1c"),
    ("thrift", UDP, True, 6831, b"\x82\x81\xc8\x01\x09emitBatch\x1c"),
    ("thrift", TCP, True, 9091, b"\0\0\0\4ping\1\0\0\0\7\0"),
    ("thrift", TCP, True, 9091, b"\0\0\0\7Os:ping\1\0\0\0\7\0"),
    ("thrift", TCP, True, 9083, b"\1\0\0\0\6GSSAPI"),
    ("thrift", TCP, True, 10000, b"\1\0\0\0\5PLAIN\5\0\0\0\x0b\0me\0secret"),
    ("thrift", TCP, False, 9091, b"\0\0\0\7getName\2\0\0\0\0\x0b\0\0\0\0\0\3bob\0"),
    ("thrift", TCP, True, 9091, pack(">I", 20) + b"\0\0\0\3get\1\0\0\0\1\x08\0\1\0\0\0\5\0"),
    ("zabbix", TCP, True, 10051, b"ZBXD\x01\x05\0\0\0\0\0\0\0agent"),
    ("gearman", TCP, True, 4730, b"\0REQ\0\0\0\x01\0\0\0\x07reverse"),
    ("git", TCP, True, 9418, b"0033git-upload-pack /project.git\0host=example.org\0"),
    ("fix", TCP, True, 4000, b"8=FIX.4.4\x019=65\x0135=A\x01"),
    ("fix", TCP, False, 4000, b"8=FIXCOM\x019=71\x01\x78\x9c"),
    ("hl7", TCP, True, 2575, b"\x0bMSH|^~\\&|ADT|"),
    ("someip", UDP, True, 30490, pack(">IIIBBBB", 0xFFFF8100, 28, 1, 1, 1, 2, 0) + bytes(20)),
    ("someip", UDP, True, 30501, pack(">IIIBBBB", 0x12340008, 17, 1, 1, 1, 0, 0) + bytes(9)),
    ("rtps", UDP, True, 7400, b"RTPS\x02\x03\x01\x0f" + bytes(12)),
    ("raft", TCP, True, 9001, pack("<QQ", 3, 40) + bytes(40)),
    ("raft", TCP, True, 9001, pack("<QQQ", 1, 1, 16) + b"127.0.0.1:9001\0\0"),
    ("protobuf", TCP, True, 12345, b"\x12\x05alice\x22\x0c\x08\x01\x12\x08somebody"),
    ("rx", UDP, True, 17000, pack(">IIIIIBBBBHH", 1700000000, 4, 1, 1, 1, 1, 5, 0, 0, 0, 52) + bytes(8)),
    ("rx", UDP, True, 7003, pack(">IIIIIBBBBHH", 999, 0, 101, 0, 0, 8, 5, 0, 0, 0, 0) + bytes(8)),
    ("rx", UDP, True, 7001, pack(">IIIIIBBBBHH", 999, 0, 7, 0, 0, 13, 5, 0, 0, 0, 0) + bytes(65)),
    ("rx", UDP, True, 7000, pack(">IIIIIBBBBHH", 1700000000, 4, 1, 1, 1, 1, 5, 0, 0, 0, 1) + bytes(8)),
    ("dtn", TCP, True, 4556, b"dtn!\4\0"),
    ("dtn", TCP, True, 4556, b"dtn!\3\1\0\x0f\x07ipn:1.0"),
    ("dtn", UDP, True, 4556, b"\x9f\x88\7\0\1\x82\2\x82\1\0"),
    ("pgm", UDP, True, 3056, pack(">HHBBH6sH", 4000, 3056, 4, 0, 0, b"source", 5) + pack(">II", 7, 1) + b"hello"),
    (
        "pgm",
        UDP,
        True,
        5563,
        pack(">HHBBH6sH", 4000, 5563, 0, 0, 0, b"source", 0) + pack(">IIIII", 7, 1, 9, 1 << 16, 9),
    ),
    ("pgm", UDP, True, 5563, pack(">HHBBH6sH", 5563, 4000, 12, 0, 0, b"source", 0)),
    (
        "pgm",
        UDP,
        True,
        5563,
        pack(">HHBBH6sH", 5563, 4000, 8, 0, 0, b"source", 0) + pack(">IIIII", 7, 1 << 16, 9, 1 << 16, 9),
    ),
    ("nettcp", TCP, True, 808, b"\0\1\0\1\2\2\x21net.tcp://server.example.org:808/a\3\x08\x0c"),
    (
        "netremoting",
        TCP,
        True,
        8085,
        b".NET\1\0\0\0\0\0" + pack("<IHBBI", 95, 4, 1, 1, 28) + b"tcp://srv.example.org:8085/o",
    ),
    ("netremoting", TCP, True, 40002, b".NET\1\0\0\0\0\0" + pack("<I", 300) + bytes(20)),
]
