"""Each protocol is told by bytes made from its description, and by no others."""

from __future__ import annotations

import struct
from binascii import crc_hqx

import pytest

from dpi.dissect.probes.index import KINDS, probe_bytes, probe_messages
from dpi.dissect.protocols import SLUGS
from tests.first_bytes import KNOWN, TALKS, Known, Talk
from tests.first_bytes.buildings import SBUS
from tests.first_bytes.industrial import COTP
from tests.first_bytes.network import DHCP, NETBIOS_NAME
from tests.first_bytes.voice import STUN

TCP, UDP = 6, 17
REALM = struct.pack(">HH", 0x14, 11) + b"example.org" + bytes(1)


def shown(
    proto: int, from_opener: bool, port: int, data: bytes, wire: int | None = None
) -> tuple[str, str, str, str, str]:
    """Slug, answer, host, agent, app."""
    sport, dport = (40000, port) if from_opener else (port, 40000)
    label, answer, host, agent, app = probe_bytes(
        data, proto=proto, from_opener=from_opener, sport=sport, dport=dport, wire=wire
    )
    return SLUGS[label], answer, host, agent, SLUGS[app] if app else ""


def stun(*attributes: tuple[int, bytes]) -> bytes:
    body = b"".join(struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4) for kind, value in attributes)
    return struct.pack(">HHI", 3, len(body), 0x2112A442) + bytes(12) + body


@pytest.mark.parametrize("case", KNOWN, ids=lambda c: f"{c[0]}-{'udp' if c[1] == UDP else 'tcp'}")
def test_is_known_by_its_first_bytes(case: Known) -> None:
    slug, proto, from_opener, port, data = case
    assert shown(proto, from_opener, port, data)[:2] == (slug, "yes")


@pytest.mark.parametrize("case", KNOWN, ids=lambda c: f"{c[0]}-{'udp' if c[1] == UDP else 'tcp'}")
def test_no_part_of_it_is_taken_for_another_protocol(case: Known) -> None:
    """Of a stream, what has come so far; of a datagram, what a capture that cuts packets has kept."""
    slug, proto, from_opener, port, data = case
    wire = len(data) if proto == UDP else None
    for n in range(len(data)):
        assert shown(proto, from_opener, port, data[:n], wire)[0] in (slug, "unknown"), n


@pytest.mark.parametrize("talk", TALKS, ids=lambda t: t[0])
def test_is_known_by_what_both_sides_say(talk: Talk) -> None:
    slug, proto, port, messages = talk
    assert SLUGS[probe_messages(messages, proto=proto, sport=40000, dport=port)[0]] == slug
    assert SLUGS[probe_messages(messages[:1], proto=proto, sport=40000, dport=port)[0]] == "unknown"


def test_every_probe_has_bytes_of_its_own() -> None:
    tested = {(case[0], case[1]) for case in (*KNOWN, *TALKS)}
    wanted = {(SLUGS[label], proto) for _, on, label, _, _ in KINDS for proto in (TCP, UDP) if on in (0, proto)}
    # Where a description gives both transports one is enough; these need more than this table can say.
    missing = {slug for slug, _ in wanted} - {slug for slug, _ in tested}
    assert missing <= {"cpha", "glbp", "rsh", "threema"}, missing


def test_what_a_client_asks_has_the_name_of_its_server() -> None:
    asked = b"( 2 ( edit-pipeline ) 26:svn://svn.example.org/repo 8:SVN/1.14 ( ) ) "
    assert shown(TCP, True, 3690, asked)[:3] == ("subversion", "yes", "svn.example.org")
    named = asked.replace(b"26:svn://", b"34:svn://somebody@").replace(b"org/", b"org:3691/")
    assert shown(TCP, True, 3690, named)[:3] == ("subversion", "yes", "svn.example.org")
    framed = b"\0\1\0\1\2\2\x21net.tcp://server.example.org:808/a\3\x08\x0c"
    assert shown(TCP, True, 808, framed)[:3] == ("nettcp", "yes", "server.example.org")
    assert shown(TCP, True, 808, b"\0\1\0\1\2\2\1n://server.example.org/")[:3] == ("unknown", "no", "")
    remoting = b".NET\1\0\0\0\0\0" + struct.pack("<IHBBI", 95, 4, 1, 1, 23) + b"tcp://srv.example.org/o"
    assert shown(TCP, True, 8085, remoting)[:3] == ("netremoting", "yes", "srv.example.org")
    assert shown(TCP, True, 8085, remoting[:40])[:2] == ("unknown", "more")


def test_a_length_alone_names_nothing_on_sap_ports() -> None:
    for port in (3200, 3299, 3300, 3399):
        assert shown(TCP, True, port, struct.pack(">I", 100) + bytes(range(100)))[0] == "unknown", port


def test_an_acknowledgement_to_a_gateway_has_the_token_of_its_question() -> None:
    question = b"\2\x12\x34\2" + bytes(8)
    for answer in (b"\2\x12\x35\4", b"\2\x12\x34\1"):
        assert probe_messages([(question, True), (answer, False)], proto=UDP, sport=40000, dport=40001)[0] == 0


def test_some_need_privileged_or_equal_ports_or_more_than_one_turn() -> None:
    assert SLUGS[probe_bytes(b"1022\0root\0root\0ls\0", proto=TCP, sport=1023, dport=514)[0]] == "rsh"
    assert SLUGS[probe_bytes(b"0\0me\0secret\0ls\0", proto=TCP, sport=40000, dport=512)[0]] == "rsh"
    assert SLUGS[probe_bytes(bytes(4), proto=TCP, sport=40000, dport=512)[0]] == "unknown"
    assert SLUGS[probe_bytes(b"\x1a\x90\0\1" + bytes(30), proto=UDP, sport=8116, dport=8116)[0]] == "cpha"
    balanced = b"\1\0\0\1\0\0\0\0\x0c\7\xac\1\1\4\0\4"
    assert SLUGS[probe_bytes(balanced, proto=UDP, sport=3222, dport=3222)[0]] == "glbp"
    assert probe_bytes(balanced, proto=UDP, sport=40000, dport=3222)[0] == 0
    assert probe_bytes(b"\xc1" * 48, proto=TCP, sport=40000, dport=5222)[1] == "more"
    assert SLUGS[probe_bytes(b"\xc1" * 239, proto=TCP, sport=40000, dport=5222, turn=1)[0]] == "threema"


def test_one_frame_of_a_vehicle_may_be_chance_elsewhere_than_at_its_port() -> None:
    frames = [b"\2\0" + struct.pack(">BHIB", n, 1, 0x123, 4) + b"data" for n in (7, 8)]
    assert shown(UDP, True, 20000, frames[0])[0] == "controllerareanetwork"
    assert shown(UDP, True, 40001, frames[0])[0] == "unknown"
    both = probe_messages([(each, True) for each in frames], proto=UDP, sport=40000, dport=40001)
    assert SLUGS[both[0]] == "controllerareanetwork"


@pytest.mark.parametrize("proto", [TCP, UDP])
def test_what_is_none_of_them_is_left_unknown(proto: int) -> None:
    for data in (b"hello world\n", bytes(100), b"\xa5" * 64, b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 300):
        assert shown(proto, True, 40001, data)[0] == "unknown"


@pytest.mark.parametrize(
    "data, opener",
    [
        (b"HELO there v1.2\n", True),  # nuttcp's greeting: no line of SMTP's
        (struct.pack(">IIIIIH", 40, 2, 0, 1, 0, 9) + b"127.0.0.1" + bytes(9), False),  # Kafka's metadata, not SMPP
        (b"\x03\0\0\x08\x02\xf0\x80\x28", True),  # T.125 in a TPKT, not OpenFlow
        (b"ES" + bytes(17), False),  # no version of Elasticsearch
        (b"Eric said hello to the world\n", False),  # a word that is a magic of Lustre's
        (struct.pack(">IIIII", 4, 0, 4, 4, 1), False),  # numbers, of which the first three resemble HTTP/2's SETTINGS
        (b"\1\0\x08\0\0\0\1\1\0\0\0\0\0\1\1\0\1\0\x08\0\0\0\1\1" + bytes(4096), True),  # of FastCGI, not Diameter
        (b"*28\r\n$GPGLL,5300.97914,N,00259.98174,E\r\n", False),  # what NMEA 0183 ends in and begins with, not RESP
        (b"r\0alice\0" + b"\0\3" + b"\xf1" * 104 + b"\2", True),  # no server's name, as Minecraft has it
        (b"x" * 36 + bytes(400), True),  # nobody draws the same letter 36 times, as iPerf would
        (struct.pack(">IIII", 172, 0x80000002, 320, 51966) + bytes(400), True),  # zeros are no answer of SMPP's
        (b"\x80" + bytes(23) + b"\x80" + bytes(23), False),  # a get of Memcached has a key
        (b"\1\0\1\0\x05\0\1\2\3\4\1\0", True),  # nobody's first message is empty, as ZMTP has frames
    ],
    ids=[
        "helo",
        "kafka",
        "tpkt",
        "es",
        "eric",
        "numbers",
        "fastcgi",
        "nmea",
        "minecraft",
        "iperf",
        "smpp",
        "memcached",
        "zmtp",
    ],
)
def test_what_resembles_another_is_not_taken_for_it(data: bytes, opener: bool) -> None:
    assert shown(TCP, opener, 40001, data)[0] == "unknown"


def test_zeros_behind_a_length_are_not_skinny() -> None:
    greeting = struct.pack("<III", 4, 0, 0)
    assert shown(TCP, True, 2000, greeting + greeting)[0] == "ciscoskinny"
    assert shown(TCP, True, 2000, b"\x20\2" + bytes(1400))[0] == "unknown"


def test_a_length_in_front_does_not_make_it_ether_s_bus() -> None:
    """Its telegrams end in a checksum."""
    assert shown(UDP, True, 5050, SBUS + struct.pack(">H", crc_hqx(SBUS, 0)))[0] == "ethersbus"
    assert shown(UDP, True, 40001, struct.pack(">IIIB", 13, 12, 74, 0))[0] == "unknown"


def test_zeros_are_not_what_wireguard_or_openvpn_draw() -> None:
    assert shown(UDP, True, 40001, b"\x01\0\0\0" + bytes(range(128)) + bytes(16))[0] == "wireguard"
    assert shown(UDP, True, 40001, struct.pack("<16I", 3, *range(15)))[0] == "unknown"
    session = struct.pack("<6I", 0x40, 64, 64, 0x01000000, 0x64000000, 0)
    assert shown(UDP, True, 40001, session + bytes(40))[0] == "unknown"


def test_a_length_and_low_numbers_do_not_make_it_hart_ip() -> None:
    for kind, body in ((0, bytes(12)), (1, bytes(4)), (3, b"\x99" * 9), (4, bytes(9))):
        message = struct.pack(">BBBBHH", 1, 0, kind, 0, 2, 8 + len(body)) + body
        assert (shown(UDP, True, 5094, message)[0], shown(UDP, True, 40001, message)[0]) == ("hartip", "unknown")
    session = struct.pack(">BBBBHHBI", 1, 0, 0, 0, 2, 13, 1, 30000)
    assert shown(TCP, True, 40001, session)[0] == "hartip"


def test_names_and_software_are_read_where_the_protocol_has_them() -> None:
    assert shown(UDP, True, 67, DHCP)[2] == "laptop"
    assert shown(UDP, True, 137, bytes(12) + b"\x20" + NETBIOS_NAME + b"\0\0\x20\0\x01")[2] == "printer"
    assert shown(TCP, False, 25, b"220 mx.Example.org ESMTP ready\r\n")[2] == "mx.example.org"
    assert shown(TCP, False, 22, b"SSH-2.0-OpenSSH_9.6\r\n")[3] == "SSH-2.0-OpenSSH_9.6"
    with_realm = struct.pack(">HHI", 1, len(REALM), 0x2112A442) + bytes(12) + REALM
    assert shown(UDP, True, 3478, with_realm)[2] == "example.org"


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ("whatsappcall", stun((0x4000, bytes(20)))),
        ("whatsappcall", struct.pack(">HHI", 0x0800, 0, 0x2112A442) + bytes(12)),
        ("skypeteamscall", stun((0x8054, b"1\0\0\0"), (0x8070, b"\0\0\0\3"))),
        ("skypeteamscall", stun((0x8008, bytes(4)))),
        ("zoom", stun((0x0103, bytes(4)))),
        ("", STUN),
    ],
)
def test_whose_call_it_is_shows_in_the_attributes_of_stun(app: str, message: bytes) -> None:
    assert shown(UDP, True, 3478, message)[4] == app


def test_what_looks_like_utp_from_both_sides_is_not_taken_for_it() -> None:
    """Responses of STUN, which have the same length; a tunnel whose header has the version in the same place."""
    response = struct.pack(">HHI", 0x0101, 44, 0x2112A442) + bytes(12)
    response += (
        struct.pack(">HHQ", 0x20, 8, 7) + struct.pack(">HH", 8, 20) + bytes(20) + struct.pack(">HHI", 0x8028, 4, 9)
    )
    talk = [(response, True), (response, False), (response, True)]
    assert SLUGS[probe_messages(talk, proto=UDP)[0]] == "stun"
    tunnel = struct.pack(">BBHIQ", 0x11, 0, 0, 0xC0FFEE, 2) + bytes(range(40))
    assert probe_messages([(tunnel, True), (tunnel, False), (tunnel, True)], proto=UDP)[0] == 0


def test_headers_of_zeros_are_nobodys() -> None:
    """What KCP, RTP, OpenVPN and DCE RPC have in common with many others is too little alone."""
    kcp = struct.pack("<IBBHIIII", 77, 82, 0, 128, 1000, 0, 0, 0)
    assert probe_messages([(kcp, True)], proto=UDP)[0] == 0
    assert SLUGS[probe_messages([(kcp, True), (kcp, False)], proto=UDP)[0]] == "kcp"
    rtp = [(struct.pack(">BBH", 0x80, 0, n) + bytes(40), True) for n in (7, 8)]
    assert probe_messages(rtp, proto=UDP)[0] == 0
    assert shown(UDP, True, 40001, b"\x40" + struct.pack(">QII", 7, 1, 1700000000) + bytes(20))[0] == "unknown"
    assert shown(TCP, True, 40001, b"\x05\0\x11" + bytes(5) + b"\xca\xd5\x99\x47" + bytes(20))[0] == "unknown"


def test_what_is_carried_is_told_where_the_payload_has_it() -> None:
    assert shown(UDP, True, 2123, b"\x32\x01\x00\x04" + bytes(8))[4] == "gtpc"
    assert shown(UDP, True, 3386, b"\x2e\x01\x00\x04" + bytes(6))[4] == "gtpprime"
    version0 = b"\0\0\0\x01\0\0\xff\xff\xff\xff" + bytes(8)
    assert shown(UDP, True, 3386, b"\x1e\x01" + version0)[4] == "gtpc"
    assert shown(UDP, True, 3386, b"\x1e\xff" + version0)[4] == ""  # what it carries
    assert shown(TCP, True, 502, struct.pack(">HHHBBH", 1, 0, 4, 0, 0x5A, 2))[4] == "umas"
    assert shown(TCP, False, 40001, struct.pack(">HHHBBH", 1, 0, 4, 0, 0x5A, 0xFE))[::4] == ("modbus", "umas")
    smb = b"\x11\x02" + bytes(12) + b"\x20" + NETBIOS_NAME + b"\0\x20" + NETBIOS_NAME + b"\0\xffSMB%" + bytes(30)
    assert shown(UDP, True, 138, smb)[::4] == ("netbios", "smbv1")


def test_what_a_probe_found_that_says_no_in_the_end_is_forgotten() -> None:
    attributes = struct.pack(">HH", 0x14, 11) + b"example.org" + bytes(1) + b"\0\x06\0\xff"
    broken = struct.pack(">HH", 1, len(attributes)) + bytes(16) + attributes
    assert shown(UDP, True, 3478, broken) == ("unknown", "no", "", "", "")


def test_a_beginning_waits_for_what_tells_more() -> None:
    assert shown(TCP, True, 102, COTP)[1] == "more"
    assert shown(TCP, True, 80, b"GNUT")[1] != "yes"


def test_coap_away_from_its_port_is_known_from_any_exchange() -> None:
    ask, reply = b"\x42\x03\x12\x34ab\x72\x44\x5c\x44room", b"\x62\x44\x12\x34ab"
    joined = [(ask, True), (ask.replace(b"\x34", b"\x35"), True), (reply.replace(b"\x34", b"\x35"), False)]
    assert probe_messages([*joined[:2], (reply, False)], proto=UDP)[0] == 0
    assert SLUGS[probe_messages(joined, proto=UDP)[0]] == "coap"
