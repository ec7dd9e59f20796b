"""Whatever is stacked on an IP packet, its fields are scapy's; whatever is cut off or broken, nothing is made up."""

from __future__ import annotations

import random
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scapy.contrib.geneve import GENEVE, GeneveOptions
from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop
from scapy.layers.l2 import GRE, CookedLinux, Dot1AD, Dot1Q, Ether
from scapy.layers.l2tp import L2TP
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.sctp import SCTP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from dpi.wire.decode import FAULT_NAMES, Decoded, decode_bytes

PROTOCOLS = {TCP: 6, UDP: 17, SCTP: 132, ICMP: 1}
LINK_TYPES = [
    *(0, 1, 9, 12, 50, 51, 101, 104, 105, 107, 108, 113, 117, 127, 192, 204, 205, 206, 228, 229, 239, 258, 276),
    *(9999, None),
]

TUNNEL_PORTS = (1701, 2152, 4789, 4790, 5247, 6081, 6635, 8472, 37008)

# Not the tunnels': then what is inside would be looked at.
ports = st.integers(1, 0xFFFF).filter(lambda port: port not in TUNNEL_PORTS)
words = st.integers(0, 0xFFFFFFFF)


def ethernet() -> Packet:
    """With addresses, or scapy asks the network for them."""
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


@st.composite
def transports(draw: st.DrawFn) -> Packet:
    kind = draw(st.sampled_from(list(PROTOCOLS)))
    payload = Raw(draw(st.binary(min_size=1, max_size=60)))
    if kind is TCP:
        options = [("NOP", None)] * draw(st.integers(0, 40))
        fields = {"seq": draw(words), "ack": draw(words), "flags": draw(st.integers(0, 255)), "options": options}
        return TCP(sport=draw(ports), dport=draw(ports), **fields) / payload
    if kind is ICMP:
        return ICMP(type=8) / payload
    return kind(sport=draw(ports), dport=draw(ports)) / payload


@st.composite
def ips(draw: st.DrawFn) -> Packet:
    tos, ttl = draw(st.integers(0, 255)), draw(st.integers(0, 255))
    if draw(st.booleans()):
        src, dst = (str(draw(st.builds(IPv4Address, words))) for _ in range(2))
        return IP(src=src, dst=dst, tos=tos, ttl=ttl, options=[IPOption_NOP()] * draw(st.integers(0, 40)))
    src, dst = (str(draw(st.builds(IPv6Address, st.integers(0, 2**128 - 1)))) for _ in range(2))
    packet: Packet = IPv6(src=src, dst=dst, tc=tos, hlim=ttl)
    for header in draw(st.lists(st.sampled_from([IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt]), max_size=3)):
        packet = packet / header()
    return packet


@st.composite
def frames(draw: st.DrawFn) -> tuple[int, Packet | None, int]:
    """(link type, what is in front of the IP header, the VLAN)."""
    vlan = draw(st.integers(1, 4094))
    return draw(
        st.sampled_from(
            [
                (1, ethernet(), 0),
                (1, ethernet() / Dot1Q(vlan=vlan), vlan),
                (1, ethernet() / Dot1AD(vlan=vlan) / Dot1Q(vlan=9), vlan),
                (1, ethernet() / MPLS(s=0) / MPLS(s=1), 0),
                (1, ethernet() / Dot1Q(vlan=vlan) / PPPoE() / PPP(), vlan),
                (113, CookedLinux(), 0),
                (101, None, 0),
                (204, Raw(b"\1") / PPP(), 0),
                (107, Raw(b"\x18\x41\x03\0\x80\0\x80\xc2\0\7") / ethernet() / Dot1Q(vlan=vlan), vlan),
                (117, Raw(b"\x3d\2" + bytes(62)), 0),
                (258, Raw(b"\x20\0\0\0\1\0\0\0\1\0\0\0" + bytes(20)) / ethernet(), 0),
            ]
        )
    )


GPE_NSH = b"\x0c\0\0\4\0\0\1\0" + b"\x0f\xc3\2\3" + bytes(8)

TUNNELS = {
    "gre": lambda outer: outer / GRE(key_present=1),
    "ethernet over gre": lambda outer: outer / GRE(proto=0x6558) / ethernet(),
    "ip": lambda outer: outer,
    "gtp": lambda outer: outer / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=1),
    "vxlan": lambda outer: outer / UDP(sport=1, dport=4789) / VXLAN(flags="Instance") / ethernet(),
    "nsh over vxlan-gpe": lambda outer: outer / UDP(sport=1, dport=4790) / Raw(GPE_NSH) / ethernet(),
    "geneve": lambda outer: (
        outer / UDP(sport=1, dport=6081) / GENEVE(vni=1, options=[GeneveOptions(data=b"8 bytes!")]) / ethernet()
    ),
    "mpls": lambda outer: outer / UDP(sport=50000, dport=6635) / MPLS(s=0) / MPLS(s=1),
    "erspan i": lambda outer: outer / GRE(proto=0x88BE) / ethernet(),
    "erspan ii": lambda outer: outer / GRE(proto=0x88BE, seqnum_present=1) / Raw(b"\x10" + bytes(7)) / ethernet(),
    "erspan iii": lambda outer: (
        outer / GRE(proto=0x22EB, seqnum_present=1) / Raw(b"\x20" + bytes(10) + b"\1" + bytes(8)) / ethernet()
    ),
    "tzsp": lambda outer: outer / UDP(sport=1, dport=37008) / Raw(b"\1\0\0\1\x0a\1\xc8\0\1") / ethernet(),
    "l2tp": lambda outer: outer / UDP(sport=1701, dport=1701) / L2TP(hdr="length", tunnel_id=1) / PPP(),
}


def stacked(link: Packet | None, layers: list[Packet]) -> bytes:
    packet = link
    for layer in layers:
        packet = layer if packet is None else packet / layer
    return bytes(packet)


@settings(max_examples=150, deadline=None)
@given(frames(), ips(), ips(), transports(), st.none() | st.sampled_from(list(TUNNELS)))
def test_the_innermost_packets_fields_are_scapys(
    frame: tuple[int, Packet | None, int], outer: Packet, inner: Packet, transport: Packet, tunnel: str | None
) -> None:
    assume(inner.version == 4 or not isinstance(transport, ICMP))
    linktype, link, vlan = frame
    ip = inner / transport
    data = stacked(link, [TUNNELS[tunnel](outer) / ip if tunnel else ip])
    found = decode_bytes(data, linktype)

    assert isinstance(found, Decoded), found
    base = bytes(ip)
    kind = type(transport)
    segment = (IPv6 if inner.version == 6 else IP)(base)[kind]
    assert found.version == inner.version
    assert found.src == addressed(inner.src)
    assert found.dst == addressed(inner.dst)
    assert found.length == len(base)
    assert found.ttl == (inner.hlim if inner.version == 6 else inner.ttl)
    assert found.dscp == (inner.tc if inner.version == 6 else inner.tos) >> 2
    assert found.proto == PROTOCOLS[kind]
    assert found.payload == bytes(transport.payload)
    assert found.vlan == vlan
    if kind is not ICMP:
        assert (found.sport, found.dport) == (segment.sport, segment.dport)
    if kind is TCP:
        assert (found.seq, found.ack, found.tcp_flags) == (segment.seq, segment.ack, int(segment.flags) & 255)


def addressed(text: str) -> bytes:
    return IPv6Address(text).packed if ":" in text else bytes(10) + b"\xff\xff" + IPv4Address(text).packed


def sensible(found: Decoded | str, data: bytes, wirelen: int, linktype: int | None = 1) -> None:
    if isinstance(found, str):
        assert found in FAULT_NAMES[1:]
        return
    assert found.payload in data
    assert len(found.payload) <= found.payload_len
    assert found.version in (4, 6)
    assert found.fragment in (0, 1)
    if not found.fragment:
        # What netfilter logs may be a part, and only the packet itself says of how much.
        longest = 0xFFFF + 40 if linktype == 239 else max(wirelen, len(data))
        assert found.payload_len <= found.length <= longest


def example(tunnel: str) -> bytes:
    inner = IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=2) / Raw(b"payload")
    return bytes(
        ethernet() / Dot1Q(vlan=3) / (TUNNELS[tunnel](IPv6(src="::1", dst="::2") / IPv6ExtHdrHopByHop()) / inner)
    )


EXAMPLES = {tunnel: example(tunnel) for tunnel in TUNNELS}


def test_a_packet_cut_at_any_length_is_itself_or_truncated() -> None:
    for tunnel, data in EXAMPLES.items():
        for cut in range(len(data)):
            found = decode_bytes(data[:cut], 1, len(data))
            sensible(found, data[:cut], len(data))
            assert found == "truncated" or isinstance(found, Decoded), (tunnel, cut)


@settings(max_examples=300)
@given(
    st.sampled_from(list(EXAMPLES.values())),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6),
    st.integers(0, 200),
)
def test_a_damaged_packet_is_decoded_sensibly_or_not_at_all(
    data: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    broken = bytearray(data)
    for at, byte in changes:
        broken[at % len(broken)] = byte
    data = bytes(broken[: max(cut, 1)])
    sensible(decode_bytes(data, 1), data, 0)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(LINK_TYPES), st.integers(0, 3000))
def test_any_bytes_of_any_link_type_are_decoded_sensibly_or_not_at_all(
    data: bytes, linktype: Any, wirelen: int
) -> None:
    sensible(decode_bytes(data, linktype, wirelen), data, wirelen, linktype)


@pytest.mark.parametrize("port", TUNNEL_PORTS)
def test_random_bytes_at_a_tunnels_port_are_no_tunnel(port: int) -> None:
    """Whoever else has the port keeps its packets, and not even a fragment is seen in them."""
    rng = random.Random(port)
    for _ in range(20_000):
        payload = rng.randbytes(rng.choice((40, 100, 300, 1200)))
        udp = struct.pack(">HHHH", 50_000, port, 8 + len(payload), 0) + payload
        header = struct.pack(">BBH4xBB2x4s4s", 0x45, 0, 20 + len(udp), 64, 17, b"src!", b"dst!")
        found = decode_bytes(header + udp, None)
        assert isinstance(found, Decoded) and found.tunnel == 0, payload.hex()
