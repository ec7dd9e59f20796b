"""How machines and networks are watched."""

from struct import pack

TCP, UDP = 6, 17
SNMP = bytes.fromhex("301902010104067075626c6963a00c0201010201000201003001ff")
DIGITS = bytes(ord("0") + i % 10 for i in range(24, 1470))  # iperf 2's filling, behind what it counts
IPERF21 = (
    pack(">IIIIIi", 0x40010078, 1, 5001, 0x2000, 0, 40960) + bytes(12) + pack(">IIIIII", 0x20001, 0x80003, *[0] * 4)
)
SNMP3 = bytes.fromhex("300e020103300902010702020fff04010004")

KNOWN = [
    ("munin", TCP, False, 4949, b"# munin node at host.example\n"),
    ("checkmk", TCP, False, 6556, b"<<<check_mk>>>\nVersion: 2.2\n"),
    ("kismet", TCP, False, 2501, b"*KISMET: 0.0.0 1234567890 \x01Kismet\x01\n"),
    ("ripeatlas", UDP, True, 40001, b"MGLNDD_192.0.2.1_40001"),
    ("syslog", UDP, True, 514, b"<34>Oct 11 22:14:15 host su: failed"),
    ("syslog", UDP, True, 5140, b"<189>29: *Mar  1 18:46:11.123: %SYS-5-CONFIG_I: Configured from console"),
    ("syslog", UDP, True, 5140, b"<165>1 2003-10-11T22:14:15.003Z host app - - - text"),
    ("syslog", TCP, True, 5140, b"<34>Oct 11 22:14:15 host su: failed"),
    ("syslog", TCP, True, 6514, b"51 <165>1 2003-10-11T22:14:15.003Z host app - - - text"),
    ("snmp", UDP, True, 161, SNMP),
    ("snmp", UDP, True, 1610, SNMP),
    ("snmp", UDP, True, 161, SNMP3),
    ("snmp", TCP, True, 161, SNMP),
    ("snmp", TCP, True, 1610, SNMP),
    ("iperf", TCP, True, 5202, b"abcdefghijklmnopqrstuvwxyz234567abcd\0"),
    ("iperf", TCP, True, 5201, b"tester.1500000000.123456.0123456789a\0"),
    ("iperf", UDP, True, 5202, pack("<I", 0x36373839)),
    ("iperf", UDP, False, 5201, pack("<I", 987654321)),
    ("iperf", TCP, True, 5002, pack(">IIIIIi", 0, 1, 5001, 0, 0, -1000) + DIGITS),
    ("iperf", TCP, True, 5001, pack(">IIIIIi", 0x80000000, 1, 5001, 0, 0, -1000) * 2 + DIGITS),
    (
        "iperf",
        UDP,
        True,
        5001,
        pack(">III", 1, 1700000000, 5) + pack(">IIIIIi", 0, 0, 5001, 0, 1 << 20, -1000) + DIGITS,
    ),
    ("iperf", TCP, True, 5001, IPERF21),
    ("iperf", TCP, True, 5001, IPERF21 + bytes(1400)),
    ("iperf", TCP, True, 5001, b"\xc0\1\0\x79" + IPERF21[4:]),
    ("iperf", TCP, True, 5001, DIGITS),
    ("iperf", UDP, True, 5001, pack(">IIII", 1, 1700000000, 5, 0) + b"\x48\1\0\x98" + IPERF21[4:] + bytes(1000)),
    ("iperf", UDP, True, 5001, pack(">III", 1, 1700000000, 5) + pack(">IIIIIi", 0, 1, 5001, 100, 0, 0) + DIGITS[:64]),
    ("ganglia", UDP, True, 8649, pack(">II", 133, 6) + b"node-1\0\0" + pack(">I", 9) + b"heartbeat\0\0\0" + bytes(12)),
    (
        "ganglia",
        TCP,
        False,
        8649,
        b'<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>\n<!DOCTYPE GANGLIA_XML [',
    ),
    ("ossec", UDP, True, 1514, b"!007!:" + bytes(range(128, 200))),
    ("ossec", UDP, False, 40002, b"#AES:" + bytes(range(128, 200))),
    ("ossec", TCP, True, 1514, pack("<I", 82) + b"!007!#AES:" + bytes(range(128, 200))),
    ("ossec", TCP, False, 1514, pack("<I", 77) + b"#AES:" + bytes(range(128, 200))),
    ("rmcp", UDP, True, 623, b"\x06\0\xff\x06\0\0\x11\xbe\x80\0\0\0"),
    ("rmcp", UDP, True, 10623, b"\x06\0\xff\x07" + bytes(9) + b"\x09\x20\x18\xc8\x81\0\x38\x8e\x04\xb5"),
    ("rmcp", UDP, True, 10623, b"\x06\0\xff\x07\x06\x10" + bytes(8) + b"\x20\0" + bytes(32)),
    ("rmcp", UDP, True, 623, b"\x06\0\xff\x07\x06\x10\0\0\0\0\0\0\0\0\x20\0"),
    ("rmcp", UDP, True, 664, b"\x06\0\xff\x07\x06\x10\0\0\0\0\0\0\0\0\x20\0"),
    ("collectd", UDP, True, 25826, b"\0\0\0\x09host\0\0\x08\0\x0c" + bytes(8)),
    ("collectd", UDP, True, 25826, b"\x02\x10\0\x40" + bytes(60)),
    ("sflow", UDP, True, 6343, pack(">IIIIIIII", 5, 1, 0xC0000201, 0, 9, 1000, 2, 1) + pack(">I", 36) + bytes(36)),
    ("sflow", UDP, True, 6343, pack(">IIIIIIII", 4, 1, 0xC0000201, 9, 1000, 2, 1, 77) + bytes(40)),
    ("netflow", UDP, True, 2055, pack(">HHIII", 5, 1, 1000, 1700000000, 0) + bytes(56)),
    (
        "netflow",
        UDP,
        True,
        2055,
        pack(">HHIIII", 9, 1, 1000, 1700000000, 1, 1) + pack(">HHHH", 0, 12, 256, 1) + bytes(4),
    ),
    ("netflow", UDP, True, 2055, pack(">HHIII", 1, 1, 1000, 1700000000, 0) + bytes(48)),
    ("netflow", UDP, True, 2055, pack(">HHIII", 1, 1, 1000, 1700000000, 0) + bytes(52)),
    ("netflow", UDP, True, 4739, pack(">HHIII", 10, 28, 1700000000, 1, 1) + pack(">HHHH", 2, 12, 256, 1) + bytes(4)),
    ("relp", TCP, True, 2514, b"1 open 85 relp_version=0\nrelp_software=librelp,1.11.0\ncommands=syslog\n"),
    ("relp", TCP, False, 40002, b"1 rsp 92 200 OK\nrelp_version=0\n"),
    ("lumberjack", TCP, True, 40002, b"2W\0\0\x08\0002C\0\0\1\0" + bytes(range(30))),
    ("lumberjack", TCP, True, 5044, b"2W\0\0\x08\0"),
    ("lumberjack", TCP, False, 5044, b"2A\0\0\0\1"),
    ("gelf", UDP, True, 40002, b'{"version":"1.1","host":"example.org","short_message":"hello","level":1}'),
    ("gelf", TCP, True, 12201, b'{"version":"1.1","host":"example.org","short_message":"hello"}\0'),
    ("gelf", UDP, True, 12201, b"\x1e\x0f12345678\0\2" + bytes(range(30))),
    ("gelf", UDP, True, 12201, b"\x78\x9c" + bytes(range(30))),
    ("statsd", UDP, True, 8125, b"web.requests:1|c|@0.1\nweb.time:320|ms"),
    ("statsd", TCP, True, 8125, b"web.requests:1|c\n"),
    ("statsd", UDP, True, 40002, b"web.time:-3.5|g|#env:dev\nweb.requests:1|c"),
    ("statsd", UDP, True, 8125, b"_e{5,4}:title|text"),
    ("nut", TCP, True, 3493, b"LIST UPS\n"),
    ("nut", TCP, True, 3493, b"USERNAME monitor\n"),
    ("nut", TCP, False, 3493, b"ERR ACCESS-DENIED\n"),
    ("apcupsd", TCP, True, 3551, b"\0\6status"),
]
TALKS = [
    ("eaq", UDP, 6000, [(b"0001" + bytes(12), True), (b"\0\0\0\2" + bytes(12), True)]),
]
