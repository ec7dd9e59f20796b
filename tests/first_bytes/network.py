"""What every network has: addresses, names, clocks, discovery, printers."""

from struct import pack

TCP, UDP = 6, 17
DHCP = b"\x01\x01\x06\x00" + bytes(232) + b"\x63\x82\x53\x63" + b"\x35\x01\x03\x0c\x06Laptop\xff"
NETBIOS_NAME = b"".join(bytes((65 + (c >> 4), 65 + (c & 15))) for c in b"PRINTER        \x00")

KNOWN = [
    ("ssdp", UDP, True, 1900, b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"),
    ("ssdp", UDP, True, 50000, b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nUSN: uuid:1\r\n\r\n"),
    ("bjnp", UDP, True, 8611, b"BJNP\x01\x01\0\0\0\0\0\0"),
    ("bjnp", TCP, True, 8611, b"BJNP\x01\x20\0\0\0\0\0\0"),
    ("dhcp", UDP, True, 67, DHCP),
    ("dhcpv6", UDP, True, 547, b"\x01\x11\x22\x33\0\1\0\x0a\0\3\0\1\2\0\0\0\0\1"),
    ("roughtime", UDP, True, 2002, b"ROUGHTIM" + bytes(1016)),
    ("roughtime", UDP, True, 2002, pack("<II", 2, 64) + b"NONCPAD\xff" + bytes(1008)),
    ("coap", UDP, True, 5683, b"\x40\x01\x12\x34\xb4test"),
    ("coap", TCP, True, 5683, b"\x30\xe1\x22\x04\x80"),
    ("mikrotik", TCP, True, 8729, b"\x06/login\x0b=name=admin\0"),
    ("mikrotik", TCP, False, 8729, b"\x05!done\0"),
    ("mikrotik", UDP, True, 5678, b"\0\0\0\7\0\1\0\6\2\0\0\0\0\1\0\5\0\4edge"),
    ("coap", UDP, True, 40001, b"\x40\x01\x12\x34\xbb.well-known\x04core"),
    ("ntp", UDP, True, 123, b"\x23" + bytes(47)),
    ("netbios", UDP, True, 137, bytes(12) + b"\x20" + NETBIOS_NAME + b"\0\0\x20\0\x01"),
    ("teredo", UDP, True, 3544, b"\x60\0\0\0\0\x08\x3b\x15\x20\x01" + bytes(38)),
    ("teredo", UDP, False, 3544, b"\0\1" + bytes(11) + b"\x60\0\0\0\0\0\x3b\x15\xfe\x80" + bytes(30)),
    ("natpmp", UDP, True, 5351, b"\0\0"),
    ("natpmp", UDP, True, 5351, b"\x02\x01\0\0\0\0\x1c\x20" + bytes(52)),
    (
        "wsd",
        UDP,
        True,
        3702,
        b'<?xml version="1.0"?><soap:Envelope xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery">',
    ),
    (
        "wsd",
        UDP,
        True,
        40001,
        b'<s:Envelope xmlns:d="http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01">',
    ),
    ("servicelocationprotocol", UDP, True, 427, b"\x02\x01\0\0\x14\x20\0\0\0\0\0\x01\0\x02en" + bytes(4)),
    ("ptpv2", UDP, True, 320, b"\x0c\x02\0\x36" + bytes(52)),
    ("ptpv2", UDP, True, 320, b"\x0b\x02\0\x40" + bytes(60)),
    ("lotusnotes", TCP, True, 1352, b"\x78\0\0\0\x03\0\0\0\x02\0\0\x40\x02\x0f\0\x01"),
    ("finger", TCP, True, 79, b"/W somebody\r\n"),
    ("finger", TCP, False, 79, b"Login: somebody       \t\t\tName: Some Body\r\nDirectory: /home/somebody\r\n"),
    ("finger", TCP, False, 79, b"Login     Name       Tty      Idle  Login Time   Office\r\n"),
    ("finger", TCP, False, 79, b"No one logged on.\r\n"),
    ("ident", TCP, True, 113, b"6191, 23\r\n"),
    ("ident", TCP, False, 113, b"6193, 23 : USERID : UNIX : somebody\r\n"),
    ("gopher", TCP, False, 70, b"1Documents\t/docs\tgopher.example.org\t70\r\n"),
    ("gopher", TCP, False, 70, b"iWelcome\tfake\t(NULL)\t0\r\n1Documents\t/docs\tgopher.example.org\t70\r\n"),
    ("gopher", TCP, False, 70, b"0About\t/about\tgopher.example.org\t70\t+\r\n"),
    ("arubapapi", UDP, True, 8211, b"Ir\0\1" + bytes(range(60))),
]
TALKS = [
    (
        "gopher",
        TCP,
        70,
        [(b"/docs\r\n", True), (b"0Read me\t/docs/readme\tgopher.example.org\t70\r\n.\r\n", False)],
    ),
    ("finger", TCP, 79, [(b"somebody\r\n", True), (b"finger: somebody: no such user.\r\n", False)]),
    ("coap", UDP, 17500, [(b"\x42\x03\x12\x34ab\x72\x44\x5c\x44room", True), (b"\x62\x44\x12\x34ab", False)]),
]
