"""Each protocol of the table is told by bytes made from its specification, and by no others."""

from __future__ import annotations

import struct

import pytest

from dpi.dissect.probes import probe_bytes
from dpi.dissect.protocols import SLUGS

TCP, UDP = 6, 17
STUN = struct.pack(">HHI", 1, 0, 0x2112A442) + bytes(12)
REALM = struct.pack(">HH", 0x14, 11) + b"example.org" + bytes(1)
DHCP = b"\x01\x01\x06\x00" + bytes(232) + b"\x63\x82\x53\x63" + b"\x35\x01\x03\x0c\x06Laptop\xff"
NETBIOS_NAME = b"".join(bytes((65 + (c >> 4), 65 + (c & 15))) for c in b"PRINTER        \x00")

# slug, transport, the side that opened speaks, port of the other side, bytes
KNOWN: list[tuple[str, int, bool, int, bytes]] = [
    ("ssh", TCP, False, 22, b"SSH-2.0-OpenSSH_9.6\r\n"),
    ("smtp", TCP, False, 25, b"220 mx.example.org ESMTP\r\n"),
    ("smtp", TCP, True, 587, b"EHLO client.example.org\r\n"),
    ("ftpcontrol", TCP, False, 21, b"220 Welcome to our FTP server\r\n"),
    ("pop3", TCP, False, 110, b"+OK ready\r\n"),
    ("imap", TCP, False, 143, b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
    ("irc", TCP, True, 6667, b"NICK someone\r\nUSER a 0 * :b\r\n"),
    ("jabber", TCP, True, 5222, b"<?xml version='1.0'?><stream:stream to='example.org'>"),
    ("rtsp", TCP, True, 554, b"OPTIONS rtsp://example.org/ RTSP/1.0\r\n"),
    ("sip", UDP, True, 5060, b"REGISTER sip:example.org SIP/2.0\r\n"),
    ("sip", TCP, False, 5060, b"SIP/2.0 200 OK\r\n"),
    ("telnet", TCP, False, 23, b"\xff\xfd\x18\xff\xfd\x20"),
    ("vnc", TCP, False, 5900, b"RFB 003.008\n"),
    ("rsync", TCP, False, 873, b"@RSYNCD: 31.0\n"),
    ("git", TCP, True, 9418, b"0033git-upload-pack /project.git\0host=example.org\0"),
    ("resp", TCP, True, 6379, b"*1\r\n$4\r\nPING\r\n"),
    ("rdp", TCP, True, 3389, bytes.fromhex("030000130ee000000000000100080003000000")),
    ("mysql", TCP, False, 3306, b"\x4a\x00\x00\x00\x0a8.0.36\x00" + bytes(60)),
    ("postgresql", TCP, True, 5432, struct.pack(">II", 8, 80877103)),
    ("postgresql", TCP, True, 5432, struct.pack(">II", 20, 0x30000) + b"user\0alice\0\0"),
    ("mqtt", TCP, True, 1883, b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02id"),
    ("amqp", TCP, True, 5672, b"AMQP\x00\x00\x09\x01"),
    ("bittorrent", TCP, True, 6881, b"\x13BitTorrent protocol" + bytes(48)),
    ("smbv1", TCP, True, 445, b"\x00\x00\x00\x54\xffSMBr" + bytes(60)),
    ("smbv23", TCP, True, 445, b"\x00\x00\x00\x54\xfeSMB\x40\x00" + bytes(60)),
    ("dcerpc", TCP, True, 135, bytes.fromhex("05000b0310000000480000000100000000")),
    ("ldap", TCP, True, 389, bytes.fromhex("300c020101600702010304008000")),
    ("bgp", TCP, True, 179, b"\xff" * 16 + b"\x00\x1d\x01\x04"),
    ("http2", TCP, True, 80, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("mongodb", TCP, True, 27017, struct.pack("<IIII", 60, 1, 0, 2013) + bytes(44)),
    ("stun", UDP, True, 3478, STUN),
    ("stun", TCP, True, 3478, STUN),
    ("dtls", UDP, True, 4433, b"\x16\xfe\xff" + bytes(8) + b"\x00\x04" + b"\x01\x00\x00\x00"),
    ("ntp", UDP, True, 123, b"\x23" + bytes(47)),
    ("dhcp", UDP, True, 67, DHCP),
    ("dhcpv6", UDP, True, 547, b"\x01\x11\x22\x33"),
    ("ssdp", UDP, True, 1900, b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"),
    ("netbios", UDP, True, 137, bytes(12) + b"\x20" + NETBIOS_NAME + b"\0\0\x20\0\x01"),
    ("snmp", UDP, True, 161, bytes.fromhex("302602010104067075626c6963a019")),
    ("tftp", UDP, True, 69, b"\x00\x01boot.img\x00octet\x00"),
    ("wireguard", UDP, True, 51820, b"\x01\0\0\0" + bytes(144)),
    ("wireguard", UDP, False, 51820, b"\x02\0\0\0" + bytes(88)),
    ("openvpn", UDP, True, 1194, b"\x38" + b"\x5a" * 8 + bytes(5)),
    ("bittorrent", UDP, True, 6881, b"d1:ad2:id20:" + bytes(20) + b"e1:q4:ping"),
    ("bittorrent", UDP, True, 6881, b"\x41\x00" + bytes(14) + b"\x00\x01\x00\x00"),
    ("ipsec", UDP, True, 500, b"\x11" * 8 + bytes(8) + b"\x21\x20\x22\x08" + bytes(8)),
    ("radius", UDP, True, 1812, b"\x01\x05\x00\x14" + bytes(16)),
    ("syslog", UDP, True, 514, b"<34>Oct 11 22:14:15 host su: failed"),
    ("coap", UDP, True, 5683, b"\x40\x01\x12\x34\xb4test"),
    ("gtp", UDP, True, 2123, b"\x32\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00"),
    ("teredo", UDP, True, 3544, b"\x60" + bytes(47)),
    ("rtcp", UDP, True, 40001, b"\x80\xc9\x00\x01\x11\x22\x33\x44"),
]


def shown(proto: int, from_opener: bool, port: int, data: bytes) -> tuple[str, str, str, str]:
    ports = {"sport": 40000, "dport": port} if from_opener else {"sport": port, "dport": 40000}
    label, answer, host, agent = probe_bytes(data, proto=proto, from_opener=from_opener, **ports)
    return SLUGS[label], answer, host, agent


@pytest.mark.parametrize(("slug", "proto", "from_opener", "port", "data"), KNOWN)
def test_is_known_by_its_first_bytes(slug: str, proto: int, from_opener: bool, port: int, data: bytes) -> None:
    assert shown(proto, from_opener, port, data)[:2] == (slug, "yes")


@pytest.mark.parametrize(("slug", "proto", "from_opener", "port", "data"), KNOWN)
def test_no_part_of_it_is_taken_for_another_protocol(
    slug: str, proto: int, from_opener: bool, port: int, data: bytes
) -> None:
    for n in range(len(data)):
        assert shown(proto, from_opener, port, data[:n])[0] in (slug, "unknown"), n


@pytest.mark.parametrize("proto", [TCP, UDP])
def test_what_is_none_of_them_is_left_unknown(proto: int) -> None:
    for data in (b"hello world\n", bytes(100), b"\xa5" * 64, b"GET / HTTP/1.1\r\n\r\n"):
        assert shown(proto, True, 40001, data)[0] == "unknown"


def test_names_and_software_are_read_where_the_protocol_has_them() -> None:
    assert shown(UDP, True, 67, DHCP)[2] == "laptop"
    assert shown(UDP, True, 137, bytes(12) + b"\x20" + NETBIOS_NAME + b"\0\0\x20\0\x01")[2] == "printer"
    assert shown(TCP, False, 25, b"220 mx.Example.org ESMTP ready\r\n")[2] == "mx.example.org"
    assert shown(TCP, False, 22, b"SSH-2.0-OpenSSH_9.6\r\n")[3] == "SSH-2.0-OpenSSH_9.6"
    with_realm = struct.pack(">HHI", 1, len(REALM), 0x2112A442) + bytes(12) + REALM
    assert shown(UDP, True, 3478, with_realm)[2] == "example.org"
