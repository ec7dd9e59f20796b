"""What fuzzing starts from: a few true messages for each target, made here and now.

A target's input is often more than a message; targets.pyx and flows.pyx say what stands before it.
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
from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.mpls import MPLS
from scapy.layers.ppp import PPP
from scapy.layers.vxlan import VXLAN

REQUEST = b"GET /a?b HTTP/1.1\r\nHost: www.example.org:8080\r\nUser-Agent: curl/8\r\nContent-Type: a/b; c\r\n\r\n"
PROXY = b"CONNECT video.example:443 HTTP/1.1\r\nhOsT : video.example\r\n folded\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: video/mp4\r\n\r\n"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LINKS = {"ethernet": 0, "raw": 7, "cooked": 11}  # places in the table of targets.pyx


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
    ]


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
        ("ethernet", Ether() / IP(flags="MF", frag=0) / udp),
        ("ethernet", Ether() / IPv6() / IPv6ExtHdrHopByHop() / IPv6ExtHdrFragment(m=1) / udp),
        ("raw", IP() / IPv6() / tcp),
        ("cooked", CookedLinux(proto=0x0800) / IP() / udp),
    ]


def packet(side: int, pair: int, flags: int, payload: bytes) -> bytes:
    """One packet of flows.pyx, in order and whole."""
    return bytes([side | pair << 1 | flags << 4, 0, 4, 0]) + len(payload).to_bytes(2, "big") + payload


def conversations() -> list[bytes]:
    hello, old, pieces, _ = client_hellos()
    opened = [packet(0, 0, 2, b""), packet(1, 0, 3, b""), packet(0, 0, 1, b"")]
    closed = [packet(1, 0, 4, b""), packet(0, 0, 4, b"")]
    question, answer = dns_messages()
    return [
        b"".join([*opened, packet(0, 0, 0, hello), packet(1, 0, 0, server_flights()[0]), *closed]),
        b"".join([*opened, packet(0, 0, 0, old[:100]), packet(0, 0, 0, old[100:])]),
        b"".join(packet(0, 0, 0, pieces[i : i + 60]) for i in range(0, len(pieces), 60)),
        packet(0, 1, 0, REQUEST) + packet(1, 1, 0, RESPONSE) + packet(0, 1, 5, b""),
        packet(0, 3, 0, question) + packet(1, 3, 0, answer) + packet(0, 0, 2, b""),
        packet(0, 2, 0, datagrams()[0]) + packet(1, 2, 0, datagrams()[1]),
        b"".join(packet(0, pair, 0, b"\0" * 20) for pair in range(8)),
        # what flows.pyx declares
        packet(0, 4, 0, b"GATE.\x10k=go to=a.exa") + packet(0, 4, 0, b"mple;"),
        packet(0, 5, 0, b"%%\3a.b") + packet(1, 5, 0, b"%%\3c.d"),
    ]


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


def first_payloads() -> list[bytes]:
    """For the probes: what each protocol begins with, from or to its port."""

    def sight(proto: int, from_opener: bool, port: int, payload: bytes) -> bytes:
        ports = (40000, port) if from_opener else (port, 40000)
        return struct.pack("!HHBBQ", *ports, (proto == 17) | from_opener << 1, 0, 0) + payload

    shown = [sight(proto, from_opener, port, payload) for _, proto, from_opener, port, payload in first_bytes.KNOWN]
    said = [sight(proto, who, port, payload) for _, proto, port, talk in first_bytes.TALKS for payload, who in talk]
    return shown + said


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
    "pcapfile": captures,
    "nfnetlink": netlink,
    "stream": lambda: [struct.pack("!IB", at, 4) + b"abcd" + struct.pack("!IB", 2, 4) + b"efgh" for at in (0, 4, 9)],
    "dns": lambda: shown_whole([*dns_messages(), *(len(m).to_bytes(2, "big") + m for m in dns_messages())]),
    "tls_client": lambda: shown_whole(client_hellos()),
    "tls_handshake": lambda: shown_whole([hello[5:] for hello in client_hellos()[:2]]),
    "tls_server": lambda: shown_whole(server_flights()),
    "tls_records": lambda: [*client_hellos(), *server_flights()],
    "dtls": dtls_datagrams,
    "certificate": lambda: [handshakes.self_signed("example.org", ["*.a.example"], "Example")[0]],
    "http_request": lambda: shown_whole([REQUEST, PROXY, PREFACE]),
    "http_response": lambda: shown_whole([RESPONSE]),
    "quic": lambda: [b"\1" + len(d).to_bytes(2, "big") + d for d in datagrams()],
    "probes": first_payloads,
    "flows": conversations,
}
