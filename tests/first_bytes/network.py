"""What a network runs on."""

from struct import pack

TCP, UDP = 6, 17
DHCP = b"\x01\x01\x06\x00" + bytes(232) + b"\x63\x82\x53\x63" + b"\x35\x01\x03\x0c\x06Laptop\xff"
NETBIOS_NAME = b"".join(bytes((65 + (c >> 4), 65 + (c & 15))) for c in b"PRINTER        \x00")
KERBEROS = b"\x6a\x81\x80\x30\x7e\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a" + bytes(116)
SNMP = bytes.fromhex("301902010104067075626c6963a00c0201010201000201003001ff")
SNMP3 = bytes.fromhex("300e020103300902010702020fff04010004")

KNOWN = [
    ("munin", TCP, False, 4949, b"# munin node at host.example\n"),
    ("checkmk", TCP, False, 6556, b"<<<check_mk>>>\nVersion: 2.2\n"),
    ("kismet", TCP, False, 2501, b"*KISMET: 0.0.0 1234567890 \x01Kismet\x01\n"),
    ("bgp", TCP, True, 179, b"\xff" * 16 + b"\x00\x1d\x01\x04"),
    ("ldap", TCP, True, 389, bytes.fromhex("300c020101600702010304008000")),
    ("ldap", TCP, True, 3890, bytes.fromhex("300c020101600702010304008000")),
    ("ldap", UDP, True, 389, b"\x30\x25\x02\x01\x01\x63\x20\x04\0\x0a\x01\0\x0a\x01\0" + bytes(23)),
    ("kerberos", TCP, True, 88, pack(">I", len(KERBEROS)) + KERBEROS),
    ("kerberos", UDP, True, 88, KERBEROS),
    ("openflow", TCP, True, 6653, b"\x04\x00\x00\x10\0\0\0\x01\0\x01\0\x08\0\0\0\x10"),
    ("openflow", TCP, True, 16633, b"\x01\x00\x00\x08\0\0\0\x01"),
    ("ripeatlas", UDP, True, 40001, b"MGLNDD_192.0.2.1_40001"),
    ("syslog", UDP, True, 514, b"<34>Oct 11 22:14:15 host su: failed"),
    ("syslog", UDP, True, 5140, b"<165>1 2003-10-11T22:14:15.003Z host app - - - text"),
    ("syslog", TCP, True, 5140, b"<34>Oct 11 22:14:15 host su: failed"),
    ("snmp", UDP, True, 161, SNMP),
    ("snmp", UDP, True, 1610, SNMP),
    ("snmp", UDP, True, 161, SNMP3),
    ("ssdp", UDP, True, 1900, b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"),
    ("ssdp", UDP, True, 50000, b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:1\r\n\r\n"),
    ("bjnp", UDP, True, 8611, b"BJNP\x01\x01\0\0\0\0\0\0"),
    ("dhcp", UDP, True, 67, DHCP),
    ("dhcpv6", UDP, True, 547, b"\x01\x11\x22\x33"),
    ("rmcp", UDP, True, 623, b"\x06\0\xff\x06\0\0\x11\xbe\x80\0\0\0"),
    ("rmcp", UDP, True, 623, b"\x06\0\xff\x07\x06\x10\0\0\0\0\0\0\0\0\x20\0"),
    ("merakicloud", UDP, True, 7351, b"\xfe\xf7\x28\x91\0\0\0\1"),
    ("collectd", UDP, True, 25826, b"\0\0\0\x09host\0\0\x08\0\x0c" + bytes(8)),
    ("collectd", UDP, True, 25826, b"\x02\x10\0\x40" + bytes(60)),
    ("sflow", UDP, True, 6343, pack(">IIIIIIII", 5, 1, 0xC0000201, 0, 9, 1000, 2, 1) + bytes(40)),
    ("netflow", UDP, True, 2055, pack(">HHIII", 5, 1, 1000, 1700000000, 0) + bytes(56)),
    (
        "netflow",
        UDP,
        True,
        2055,
        pack(">HHIIII", 9, 1, 1000, 1700000000, 1, 1) + pack(">HHHH", 0, 12, 256, 1) + bytes(4),
    ),
    ("netflow", UDP, True, 4739, pack(">HHIII", 10, 28, 1700000000, 1, 1) + pack(">HHHH", 2, 12, 256, 1) + bytes(4)),
    ("roughtime", UDP, True, 2002, b"ROUGHTIM" + bytes(1016)),
    ("roughtime", UDP, True, 2002, pack("<II", 2, 64) + b"NONCPAD\xff" + bytes(1008)),
    ("coap", UDP, True, 5683, b"\x40\x01\x12\x34\xb4test"),
    ("ntp", UDP, True, 123, b"\x23" + bytes(47)),
    ("netbios", UDP, True, 137, bytes(12) + b"\x20" + NETBIOS_NAME + b"\0\0\x20\0\x01"),
    ("radius", UDP, True, 1812, b"\x01\x05\x00\x14" + bytes(16)),
    ("radius", UDP, True, 18120, b"\x01\x05\x00\x1b" + bytes(16) + b"\x01\x07alice"),
    ("teredo", UDP, True, 3544, b"\x60\0\0\0\0\x08\x3b\x15" + bytes(40)),
    ("natpmp", UDP, True, 5351, b"\0\0"),
    ("natpmp", UDP, True, 5351, b"\x02\x01\0\0\0\0\x1c\x20" + bytes(52)),
    (
        "wsd",
        UDP,
        True,
        3702,
        b'<?xml version="1.0"?><soap:Envelope xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">',
    ),
    ("servicelocationprotocol", UDP, True, 427, b"\x02\x01\0\0\x14\x20\0\0\0\0\0\x01\0\x02en" + bytes(4)),
    ("kerberos", UDP, True, 464, pack(">HHH", 26, 1, 20) + bytes(20)),
    ("ptpv2", UDP, True, 320, b"\x0b\x02\0\x40" + bytes(60)),
    ("lisp", UDP, True, 4342, b"\x10\0\0\1" + bytes(20)),
    ("lisp", UDP, True, 4341, b"\xc0" + bytes(7) + b"\x45\0\0\x29" + bytes(37)),
    ("hsrp", UDP, True, 1985, b"\0\0\x10\x03\x0a\x64\x01\0cisco\0\0\0\xc0\0\x02\x01"),
    ("bfd", UDP, True, 3784, b"\x20\x40\x03\x18\0\0\0\x01" + bytes(16)),
    ("ldp", UDP, True, 646, b"\0\1\0\x1e\xc0\0\2\1\0\0\1\0\0\x14\0\0\0\1" + bytes(16)),
    ("dlep", UDP, True, 854, b"DLEP\0\1\0\4" + bytes(4)),
    ("dlep", TCP, True, 854, b"\0\1\0\4\0\1\0\0"),
    ("capwap", UDP, True, 5246, b"\0\x10\2\0\0\0\0\0" + bytes(20)),
    ("capwap", UDP, True, 5246, b"\1\0\0\0\x16\xfe\xff" + bytes(20)),
    ("ubntac2", UDP, True, 10001, b"\1\0\0\x09\x0b\0\x06router"),
    ("lotusnotes", TCP, True, 1352, b"\x78\0\0\0\x03\0\0\0\x02\0\0\x40\x02\x0f\0\x01"),
]
TALKS = [
    ("coap", UDP, 17500, [(b"\x42\x03\x12\x34ab\x72\x44\x5c\x44room", True), (b"\x62\x44\x12\x34ab", False)]),
    ("eaq", UDP, 6000, [(b"0001" + bytes(12), True), (b"0002" + bytes(12), True)]),
]
