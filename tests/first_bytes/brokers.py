"""What programs of servers hand to each other."""

from struct import pack

TCP = 6

KNOWN = [
    ("ibmmq", TCP, True, 1414, b"TSH " + pack(">I", 268) + b"\2\1\x30\0" + bytes(256)),
    ("ibmmq", TCP, False, 40002, b"\xe3\xe2\xc8\xd4" + pack(">I", 276) + bytes(268)),
    ("msmq", TCP, True, 1801, b"\x10\0\x0b\0LIOR" + pack("<II", 572, 0xFFFFFFFF) + bytes(556)),
    ("nsq", TCP, True, 4150, b"  V2"),
    ("nsq", TCP, True, 40002, b"  V2IDENTIFY\n\0\0\0\2{}"),
    ("rocketmq", TCP, True, 9876, pack(">II", 100, 96) + b'{"code":105,"flag":0,"language":"JAVA"'.ljust(96)),
    ("beanstalk", TCP, True, 11300, b"put 0 0 60 5\r\nhello\r\n"),
    ("beanstalk", TCP, False, 11300, b"INSERTED 1\r\n"),
    ("beanstalk", TCP, True, 40002, b"put 4294967295 0 120 3\r\nabc\r\n"),
    ("beanstalk", TCP, True, 40002, b"reserve-with-timeout 10\r\n"),
    ("beanstalk", TCP, False, 40002, b"WATCHING 2\r\n"),
    ("nettcp", TCP, True, 808, b"\0\1\0\1\2\2\x21net.tcp://server.example.org:808/a\3\x08\x0c"),
    (
        "netremoting",
        TCP,
        True,
        8085,
        b".NET\1\0\0\0\0\0" + pack("<IHBBI", 95, 4, 1, 1, 28) + b"tcp://srv.example.org:8085/o",
    ),
    ("pulsar", TCP, True, 6651, pack(">II", 16, 12) + b"\x08\2\x12\x08\x0a\4test \x15"),
    ("pulsar", TCP, False, 6651, pack(">II", 16, 12) + b"\x08\3\x1a\x08\x0a\4test \x15"),
    ("netremoting", TCP, True, 40002, b".NET\1\0\0\0\0\0" + pack("<I", 300) + bytes(20)),
]
