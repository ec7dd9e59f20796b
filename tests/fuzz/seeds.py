"""What fuzzing starts from: a few true messages for each target, made here and now.

A target's input is often more than a message; the targets say what stands before it.
"""

from __future__ import annotations

import ssl
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import dnslib
import first_bytes
import handshakes
import peer_messages
import quic_packets
from scapy.all import (
    GRE,
    ICMP,
    IP,
    TCP,
    UDP,
    CookedLinux,
    Dot1Q,
    Ether,
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    Packet,
    PPPoE,
    Raw,
)
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.mpls import MPLS
from scapy.layers.l2tp import L2TP
from scapy.layers.ppp import PPP
from scapy.layers.vxlan import VXLAN

from dpi.dissect.protocols import IDS

REQUEST = b"GET /a?b HTTP/1.1\r\nHost: www.example.org:8080\r\nUser-Agent: curl/8\r\nContent-Type: a/b; c\r\n\r\n"
PROXY = b"CONNECT video.example:443 HTTP/1.1\r\nhOsT : video.example\r\n folded\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: video/mp4\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
CUT_TO = 24  # bytes of a payload that is cut short
LINKS = {  # places in the table of packets.pyx
    "ethernet": 0,
    "raw": 7,
    "cooked": 11,
    "ppi": 13,
    "frame relay": 18,
    "pflog": 19,
    "ppp with direction": 20,
    "nflog": 23,
    "pktap": 24,
}


def client_hellos() -> list[bytes]:
    whole = handshakes.openssl_hello("www.example.org", ["h2", "http/1.1"])
    old = handshakes.openssl_hello("a.example", highest=ssl.TLSVersion.TLSv1_2)
    v2 = b"\1\3\1" + handshakes.words([6, 0, 16]) + bytes.fromhex("00002f010080") + bytes(16)
    return [whole, old, handshakes.records(whole[5:], [1, 3, 100]), (0x8000 | len(v2)).to_bytes(2, "big") + v2]


def dtls_datagrams() -> list[bytes]:
    hello = handshakes.client_hello([(0, handshakes.server_name(b"www.example.org"))], None, 0xFEFD, b"")
    halves = (handshakes.dtls_fragment(hello, 0, 30), handshakes.dtls_fragment(hello, 30))
    return [
        handshakes.dtls_record(handshakes.dtls_fragment(hello)),
        b"".join(map(handshakes.dtls_record, halves)),
        *map(handshakes.dtls_record, reversed(halves)),
    ]


def dtls_flows() -> list[bytes]:
    """Hellos in one datagram and over two, a second that the server has asked for, and what clients send then."""
    hellos = [
        handshakes.client_hello([(0, handshakes.server_name(b"www.example.org"))], None, 0xFEFD, bytes(cookie))
        for cookie in (0, 20)
    ]
    starts, ends = (
        [
            handshakes.dtls_record(handshakes.dtls_fragment(hello, start, end, number))
            for number, hello in enumerate(hellos)
        ]
        for start, end in ((0, 80), (80, None))
    )
    asked, later = handshakes.dtls_record(b"\3" + bytes(30)), handshakes.dtls_record(bytes(40), epoch=1)
    talks = [
        [starts[0] + ends[0]],
        [ends[0], starts[0]],
        [starts[0], asked, starts[1], ends[0], ends[1]],
        [starts[0], later],
    ]
    return [b"".join(bytes([each != asked]) + handshakes.vector(2, each) for each in talk) for talk in talks]


def server_flights() -> list[bytes]:
    certificate, key = handshakes.self_signed("example.org", ["*.video.example", "b.example"], "Example Ltd")
    with tempfile.TemporaryDirectory() as folder:
        return [
            handshakes.server_flight(Path(folder), version, certificate, key, ["h2"])
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
        ]


def dns_messages() -> list[bytes]:
    question = dnslib.DNSRecord.question("www.example.org")
    answer = question.reply()
    answer.add_answer(*dnslib.RR.fromZone("www.example.org 60 CNAME cdn.example"))
    answer.add_answer(*dnslib.RR.fromZone("cdn.example 60 A 192.0.2.1\ncdn.example 60 AAAA 2001:db8::1"))
    return [question.pack(), answer.pack()]


def led_on() -> bytes:
    """An alias, and in its place the target of a service record, which is shorter."""
    answer = dnslib.DNSRecord.question("www.example.org", "HTTPS").reply()
    answer.add_answer(*dnslib.RR.fromZone("www.example.org 60 CNAME cdn.example\ncdn.example 60 HTTPS 1 z.org."))
    return bytes(answer.pack())


def datagrams() -> list[bytes]:
    frames = quic_packets.crypto(quic_packets.client_hello("video.example"))
    return [quic_packets.initial(frames, version=version) for version in (1, 0x6B3343CF)]


def frames() -> list[tuple[str, Packet]]:
    tcp = TCP(sport=40000, dport=443, flags="PA", seq=1) / Raw(b"payload")
    udp = UDP(sport=40000, dport=53) / Raw(b"payload")
    inner = IP(src="10.0.0.1", dst="10.0.0.2") / udp
    return [
        ("ethernet", Ether() / IP() / tcp),
        ("ethernet", Ether() / Dot1Q(vlan=5) / Dot1Q(vlan=6) / IPv6() / udp),
        ("ethernet", Ether() / MPLS(s=1) / IP() / ICMP()),
        ("ethernet", Ether() / PPPoE() / PPP() / IP() / tcp),
        ("ethernet", Ether() / IP() / GRE() / inner),
        ("ethernet", Ether() / IP() / UDP(dport=2152) / GTP_U_Header() / inner),
        ("ethernet", Ether() / IP() / UDP(dport=4789) / VXLAN() / Ether() / inner),
        ("ethernet", Ether() / IP() / UDP(dport=4790) / Raw(b"\x0c\0\0\4\0\0\1\0\x0f\xc2\2\1" + bytes(4)) / inner),
        (
            "ethernet",
            Ether() / IP() / UDP(dport=6081) / GENEVE(options=[GeneveOptions(data=bytes(4))]) / Ether() / inner,
        ),
        ("ethernet", Ether() / IP() / UDP(sport=50000, dport=6635) / MPLS(s=1) / inner),
        ("ethernet", Ether() / IP() / UDP(sport=1701, dport=1701) / L2TP(hdr="length+offset", pad=b"") / PPP() / inner),
        ("ethernet", Ether() / IP(proto=97) / Raw(b"\x30\0") / Ether() / inner),
        ("ethernet", Ether() / IP() / GRE(proto=0x88BE) / Ether() / inner),
        ("ethernet", Ether() / IP() / GRE(proto=0x88BE, seqnum_present=1) / Raw(b"\x10" + bytes(7)) / Ether() / inner),
        (
            "ethernet",
            Ether()
            / IP()
            / GRE(proto=0x22EB, seqnum_present=1)
            / Raw(b"\x20" + bytes(10) + b"\1" + bytes(8))
            / Ether()
            / inner,
        ),
        ("ethernet", Ether() / IP() / UDP(dport=37008) / Raw(b"\1\0\0\1\x0a\1\xc8\0\1") / Ether() / inner),
        ("ethernet", Ether() / IP(flags="MF", frag=0) / udp),
        ("ethernet", Ether() / IPv6() / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(m=1) / udp),
        ("raw", IP() / IPv6() / tcp),
        ("cooked", CookedLinux(proto=0x0800) / IP() / udp),
        ("ppi", Raw(b"\0\0\x08\0\1\0\0\0") / Ether() / IP() / udp),
        ("frame relay", Raw(b"\x18\x41\x03\0\x80\0\x80\xc2\0\7") / Ether() / IP() / udp),
        ("pflog", Raw(b"\x3d\2" + bytes(62)) / IP() / udp),
        ("ppp with direction", Raw(b"\0\xff\3") / PPP() / IP() / udp),
        ("nflog", Raw(b"\2\0\0\5\x08\0\1\0\x08\0\1\0\x27\0\x09\0") / IP() / udp),
        ("nflog", Raw(b"\7\0\0\5\0\x08\0\1\x08\0\1\0\0\x27\0\x09") / IP() / udp),
        ("pktap", Raw(b"\x20\0\0\0\1\0\0\0\1\0\0\0" + bytes(20)) / Ether() / IP() / udp),
    ]


def packet(side: int, pair: int, flags: int, payload: bytes, time: int = 4, cut: int = 0) -> bytes:
    """One packet of flows.pyx, in order."""
    return bytes([side | pair << 1 | flags << 4, 0, time, cut]) + len(payload).to_bytes(2, "big") + payload


# Mode bytes of equipped.pxd.
PLAIN, RISKS, BLIND, BLINDER, FIRST = 0, 0x02, 0x04, 0x08, 0x20


def conversations() -> list[bytes]:
    hello, old, pieces, _ = client_hellos()
    opened = [packet(0, 0, 2, b""), packet(1, 0, 3, b""), packet(0, 0, 1, b"")]
    closed = [packet(1, 0, 4, b""), packet(0, 0, 4, b"")]
    question, answer = dns_messages()
    told = [
        b"".join([*opened, packet(0, 0, 0, hello), packet(1, 0, 0, server_flights()[0]), *closed]),
        b"".join([*opened, packet(0, 0, 0, old[:100]), packet(0, 0, 0, old[100:])]),
        b"".join(packet(0, 0, 0, pieces[i : i + 60]) for i in range(0, len(pieces), 60)),
        packet(0, 1, 0, REQUEST) + packet(1, 1, 0, RESPONSE) + packet(0, 1, 5, b""),
        packet(0, 3, 0, question) + packet(1, 3, 0, answer) + packet(0, 0, 2, b"") + packet(0, 2, 0, b"\x40" * 30),
        packet(0, 2, 0, datagrams()[0]) + packet(1, 2, 0, datagrams()[1]),
        b"".join(packet(0, pair, 0, b"\0" * 20) for pair in range(8)),
        # signatures of equipped.pyx
        packet(0, 4, 0, b"GATE.\x10k=go to=a.exa") + packet(0, 4, 0, b"mple;"),
        packet(0, 5, 0, b"%%\3a.b") + packet(1, 5, 0, b"%%\3c.d"),
        # a login in clear, and mail that goes over to TLS
        packet(1, 6, 0, b"220 a.example ESMTP\r\n")
        + packet(0, 6, 0, b"EHLO b\r\n")
        + packet(0, 6, 0, b"AUTH PLAIN a\r\n"),
        packet(1, 6, 0, b"220 a.example ESMTP\r\n") + packet(0, 6, 0, b"STARTTLS\r\n") + packet(0, 6, 0, hello),
        packet(0, 1, 0, REQUEST) + packet(1, 1, 0, RESPONSE + b"MZ" + bytes(62)),
        video(),
    ]
    told += [call(pair, flow) for pair, flow in enumerate(call_flows())]
    return [bytes([mode]) + each for each in told for mode in (PLAIN | RISKS, BLIND | FIRST, BLINDER | RISKS)]


def video() -> bytes:
    """A nameless flow that its server sends four bursts in, of 64 KiB packets, seconds apart."""
    hello = handshakes.records(handshakes.client_hello([]), [])
    burst = [packet(1, 0, 0, b"\x17\3\3\xff\0", time=0, cut=1) for _ in range(4)]
    pause = packet(1, 0, 0, b"\x17\3\3\xff\0", time=33, cut=1)
    return packet(0, 0, 2, b"") + packet(0, 0, 0, hello) + b"".join([pause, *burst] * 4)


def call_flows() -> list[list[tuple[bytes, bool]]]:
    """What both sides say in calls: STUN, DTLS and RTP of one socket."""
    stun = [payload for slug, proto, _, _, payload in first_bytes.KNOWN if slug == "stun" and proto == 17]
    rtp = [talk for slug, _, _, talk in first_bytes.TALKS if slug in ("rtp", "rtcp", "srtp")]
    shake = [(each, True) for each in dtls_datagrams()]
    return [[(stun[0], True), (stun[0], False), *shake], *([(stun[0], True), *talk] for talk in rtp)]


def call(number: int, talk: list[tuple[bytes, bool]]) -> bytes:
    return b"".join(packet(int(not opener), 5 if number % 2 else 2, 0, payload) for payload, opener in talk)


# … of whole packets

CLIENT, SERVER, RESOLVER = "192.0.2.2", "192.0.2.1", "192.0.2.53"


def on_wire(packets: list[Packet], mode: int = RISKS, link: int = 1, later: int = 33) -> bytes:
    """Packets as engine.pyx reads them: raw IP by default, 8.6 s apart."""
    heads = (bytes([link << 6 | later, 0]) + len(p).to_bytes(2, "big") for p in packets)
    return bytes([mode]) + b"".join(head + bytes(p) for head, p in zip(heads, packets, strict=True))


def tcp(payload: bytes = b"", back: bool = False, flags: str = "PA", seq: int = 1, port: int = 443) -> Packet:
    src, dst = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    sport, dport = (port, 40000) if back else (40000, port)
    return IP(src=src, dst=dst) / TCP(sport=sport, dport=dport, flags=flags, seq=seq) / Raw(payload)


def udp(payload: bytes, back: bool = False, port: int = 443, server: str = SERVER) -> Packet:
    src, dst = (server, CLIENT) if back else (CLIENT, server)
    sport, dport = (port, 40001) if back else (40001, port)
    return IP(src=src, dst=dst) / UDP(sport=sport, dport=dport) / Raw(payload)


def journeys() -> list[bytes]:
    """What passes a router: names asked for and used, in fragments, in tunnels, and what every protocol begins with."""
    hello = client_hellos()[0]
    question, answer = dns_messages()
    asked = [udp(question, port=53, server=RESOLVER), udp(answer, True, 53, RESOLVER)]
    visit = [*asked, tcp(flags="S", seq=0), tcp(flags="SA", seq=0, back=True), tcp(hello)]
    whole = udp(datagrams()[0])
    pieces = [piece for each in (whole, asked[1] / Raw(bytes(1200))) for piece in each.fragment(512)]
    tunnels = [
        *(IP() / GRE() / each for each in visit),
        *(IP() / UDP(sport=2152, dport=2152) / GTP_U_Header() / each for each in visit),
        *(IPv6() / each for each in visit),
    ]
    told = [
        on_wire([*visit, tcp(server_flights()[0], back=True)]),
        on_wire(visit, BLIND | FIRST, later=0),
        on_wire(visit, BLINDER | FIRST, later=0),
        on_wire([tcp(flags="S", seq=0), tcp(handshakes.records(handshakes.client_hello([]), [])), whole]),
        on_wire(pieces),
        on_wire(list(reversed(pieces))),
        on_wire(tunnels),
        on_wire([Ether() / Dot1Q(vlan=5) / each for each in visit], link=0),
        on_wire([CookedLinux(proto=0x0800) / each for each in visit], link=2),
        on_wire(visit, 0x81, link=3),
    ]
    for slug, proto, from_opener, port, payload in first_bytes.KNOWN:
        if slug not in ("tls", "quic"):
            make = tcp if proto == 6 else udp
            told.append(on_wire([make(payload, back=not from_opener, port=port)]))
    for _, proto, port, talk in first_bytes.TALKS:
        if proto == 17:
            told.append(on_wire([udp(payload, not from_opener, port) for payload, from_opener in talk]))
    return told


def captures() -> list[bytes]:
    """Pcap of either byte order and resolution, and pcapng, of the frames above."""
    packets = [bytes(frame) for link, frame in frames() if link == "ethernet"]
    out = []
    for order, magic in (("<", 0xA1B2C3D4), (">", 0xA1B23C4D)):
        records = (struct.pack(order + "IIII", 1, i, len(p), len(p)) + p for i, p in enumerate(packets))
        out.append(struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1) + b"".join(records))

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    section = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    resolution = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
    blocks = [block(6, struct.pack("<IIIII", 0, 0, 1, len(p), len(p)) + p) for p in packets[:3]]
    simple = block(3, struct.pack("<I", len(packets[0])) + packets[0])
    out.append(section + block(1, struct.pack("<HHI", 1, 0, 0) + resolution) + b"".join(blocks) + simple)
    return out


def sight(proto: int, from_opener: bool, port: int, payload: bytes, half: int = 0) -> bytes:
    """A payload as the probes and the signatures are shown it, from or to its port."""
    ports = (40000, port) if from_opener else (port, 40000)
    return struct.pack("!HHBBII", *ports, (proto == 17) | from_opener << 1, 0, 0, half) + payload


def first_payloads() -> list[bytes]:
    """What each protocol begins with, and the same cut short, as a probe may ask for a byte too many of it."""
    whole = [(proto, from_opener, port, payload) for _, proto, from_opener, port, payload in first_bytes.KNOWN]
    whole += [(proto, who, port, payload) for _, proto, port, talk in first_bytes.TALKS for payload, who in talk]
    cut = {(*how, payload[:n]) for *how, payload in whole for n in range(1, min(len(payload), CUT_TO))}
    return [sight(*each) for each in (*whole, *sorted(cut))]


def declared_payloads() -> list[bytes]:
    """What the signatures of equipped.pyx ask for."""
    texts = [
        b"GATE.\x10k=go to=a.example;",
        b"%%\3a.b",
        b"123456789\1\2\3",
        b"HELO then end.",
        b"\7\0HELLO..",
        b"\x45\5\0\0key!",
        b".name\0\5a.bcd",
        b"..\0\0\0\2....",
        b"this is any where",
        b"...@ ##~~",
    ]
    ports = (443, 12345, 3478)
    return [
        sight(proto, who, port, each) for each in texts for proto in (6, 17) for who in (True, False) for port in ports
    ]


def of_protocols(slugs: dict[str, bytes]) -> list[bytes]:
    """As small.pyx reads them: the protocol, how many payloads came before, the payload."""
    return [struct.pack("!HB", IDS[slug], 0) + payload for slug, payload in slugs.items()]


LOGINS = {
    "ftpcontrol": b"USER anonymous\r\n",
    "pop3": b"AUTH PLAIN abc\r\n",
    "imap": b"a1 LOGIN a b\r\n",
    "smtp": b"AUTH LOGIN\r\n",
    "usenet": b"AUTHINFO USER a\r\n",
    "jabber": b"<auth xmlns='a' mechanism='PLAIN'>",
    "telnet": b"\xff\xfd\1",
    "ldap": bytes.fromhex("3084000000140201016084000000090201030401618001"),
    "mqtt": b"\x10\x20\0\4MQTT\4\xc2\0\x3c\0\1a\0\1a\0\1b",
    "resp": b"*2\r\n$4\r\nAUTH\r\n$1\r\na\r\n",
    "irc": b"PASS a\r\n",
    "rtsp": b"PLAY * RTSP/1.0\r\nAuthorization: Basic YTpi\r\n\r\n",
    "socks": b"\5\1\2\1\1a\1b",
    "postgresql": b"R\0\0\0\x08\0\0\0\3",
}
PROGRAMS = [
    b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0",
    b"\x7fELF\2\1",
    b"#! /bin/sh\n",
    b"dex\n035\0",
    b"PK\3\4" + bytes(22) + b"\x13\0\0\0AndroidManifest.xml",
    b"PK\3\4" + bytes(22) + b"\5\0\0\0a.exe",
    b"application/x-msdownload",
    b"!<arch>\ndebian-binary",
    b"libdnf (a)",
    b'attachment; filename="a.exe"',
    b"attachment; filename*=UTF-8''a.msi",
]
BODIES = [
    b"POST / HTTP/1.1\r\nSOAPAction: a\r\n\r\n<s:Envelope>",
    b'POST / HTTP/1.1\r\n\r\n{"jsonrpc": 1}',
    b"GET /a.m3u8 HTTP/1.1\r\nUser-Agent: Spotify/1\r\n\r\n",
    b"GET /announce?info_hash=a HTTP/1.1\r\n\r\n",
    b"PROPFIND / HTTP/1.1\r\n\r\n",
]
HEADERS = b"\x82\x86\x84\x41\x0fwww.example.com\x58\x08no-store\x7a\4a/b1"


def http2() -> list[bytes]:
    """The preface, settings, and a request's headers, plain, padded and with a priority (RFC 9113, 6)."""
    settings = b"\0\0\6\4\0\0\0\0\0\0\3\0\0\0\x64"
    frames = [(0x05, HEADERS), (0x0D, b"\2" + HEADERS + bytes(2)), (0x25, bytes(5) + HEADERS)]
    heads = ((len(body).to_bytes(3, "big") + bytes([1, flags, 0, 0, 0, 1]), body) for flags, body in frames)
    return [PREFACE + settings + head + body for head, body in heads]


def gquic() -> list[bytes]:
    """A CHLO ("QUIC Crypto"), alone and in packets of versions 43 and 46."""
    chlo = b"CHLO\2\0\0\0SNI\0\x0b\0\0\0UAID\x10\0\0\0www.example" + b"a/b 1"
    stream = b"\xa0\1" + len(chlo).to_bytes(2, "big") + chlo
    return [chlo, b"\x09" + bytes(8) + b"Q043\1" + bytes(12) + stream, b"\xc3Q046\x50" + bytes(12) + stream]


def fragments() -> list[bytes]:
    """Of a datagram, in and out of order, and of one in a tunnel in fragments."""
    inner = (IP() / UDP() / Raw(bytes(300))).fragment(128)
    outer = [piece for each in inner for piece in (IP() / GRE() / each).fragment(64)]
    six = [
        IPv6() / IPv6ExtHdrFragment(id=7, m=1) / UDP() / Raw(bytes(16)),
        IPv6() / IPv6ExtHdrFragment(id=7, offset=3) / Raw(b"x"),
    ]
    orders = [inner, inner[::-1], outer, six]
    return [b"".join(b"\0" + len(p).to_bytes(2, "big") + bytes(p) for p in order) for order in orders]


def netlink() -> list[bytes]:
    def attribute(kind: int, data: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)

    body = struct.pack("=BBH", 2, 0, 0)
    body += attribute(1, struct.pack("!IHBx", 7, 0x0800, 2)) + attribute(3, struct.pack("!I", 0x10000))
    body += attribute(10, bytes(IP() / UDP() / Raw(b"x"))) + attribute(14, struct.pack("!I", 2))
    message = struct.pack("=IHHII", 16 + len(body), 3 << 8, 0, 0, 0) + body
    error = struct.pack("=IHHII", 36, 2, 0, 1, 0) + struct.pack("=i", -1) + bytes(16)
    return [message, message + message, error]


def shown_whole(messages: list[bytes]) -> list[bytes]:
    """With the byte before that says where the start ends: all of it, and half."""
    return [bytes([where]) + m for m in messages for where in (255, 128)]


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "decode": lambda: [bytes([LINKS[link], 0]) + bytes(frame) for link, frame in frames()],
    "fragments": fragments,
    "pcapfile": captures,
    "nfnetlink": netlink,
    "stream": lambda: [struct.pack("!IB", at, 4) + b"abcd" + struct.pack("!IB", 2, 4) + b"efgh" for at in (0, 4, 9)],
    "dns": lambda: shown_whole([*dns_messages(), led_on(), *(len(m).to_bytes(2, "big") + m for m in dns_messages())]),
    "tls_client": lambda: shown_whole(client_hellos()),
    "tls_handshake": lambda: shown_whole([hello[5:] for hello in client_hellos()[:2]]),
    "tls_server": lambda: shown_whole(server_flights()),
    "tls_records": lambda: [*client_hellos(), *server_flights()],
    "dtls": dtls_flows,
    "certificate": lambda: [handshakes.self_signed("example.org", ["*.a.example"], "Example")[0]],
    "http_request": lambda: shown_whole([REQUEST, PROXY, PREFACE]),
    "http_response": lambda: shown_whole([RESPONSE]),
    "quic": lambda: [b"\1" + len(d).to_bytes(2, "big") + d for d in datagrams()],
    "probes": first_payloads,
    "declared": declared_payloads,
    "http2": lambda: shown_whole(http2()),
    "hpack": lambda: [HEADERS],
    "gquic": gquic,
    "dns_names": lambda: [
        struct.pack("!H", kind) + name
        for kind in (1, 10, 16)
        for name in (b"www.example.org", b"qzxwvk7jhq3fjxzqpw0kv9xj2kqzt5.t.example.co.uk", b"kqzxjvwqpz.com")
    ],
    "login": lambda: [*of_protocols(LOGINS), b"Basic YTpi", b"Bearer abc", b'Digest realm="a", Basic realm="a"'],
    "shown": lambda: of_protocols({slug: payload for slug, _, _, _, payload in first_bytes.KNOWN}),
    "over_tls": lambda: of_protocols(LOGINS | {"rdp": client_hellos()[0], "tls": b"x-amzn-mqtt-ca"}),
    "over_http": lambda: [REQUEST, PROXY, *BODIES],
    "peer_lists": lambda: [message + bytes(odd) for message in peer_messages.MESSAGES for odd in range(2)],
    "program": lambda: PROGRAMS,
    "noise": lambda: [bytes(i * 167 & 255 for i in range(128)), b"220 a text that is long enough " * 3],
    "socks": lambda: [b"\5\1\0\3\x0bexample.org\1\xbb", b"\5\1\0\1\xc0\0\2\1\1\xbb", b"\1\1a\1b\5\1\0\1"],
    "proxied": lambda: [payload for slug, _, _, _, payload in first_bytes.KNOWN if slug == "haproxy"],
    "consent": lambda: [
        b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n\x16\3\3",
        b"\5\2\1\0\5\0\0\1\xc0\0\2\1\1\xbb\x16\3\3",
        b"\0\x5a\0\0\0\0\0\0\x16\3\3",
    ],
    "hassh": lambda: shown_whole([b"SSH-2.0-x\r\n" + handshakes.ssh_offer(), handshakes.ssh_offer()]),
    "tor": lambda: [b"www.abcdefgh2.com", handshakes.self_signed("www.abcdefghij.net", [])[0]],
    "flows": conversations,
    "engine": journeys,
    "capture": captures,
}
