"""Terminals and desktops."""

from struct import pack

TCP, UDP = 6, 17

KNOWN = [
    ("ssh", TCP, False, 22, b"SSH-2.0-OpenSSH_9.6\r\n"),
    ("telnet", TCP, False, 23, b"\xff\xfd\x18\xff\xfd\x20"),
    ("telnet", TCP, False, 2323, b"\xff\xfc\x01\r\nWhat is the password?\r\n"),
    ("telnet", TCP, False, 2323, b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23"),
    ("vnc", TCP, False, 5900, b"RFB 003.008\n"),
    ("adb", TCP, True, 5555, pack("<4sIIIII", b"CNXN", 0x01000001, 1 << 20, 7, 0, 0xB1A7B1BC) + b"host::\0"),
    ("adb", TCP, False, 5556, pack("<4sIIIII", b"AUTH", 1, 0, 20, 0, 0xB7ABAABE) + bytes(20)),
    ("rdp", TCP, True, 3389, bytes.fromhex("030000130ee000000000000100080003000000")),
    ("rdp", TCP, True, 4000, bytes.fromhex("030000130ee000000000000100080003000000")),
    ("rdp", TCP, True, 4000, pack(">BBHBBHHB", 3, 0, 30, 25, 0xE0, 0, 0, 0) + b"Cookie: mstshash=a\r"),
    ("rdp", UDP, True, 3389, b"\xff\xff\xff\xff" + pack(">HHIHH", 64, 1, 7, 1232, 1232) + bytes(1216)),
    ("radmin", TCP, True, 4899, b"\x01\0\0\0\x01\0\0\0\x08\x08"),
    ("radmin", TCP, False, 4899, b"\x01\0\0\0\x25\0\0\x02\x12\x08\x02" + bytes(35)),
    ("nomachine", TCP, True, 4000, b"NXSH-8.10.1\n"),
    ("nomachine", UDP, True, 4000, b"\x01\0\x01\0\x0a\0\0\0\0\0"),
    ("citrix", TCP, False, 1494, b"\x7f\x7fICA\0\x7f\x7fICA\0"),
    ("citrix", UDP, True, 1604, pack("<HBBI", 30, 1, 0x30, 0xE3A8FD02) + bytes(22)),
    ("citrix", TCP, True, 2598, b"\x1aCGP/01\x01\0\0"),
    ("teamviewer", TCP, True, 5938, b"\x17\x24\x0a\x20\x00" + bytes(32)),
    ("teamviewer", UDP, True, 5938, bytes(11) + b"\x17\x24\x47\x50" + bytes(30)),
    ("vmware", UDP, True, 902, b"\xa4\0\0\0" + bytes(62)),
    ("vmware", TCP, False, 902, b"220 VMware Authentication Daemon Version 1.10"),
    ("xdmcp", UDP, True, 177, b"\0\x01\0\x02\0\x01\0"),
    ("xdmcp", TCP, True, 6000, b"l\0\x0b\0\0\0\x12\0\x10\0\0\0MIT-MAGIC-COOKIE-1\0\0" + bytes(16)),
    ("xdmcp", TCP, True, 6010, b"B\0\0\x0b" + bytes(8)),
    ("spice", TCP, True, 5930, b"REDQ" + pack("<IIIIBBIII", 2, 2, 26, 0, 1, 0, 1, 1, 18) + bytes(8)),
    ("spice", TCP, False, 5930, b"REDQ" + pack("<III", 2, 2, 186) + bytes(40)),
    ("sapni", TCP, True, 40002, b"\0\0\0\x13NI_ROUTE\0\2\x27\2\0\0\0\0\0\0\0"),
    ("sapni", TCP, False, 3299, b"\0\0\0\x08NI_PONG\0"),
    ("sapni", TCP, True, 3200, pack(">IiBBBI", 262, -1, 10, 0, 0, 0) + b"\xff" * 251),
    ("sapni", TCP, False, 3200, pack(">I", 40) + bytes(8) + pack("<IBHB", 90, 18, 0x9D1F, 2) + bytes(24)),
    ("sapni", TCP, True, 3300, pack(">I", 64) + b"\2\3" + bytes(62)),
    ("sapni", TCP, True, 3600, pack(">I", 110) + b"**MESSAGE**\0\4" + bytes(97)),
]
TALKS = [
    (
        "teamviewer",
        UDP,
        40001,
        [(b"\0\1\2" + bytes(8) + b"\x17\x24\1", True), (b"\0\3\2" + bytes(8) + b"\x17\x24\1", False)],
    ),
]
