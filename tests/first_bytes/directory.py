"""Who may do what: directories, tickets, access."""

from struct import pack

TCP, UDP = 6, 17
KERBEROS = b"\x6a\x81\x80\x30\x7e\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a" + bytes(116)

KNOWN = [
    ("tacacs", TCP, True, 49, b"\xc0\1\1\0\x12\x34\x56\x78\0\0\0\x08" + bytes(range(8))),
    ("tacacs", TCP, False, 4949, b"\xc1\1\2\4\x12\x34\x56\x78\0\0\0\x06" + bytes(range(6))),
    ("ldap", TCP, True, 389, bytes.fromhex("300c020101600702010304008000")),
    ("ldap", TCP, True, 3890, bytes.fromhex("300c020101600702010304008000")),
    ("ldap", UDP, True, 389, b"\x30\x25\x02\x01\x01\x63\x20\x04\0\x0a\x01\0\x0a\x01\0" + bytes(23)),
    ("ldap", UDP, True, 389, bytes.fromhex("30840000002d02010163840000002404000a01000a0100") + bytes(28)),
    ("ldap", TCP, True, 3890, bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"),
    ("ldap", TCP, True, 3890, bytes.fromhex("30050201034200")),
    ("ldap", TCP, False, 3890, bytes.fromhex("300c02010161070a010004000400")),
    ("ldap", TCP, True, 389, b"\x30\x16\x02\x01\x05\x4a\x11cn=a,dc=example,c"),
    ("kerberos", TCP, True, 88, pack(">I", len(KERBEROS)) + KERBEROS),
    ("kerberos", UDP, True, 88, KERBEROS),
    ("radius", UDP, True, 1812, b"\x01\x05\x00\x14" + bytes(16)),
    ("radius", UDP, True, 1700, b"\x2b\x05\x00\x19" + bytes(16) + b"\x01\x05bob"),
    ("radius", UDP, True, 18120, b"\x01\x05\x00\x1b" + bytes(16) + b"\x01\x07alice"),
    ("kerberos", UDP, True, 464, pack(">HHH", 26, 1, 20) + b"\x6e\x12" + bytes(18)),
]
