"""Every way to wrap an IP packet is taken off again, and what is not one is said to be none."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.layers.dot11 import Dot11, Dot11QoS, RadioTap
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, GRE, LLC, SNAP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether, Loopback
from scapy.layers.l2tp import L2TP
from scapy.layers.ppp import HDLC, PPP, PPPoE
from scapy.layers.sctp import SCTP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from dpi.record.fields import TUNNELS
from dpi.wire.decode import Decoded, decode_bytes

SRC, DST = "192.0.2.1", "198.51.100.2"
SRC6, DST6 = "2001:db8::1", "2001:db8::2"
MAC = b"\x02\0\0\0\0\1\x02\0\0\0\0\2"
GRE_, IPIP, GTP, VXLAN_, CAPWAP, GENEVE_, MPLS_, L2TP_, ETHERNET, ERSPAN, TZSP = range(1, len(TUNNELS))


def ethernet(**fields: Any) -> Packet:
    """With addresses, or scapy asks the network for them."""
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", **fields)


def mapped(address: str) -> bytes:
    return bytes(10) + b"\xff\xff" + bytes(map(int, address.split(".")))


def v4(payload: bytes = b"payload", sport: int = 4000, dport: int = 443) -> Packet:
    return IP(src=SRC, dst=DST) / UDP(sport=sport, dport=dport) / Raw(payload)


def v6(payload: bytes = b"payload") -> Packet:
    return IPv6(src=SRC6, dst=DST6) / UDP(sport=4000, dport=443) / Raw(payload)


def outer(**fields: Any) -> Packet:
    return IP(src="10.0.0.1", dst="10.0.0.2", **fields)


def outer_udp(port: int) -> Packet:
    return outer() / UDP(sport=port, dport=port)


def decoded(packet: Packet | bytes, linktype: int | None = 1, wirelen: int = 0) -> Decoded:
    found = decode_bytes(bytes(packet), linktype, wirelen)
    assert isinstance(found, Decoded), found
    return found


def ppi(linktype: int, frame: bytes) -> bytes:
    return b"\0\0" + (8).to_bytes(2, "little") + linktype.to_bytes(4, "little") + frame


def wifi(control: bytes = b"\x08\x01", extra: bytes = b"") -> bytes:
    return control + bytes(22) + extra + b"\xaa\xaa\x03\0\0\0\x08\0" + bytes(v4())


def capwap(frame: bytes, *, native: bool = True, fragment: int = 0, words: int = 2) -> bytes:
    first = words << 19 | 1 << 9 | native << 8 | bool(fragment) << 7
    return b"\0" + first.to_bytes(3, "big") + (fragment << 3).to_bytes(4, "big") + bytes(4 * words - 8) + frame


def hashed(port: int) -> Packet:
    """Of a tunnel whose source port is a hash of what is inside."""
    return outer() / UDP(sport=50000, dport=port)


def nsh(following: int, kind: int = 1, words: int = 6) -> bytes:
    return (63 << 6 | words).to_bytes(2, "big") + bytes((kind, following)) + bytes(4 * words - 4)


def gpe(following: int, flags: int = 0x0C) -> bytes:
    return bytes((flags, 0, 0, following, 0, 0, 5, 0))


def nflog(payload: bytes, order: str = "<", af: int = 2, header: bytes = b"\x08\0\1\0") -> bytes:
    """As Linux hands it out: what it is and which hook, a prefix, a nested attribute, and the packet as the last."""
    out = bytes([af, 0, 0, 5])
    for kind, value in ((1, header), (10, b"seen\0"), (0x8000 | 20, bytes(16)), (9, payload)):
        out += struct.pack(order + "HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)
    return out


def pflog(af: int, length: int = 61) -> bytes:
    return bytes([length, af]) + bytes(((length + 3) & ~3) - 2)


def pktap(link: int, frame: bytes) -> bytes:
    return struct.pack("<III", 108, 1, link) + b"en0".ljust(96, b"\0") + frame


def erspan(flags: int, kind: int, header: bytes = b"") -> bytes:
    return struct.pack(">HH", flags, kind) + (bytes(4) if flags else b"") + header


def third(last: int) -> bytes:
    """A header of ERSPAN's type III."""
    return struct.pack(">HHIHH", 2 << 12 | 7, 5, 0x01020304, 0, last)


LINKS = {
    "ethernet": (1, ethernet() / v4()),
    "802.3 with SNAP": (1, MAC + b"\0\x40\xaa\xaa\x03\0\0\0\x08\0" + bytes(v4())),
    "802.3 with IP's own LLC": (1, MAC + b"\0\x40\x06\x06\x03" + bytes(v4())),
    "vlan": (1, ethernet() / Dot1Q(vlan=7) / v4()),
    "qinq 802.1ad": (1, ethernet() / Dot1AD(vlan=7) / Dot1Q(vlan=8) / v4()),
    "qinq 0x9100": (1, ethernet(type=0x9100) / Dot1Q(vlan=7) / Dot1Q(vlan=8) / v4()),
    "vlan with LLC": (1, MAC + b"\x81\0\0\7\0\x40\xaa\xaa\x03\0\0\0\x08\0" + bytes(v4())),
    "mpls": (1, ethernet() / MPLS(label=16, s=0) / MPLS(label=17, s=1) / v4()),
    "mpls pseudowire": (1, bytes(ethernet(type=0x8847) / MPLS(label=16, s=1)) + bytes(4) + bytes(ethernet() / v4())),
    "pppoe": (1, ethernet() / PPPoE(sessionid=3) / PPP() / v4()),
    "vlan and pppoe": (1, ethernet() / Dot1Q(vlan=7) / PPPoE(sessionid=3) / PPP() / v4()),
    "pppoe session": (51, PPPoE(sessionid=3) / PPP() / v4()),
    "ppp": (9, b"\0\x21" + bytes(v4())),
    "ppp with a compressed protocol": (9, b"\x21" + bytes(v4())),
    "ppp in hdlc": (50, b"\xff\x03\0\x21" + bytes(v4())),
    "cisco hdlc in ppp": (9, b"\x0f\0\x08\0" + bytes(v4())),
    "cisco hdlc": (104, b"\x8f\0\x08\0" + bytes(v4())),
    "cooked": (113, CookedLinux(proto=0x800) / v4()),
    "cooked with vlan": (113, CookedLinux(proto=0x8100) / Dot1Q(vlan=7) / v4()),
    "cooked v2": (276, CookedLinuxV2(proto=0x800) / v4()),
    "raw": (101, v4()),
    "raw bsd": (12, v4()),
    "ipv4": (228, v4()),
    "service function chain": (1, bytes(ethernet(type=0x894F)) + nsh(1) + bytes(v4())),
    "null, little-endian": (0, b"\2\0\0\0" + bytes(v4())),
    "null, big-endian": (0, b"\0\0\0\2" + bytes(v4())),
    "loop": (108, b"\0\0\0\2" + bytes(v4())),
    "802.11": (105, wifi()),
    "802.11 qos": (105, wifi(b"\x88\x01", bytes(2))),
    "802.11 qos, ht control": (105, wifi(b"\x88\x81", bytes(6))),
    "802.11 four addresses": (105, wifi(b"\x08\x03", bytes(6))),
    "ppi 802.11": (192, ppi(105, wifi())),
    "ppi ethernet": (192, ppi(1, bytes(ethernet() / v4()))),
    "radiotap": (127, b"\0\0\x0a\0" + bytes(6) + wifi()),
    "ppi raw": (192, ppi(101, bytes(v4()))),
    "ppp with direction": (204, b"\0\xff\x03\0\x21" + bytes(v4())),
    "ppp with direction, no framing": (204, b"\1\0\x21" + bytes(v4())),
    "cisco hdlc with direction": (205, b"\1\x0f\0\x08\0" + bytes(v4())),
    "frame relay": (107, b"\x18\x41\x03\xcc" + bytes(v4())),
    "frame relay with a long address": (107, b"\x18\x40\x02\x05\x03\xcc" + bytes(v4())),
    "frame relay with SNAP": (107, b"\x18\x41\x03\0\x80\0\0\0\x08\0" + bytes(v4())),
    "frame relay, bridged": (107, b"\x18\x41\x03\0\x80\0\x80\xc2\0\x07" + bytes(ethernet() / v4())),
    "frame relay with ppp": (107, b"\x18\x41\x03\xcf\0\x21" + bytes(v4())),
    "cisco's frame relay": (107, b"\x18\x41\x08\0" + bytes(v4())),
    "frame relay with direction": (206, b"\0\x18\x41\x03\xcc" + bytes(v4())),
    "pflog": (117, pflog(2) + bytes(v4())),
    "pflog, openbsd's": (117, pflog(2, 100) + bytes(v4())),
    "nflog": (239, nflog(bytes(v4()))),
    "nflog, big-endian": (239, nflog(bytes(v4()), ">")),
    "nflog of a bridge": (239, nflog(bytes(v4()), af=7)),
    "nflog of a bridge, vlan": (239, nflog(b"\0\7\x08\0" + bytes(v4()), af=7, header=b"\x81\0\1\0")),
    "pktap": (258, pktap(1, bytes(ethernet() / v4()))),
    "pktap raw": (258, pktap(12, bytes(v4()))),
    "network layer": (None, v4()),
}


@pytest.mark.parametrize("name", LINKS)
def test_a_link_layer_is_taken_off(name: str) -> None:
    linktype, frame = LINKS[name]
    found = decoded(frame, linktype)

    assert (found.version, found.proto, found.src, found.dst) == (4, 17, mapped(SRC), mapped(DST))
    assert (found.sport, found.dport, found.payload, found.payload_len) == (4000, 443, b"payload", 7)
    assert found.vlan == (7 if "vlan" in name or "qinq" in name else 0)
    assert (found.tunnel, found.fragment, found.length) == (0, 0, 35)


@pytest.mark.parametrize(
    ("linktype", "frame"),
    [
        (1, ethernet() / v6()),
        (101, v6()),
        (229, v6()),
        (9, b"\0\x57" + bytes(v6())),
        (51, PPPoE() / PPP(proto=0x57) / v6()),
        (1, ethernet() / MPLS(s=1) / v6()),
        *[(0, bytes([af, 0, 0, 0]) + bytes(v6())) for af in (10, 24, 28, 30)],
        *[(117, pflog(af) + bytes(v6())) for af in (24, 28, 30)],
        (204, b"\0\0\x57" + bytes(v6())),
        (107, b"\x18\x41\x03\x8e" + bytes(v6())),
        (239, nflog(bytes(v6()), af=10)),
    ],
)
def test_ipv6_is_found_in_every_link_layer(linktype: int, frame: Packet | bytes) -> None:
    found = decoded(frame, linktype)

    assert (found.version, found.src[:4], found.src[-1], found.dst[-1]) == (6, b"\x20\1\x0d\xb8", 1, 2)
    assert (found.sport, found.dport, found.payload, found.length) == (4000, 443, b"payload", 55)


def test_what_is_logged_in_part_is_as_long_as_it_says() -> None:
    whole = bytes(v4(b"x" * 400))
    for version, packet in ((4, whole), (6, bytes(v6(b"x" * 400)))):
        found = decoded(nflog(packet[:128], af=2 if version == 4 else 10), 239)
        assert (found.length, found.payload_len) == (len(packet), 400)
        assert found.payload == b"x" * (128 - len(packet) + 400)
    found = decoded(nflog(whole)[:-300], 239, wirelen=len(nflog(whole)))  # … and where the capture cuts it as well
    assert (found.length, found.payload_len, len(found.payload)) == (428, 400, 100)


@pytest.mark.parametrize("name", LINKS)
def test_a_frame_cut_at_any_length_is_itself_or_nothing(name: str) -> None:
    linktype, frame = LINKS[name]
    data = bytes(frame)
    for cut in range(len(data)):
        found = decode_bytes(data[:cut], linktype, len(data))
        if isinstance(found, Decoded):
            assert (found.src, found.dst, found.sport, found.length) == (mapped(SRC), mapped(DST), 4000, 35), cut
        else:
            assert found in ("truncated", "not_ip"), cut


TUNNELS = {
    "gre": (GRE_, outer() / GRE() / v4()),
    "gre with everything": (
        GRE_,
        outer() / GRE(chksum_present=1, key_present=1, seqnum_present=1, key=5, sequence_number=9) / v4(),
    ),
    "gre with ethernet": (GRE_, outer() / GRE(proto=0x6558) / ethernet() / v4()),
    "gre with mpls": (GRE_, outer() / GRE(proto=0x8847) / MPLS(s=1) / v4()),
    "pptp": (
        GRE_,
        bytes(outer(proto=47, len=68)) + b"\x30\x01\x88\x0b\0\x25\0\1\0\0\0\1" + b"\x21" + bytes(v4()),
    ),
    "ip in ip": (IPIP, outer() / v4()),
    "4in6": (IPIP, IPv6(src=SRC6, dst=DST6, nh=4) / v4()),
    "gtp": (GTP, outer_udp(2152) / GTP_U_Header(teid=1) / v4()),
    "gtp with a sequence number": (GTP, outer_udp(2152) / GTP_U_Header(teid=1, S=1, seq=3) / v4()),
    "gtp with an extension": (
        GTP,
        outer_udp(2152) / GTP_U_Header(teid=1, E=1, next_ex=0x85) / GTPPDUSessionContainer(type=1, QFI=9) / v4(),
    ),
    "vxlan": (VXLAN_, outer_udp(4789) / VXLAN(vni=5, flags="Instance") / ethernet() / v4()),
    "vxlan with a group": (VXLAN_, hashed(4789) / VXLAN(flags=0x88, gpflags=0x48, gpid=9) / ethernet() / v4()),
    "vxlan on linux's port": (VXLAN_, hashed(8472) / VXLAN(flags="Instance") / ethernet() / v4()),
    "vxlan-gpe with ip": (VXLAN_, hashed(4790) / Raw(gpe(1) + bytes(v4()))),
    "vxlan-gpe with ethernet to many": (VXLAN_, hashed(4790) / Raw(gpe(3, 0x0E) + bytes(ethernet() / v4()))),
    "vxlan-gpe with mpls": (VXLAN_, hashed(4790) / Raw(gpe(5) + bytes(MPLS(s=1) / v4()))),
    "nsh over vxlan-gpe": (VXLAN_, hashed(4790) / Raw(gpe(4) + nsh(1) + bytes(v4()))),
    "nsh with ethernet": (VXLAN_, hashed(4790) / Raw(gpe(4) + nsh(3, 2, 2) + bytes(ethernet() / v4()))),
    "nsh in nsh with what it likes": (VXLAN_, hashed(4790) / Raw(gpe(4) + nsh(4) + nsh(1, 2, 9) + bytes(v4()))),
    "nsh over gre": (GRE_, outer() / GRE(proto=0x894F) / Raw(nsh(1) + bytes(v4()))),
    "geneve": (GENEVE_, hashed(6081) / GENEVE(vni=1) / ethernet() / v4()),
    "geneve with ip": (GENEVE_, hashed(6081) / GENEVE(vni=1, proto=0x800) / v4()),
    "geneve with options that matter": (
        GENEVE_,
        hashed(6081) / Raw(b"\2\x40\x65\x58\0\0\1\0" + bytes(8) + bytes(ethernet() / v4())),
    ),
    "mpls in udp": (MPLS_, hashed(6635) / MPLS(s=0) / MPLS(s=1) / v4()),
    "mpls in ip": (MPLS_, outer() / MPLS(s=1) / v4()),
    "pseudowire in udp": (MPLS_, hashed(6635) / Raw(b"\0\1\1\x40" + bytes(4) + bytes(ethernet() / v4()))),
    "l2tp": (L2TP_, outer_udp(1701) / L2TP(hdr=0, session_id=1, tunnel_id=2) / PPP() / v4()),
    "l2tp with everything": (
        L2TP_,
        outer_udp(1701) / Raw(b"\x4b\2" + bytes(10) + b"\0\3pad\xff\3\0\x21" + bytes(v4())),
    ),
    "etherip": (ETHERNET, outer(proto=97) / Raw(b"\x30\0" + bytes(ethernet() / v4()))),
    "segment routing with ethernet": (
        ETHERNET,
        IPv6(src=SRC6, dst=DST6) / IPv6ExtHdrRouting(nh=143, addresses=["::1"]) / Raw(bytes(ethernet() / v4())),
    ),
    "erspan i": (ERSPAN, outer(proto=47) / Raw(erspan(0, 0x88BE) + bytes(ethernet() / v4()))),
    "erspan ii": (
        ERSPAN,
        outer(proto=47) / Raw(erspan(0x1000, 0x88BE, b"\x10\7" + bytes(6)) + bytes(ethernet() / v4())),
    ),
    "erspan iii": (ERSPAN, outer(proto=47) / Raw(erspan(0x1000, 0x22EB, third(0)) + bytes(ethernet() / v4()))),
    "erspan iii with a platform's own": (
        ERSPAN,
        outer(proto=47) / Raw(erspan(0x1000, 0x22EB, third(1) + bytes(8)) + bytes(ethernet() / v4())),
    ),
    "erspan iii with ip": (ERSPAN, outer(proto=47) / Raw(erspan(0x1000, 0x22EB, third(2 << 10)) + bytes(v4()))),
    "tzsp": (TZSP, hashed(37008) / Raw(b"\1\0\0\1\1" + bytes(ethernet() / v4()))),
    "tzsp with tags": (TZSP, hashed(37008) / Raw(b"\1\1\0\1\0\x0a\1\xc8\x28\4abcd\1" + bytes(ethernet() / v4()))),
    "tzsp, 802.11": (TZSP, hashed(37008) / Raw(b"\1\0\0\x12\x0a\1\xc8\1" + wifi())),
    "geneve over vxlan": (
        GENEVE_,
        hashed(4789) / VXLAN(flags="Instance") / ethernet() / hashed(6081) / GENEVE(vni=1) / ethernet() / v4(),
    ),
    "capwap, 802.3": (CAPWAP, outer_udp(5247) / Raw(capwap(bytes(ethernet() / v4()), native=False))),
    "capwap, 802.11": (CAPWAP, outer_udp(5247) / Raw(capwap(wifi(), words=4))),
    "capwap, 802.11 swapped": (CAPWAP, outer_udp(5247) / Raw(capwap(wifi(b"\x01\x08")))),
    "vxlan over 6in6": (
        VXLAN_,
        IPv6(dst=DST6) / IPv6(dst=DST6) / UDP(sport=1, dport=4789) / VXLAN(flags="Instance") / ethernet() / v4(),
    ),
}


@pytest.mark.parametrize("name", TUNNELS)
def test_a_tunnel_is_opened(name: str) -> None:
    tunnel, packet = TUNNELS[name]
    found = decoded(packet, None)

    assert (found.tunnel, found.version, found.proto) == (tunnel, 4, 17)
    assert (found.src, found.dst, found.sport, found.dport) == (mapped(SRC), mapped(DST), 4000, 443)
    assert (found.payload, found.payload_len, found.length) == (b"payload", 7, 35)


def test_6in4_and_6in6_are_opened() -> None:
    assert decoded(outer() / v6(), None).src[-1] == 1
    assert decoded(IPv6(dst="::9") / v6(), None).dst[-1] == 2


def test_the_vlan_is_the_outermost_one_that_is_seen() -> None:
    inside = VXLAN(flags="Instance") / ethernet() / Dot1Q(vlan=9) / v4()

    assert decoded(ethernet() / Dot1Q(vlan=7) / outer_udp(4789) / inside).vlan == 7
    assert decoded(ethernet() / outer_udp(4789) / inside).vlan == 9


NOT_TUNNELS = {
    "gtp control": outer_udp(2152) / GTP_U_Header(gtp_type=1, teid=0, length=0),
    "gtp prime": outer_udp(2152) / Raw(b"\x20\xff\0\x23\0\0\0\1" + bytes(v4())),
    "gtp longer than its datagram": outer_udp(2152) / Raw(b"\x30\xff\0\x24\0\0\0\1" + bytes(v4())),
    "gtp with a packet longer than it": outer_udp(2152) / Raw(b"\x30\xff\0\x22\0\0\0\1" + bytes(v4())),
    "gtp with an extension of no length": outer_udp(2152) / Raw(b"\x34\xff\0\x27\0\0\0\1\0\0\0\x85\0" + bytes(40)),
    "vxlan's answers": outer() / UDP(sport=4789, dport=1) / VXLAN(flags="Instance") / ethernet() / v4(),
    "vxlan without its flag": outer_udp(4789) / VXLAN(flags=0) / ethernet() / v4(),
    "vxlan with no ip": outer_udp(4789) / VXLAN(flags="Instance") / ethernet() / ARP(),
    "capwap over dtls": outer_udp(5247) / Raw(b"\x01\0\0\0" + bytes(80)),
    "a later capwap fragment": outer_udp(5247) / Raw(capwap(wifi(), fragment=3)),
    "random bytes": outer_udp(2152) / Raw(b"\x99" * 90),
    "geneve's answers": outer() / UDP(sport=6081, dport=1) / GENEVE(vni=1) / ethernet() / v4(),
    "geneve for control": hashed(6081) / GENEVE(oam=1) / ethernet() / v4(),
    "geneve of a later version": hashed(6081) / GENEVE(version=1) / ethernet() / v4(),
    "geneve with more options than there are": hashed(6081) / Raw(b"\x3f\0\x65\x58\0\0\1\0" + bytes(100)),
    "geneve with no ip": hashed(6081) / GENEVE(vni=1) / ethernet() / ARP(),
    "vxlan-gpe on vxlan's port": hashed(4789) / Raw(gpe(1) + bytes(v4())),
    "vxlan-gpe without what is inside": hashed(4790) / Raw(gpe(3, 0x08) + bytes(ethernet() / v4())),
    "vxlan-gpe for control": hashed(4790) / Raw(gpe(1, 0x0D) + bytes(v4())),
    "nsh of a later version": hashed(4790) / Raw(gpe(4) + b"\x4f\xc6" + nsh(1)[2:] + bytes(v4())),
    "nsh of a wrong length": hashed(4790) / Raw(gpe(4) + nsh(1, 1, 5) + bytes(v4())),
    "nsh shorter than itself": hashed(4790) / Raw(gpe(4) + nsh(1, 2, 1) + bytes(v4())),
    "endless nsh": hashed(4790) / Raw(gpe(4) + 20 * nsh(4, 2, 2) + nsh(1) + bytes(v4())),
    "mpls's answers": outer() / UDP(sport=6635, dport=50000) / MPLS(s=1) / v4(),
    "mpls from a service": outer() / UDP(sport=443, dport=6635) / MPLS(s=1) / v4(),
    "mpls without an end": hashed(6635) / Raw(bytes(80)),
    "mpls with more than a packet": hashed(6635) / Raw(bytes(MPLS(s=1) / v4()) + b"x"),
    "l2tp control": outer_udp(1701) / Raw(b"\xc8\2\0\x0c" + bytes(8)),
    "l2tp of version 3": outer_udp(1701) / Raw(b"\0\3\0\0\0\0\0\1" + bytes(v4())),
    "l2tp with ppp's own": outer_udp(1701) / L2TP(hdr=0) / PPP(proto=0xC021) / Raw(bytes(8)),
    "tzsp's answers": outer() / UDP(sport=37008, dport=1) / Raw(b"\1\0\0\1\1" + bytes(ethernet() / v4())),
    "tzsp of another version": hashed(37008) / Raw(b"\2\0\0\1\1" + bytes(ethernet() / v4())),
    "tzsp to keep alive": hashed(37008) / Raw(b"\1\4\0\1\1" + bytes(ethernet() / v4())),
    "tzsp of something else": hashed(37008) / Raw(b"\1\0\0\2\1" + bytes(ethernet() / v4())),
    "tzsp without an end of tags": hashed(37008) / Raw(b"\1\0\0\1" + bytes(80)),
    "tzsp with no ip": hashed(37008) / Raw(b"\1\0\0\1\1" + bytes(ethernet() / ARP())),
    "tzsp with a packet longer than it": hashed(37008) / Raw(b"\1\0\0\1\1" + bytes(ethernet() / v4())[:-1]),
    "teredo": outer_udp(3544) / v6(),
}


@pytest.mark.parametrize("name", NOT_TUNNELS)
def test_what_only_looks_like_a_tunnel_is_the_packet_that_it_is(name: str) -> None:
    found = decoded(NOT_TUNNELS[name], None)

    assert (found.tunnel, found.src, found.proto) == (0, mapped("10.0.0.1"), 17)
    assert found.payload == bytes(NOT_TUNNELS[name])[28:]


def test_what_ip_announces_and_is_no_ethernet_is_the_packet_that_it_is() -> None:
    for proto, inside in ((97, b"\x40\0" + bytes(ethernet() / v4())), (143, bytes(60)), (137, bytes(60))):
        found = decoded(outer(proto=proto) / Raw(inside), None)
        assert (found.proto, found.tunnel, found.payload) == (proto, 0, inside)


def test_gre_without_ip_is_gre() -> None:
    found = decoded(outer() / GRE(proto=0x88BE) / Raw(bytes(40)), None)

    assert (found.proto, found.sport, found.tunnel, found.payload_len) == (47, 0, 0, 44)


@pytest.mark.parametrize(
    "header",
    [
        erspan(0x1000, 0x88BE, b"\x20\7" + bytes(6)),
        erspan(0x2000, 0x88BE, b"\x10\7" + bytes(6)),
        erspan(0, 0x22EB, third(0)),
        erspan(0x1000, 0x22EB, b"\x10" + third(0)[1:]),
        erspan(0x1000, 0x22EB, third(1 << 10)),
    ],
)
def test_what_only_looks_like_erspan_is_gre(header: bytes) -> None:
    found = decoded(outer(proto=47) / Raw(header + bytes(ethernet() / v4())), None)

    assert (found.proto, found.tunnel, found.src) == (47, 0, mapped("10.0.0.1"))


def test_what_a_switch_mirrors_in_part_is_opened_all_the_same() -> None:
    found = decoded(outer(proto=47) / Raw(erspan(0, 0x88BE) + bytes(ethernet() / v4(b"x" * 400))[:100]), None)

    assert (found.tunnel, found.src, found.sport) == (ERSPAN, mapped(SRC), 4000)


def test_four_ip_headers_are_opened_and_no_more() -> None:
    for depth, deep in ((4, False), (5, True)):
        packet = v4()
        for i in range(1, depth):
            packet = IP(src=f"10.0.0.{i}", dst=DST) / packet
        found = decoded(packet, None)
        assert found.too_deep == deep
        assert found.src == mapped("10.0.0.1" if deep else SRC)


def test_tcp_fields_are_named() -> None:
    options = [("MSS", 1460), ("NOP", None), ("WScale", 7), ("SAckOK", b"")]
    found = decoded(
        IP(src=SRC, dst=DST, tos=0xB8, ttl=63, options=[IPOption_NOP()] * 4)
        / TCP(sport=1, dport=2, seq=0x01020304, ack=0xFFFFFFFF, flags="SA", options=options)
        / Raw(b"x"),
        None,
    )

    assert (found.seq, found.ack, found.tcp_flags) == (0x01020304, 0xFFFFFFFF, 0x12)
    assert (found.dscp, found.ttl, found.payload, found.length) == (46, 63, b"x", 24 + 32 + 1)


def test_icmp_has_a_type_and_no_ports() -> None:
    found = decoded(IP() / ICMP(type=8, id=7) / Raw(b"ping"), None)
    assert (found.proto, found.icmp_type, found.sport, found.dport, found.payload) == (1, 8, 0, 0, b"ping")

    found = decoded(IPv6(nh=58) / Raw(b"\x8f\0\0\0\0\0\0\0record"), None)
    assert (found.proto, found.icmp_type, found.payload) == (58, 0x8F, b"record")

    assert decoded(IPv6(nh=58) / Raw(b"\x9b\0\0\0"), None).icmp_type == 0x9B


def test_sctp_has_ports() -> None:
    found = decoded(IP() / SCTP(sport=2905, dport=2906) / Raw(b"\0\3\0\4"), None)
    assert (found.proto, found.sport, found.dport, found.payload) == (132, 2905, 2906, b"\0\3\0\4")


def test_other_protocols_are_packets_without_ports() -> None:
    found = decoded(IP(src=SRC, dst=DST, proto=89) / Raw(b"\2\1hello"), None)
    assert (found.proto, found.sport, found.payload) == (89, 0, b"\2\1hello")


def test_ipv6_extension_headers_are_walked() -> None:
    headers = IPv6ExtHdrHopByHop() / IPv6ExtHdrRouting(addresses=["::1"]) / IPv6ExtHdrDestOpt()
    found = decoded(IPv6(dst=DST6) / headers / UDP(sport=1, dport=2) / Raw(b"x"), None)
    assert (found.proto, found.sport, found.payload) == (17, 1, b"x")

    found = decoded(IPv6(dst=DST6) / IPv6ExtHdrFragment(offset=0, m=0) / UDP(sport=1, dport=2), None)
    assert (found.proto, found.dport, found.fragment) == (17, 2, 0)


def test_mobility_and_host_identity_are_transports() -> None:
    for kind in (135, 139, 140):
        found = decoded(IPv6(nh=kind) / Raw(b"\x3b" + bytes(7)), None)
        assert (found.proto, found.sport, found.payload_len) == (kind, 0, 8)


def test_too_many_extension_headers_are_refused() -> None:
    packet: Packet = IPv6(dst=DST6)
    for _ in range(20):
        packet = packet / IPv6ExtHdrDestOpt()
    assert decode_bytes(bytes(packet / UDP()), None) == "too_deep"


def test_an_authentication_header_is_an_extension_in_ipv6_and_a_transport_in_ipv4() -> None:
    ah = AH(nh=17, payloadlen=4, icv=bytes(12)) / UDP(sport=1, dport=2)
    assert decoded(IPv6(nh=51) / ah, None).proto == 17
    assert decoded(IP(proto=51) / ah, None).proto == 51


def test_a_first_fragment_has_ports_and_a_later_one_is_not_counted() -> None:
    first = decoded(IP(flags="MF") / UDP(sport=1, dport=2, len=3000) / Raw(bytes(1000)), None)
    assert (first.fragment, first.sport, first.dport, first.length) == (1, 1, 2, 1028)
    assert decode_bytes(bytes(IP(frag=100, proto=17) / Raw(bytes(1000))), None) == "later_fragment"

    first = decoded(IPv6() / IPv6ExtHdrFragment(m=1) / UDP(sport=1, dport=2, len=3000) / Raw(bytes(8)), None)
    assert (first.fragment, first.sport) == (1, 1)
    assert decode_bytes(bytes(IPv6() / IPv6ExtHdrFragment(offset=9) / Raw(bytes(8))), None) == "later_fragment"


def test_a_tunnel_is_opened_in_a_first_fragment() -> None:
    whole = bytes(v4(bytes(2000)))
    packet = bytes(outer(flags="MF") / UDP(sport=2152, dport=2152, len=16 + len(whole)))
    gtp = b"\x30\xff" + len(whole).to_bytes(2, "big") + bytes(4) + whole[:1000]
    found = decoded(packet[:2] + (28 + len(gtp)).to_bytes(2, "big") + packet[4:] + gtp, None)

    assert (found.tunnel, found.fragment, found.src, found.dport) == (GTP, 1, mapped(SRC), 443)
    assert (found.payload_len, len(found.payload)) == (2000, 972)


def test_a_cut_capture_keeps_the_lengths_of_the_wire() -> None:
    frame = bytes(ethernet() / IP() / TCP(sport=1, dport=2, seq=9) / Raw(bytes(1000)))

    for cut, payload in ((len(frame), 1000), (254, 200), (54, 0), (40, 0), (38, 0)):
        found = decoded(frame[:cut], 1, len(frame))
        assert (found.sport, found.dport, found.length, found.payload_len) == (1, 2, 1040, 1000)
        assert len(found.payload) == payload
    assert decode_bytes(frame[:37], 1, len(frame)) == "truncated"


def test_padding_is_not_payload() -> None:
    assert decoded(bytes(ethernet() / v4(b"x")) + bytes(17)).payload == b"x"
    assert decoded(bytes(ethernet() / v6(b"x")) + bytes(17)).payload == b"x"
    assert decoded(ethernet() / IP() / UDP(len=9) / Raw(b"xy")).payload == b"x"


def test_lengths_left_to_the_network_card_mean_what_is_there() -> None:
    large = Raw(bytes(70_000))
    found = decoded(IP(len=0) / TCP() / large, None)
    assert (found.length, found.payload_len) == (70_040, 70_000)
    found = decoded(IPv6(plen=0) / TCP() / large, None)
    assert (found.length, found.payload_len) == (70_060, 70_000)


@pytest.mark.parametrize(
    ("packet", "linktype", "why"),
    [
        (b"", 1, "truncated"),
        (b"", None, "truncated"),
        (ethernet() / ARP(), 1, "not_ip"),
        (ethernet() / PPPoE(code=9) / Raw(bytes(20)), 1, "not_ip"),
        (MAC + b"\0\x26\x42\x42\x03" + bytes(35), 1, "not_ip"),
        (Dot11(type=0, subtype=8), 105, "not_ip"),
        (RadioTap() / Dot11(type=2, FCfield="protected") / Raw(bytes(40)), 127, "not_ip"),
        (Dot11(type=2, subtype=12) / Dot11QoS() / Raw(bytes(40)), 105, "not_ip"),
        (LLC() / SNAP(), 9999, "unknown_link"),
        (HDLC() / PPP(proto=0xC021) / Raw(bytes(8)), 50, "not_ip"),
        (Loopback(type=7) / Raw(bytes(40)), 0, "not_ip"),
        (ethernet(type=0x800) / Raw(b"\x75" + bytes(40)), 1, "not_ip"),
        (IP(ihl=4) / UDP(), None, "bad_header"),
        (IP(len=19) / UDP(), None, "bad_header"),
        (IP(len=27) / UDP(), None, "bad_header"),
        (IP() / UDP(len=7), None, "bad_header"),
        (IP() / TCP(dataofs=4), None, "bad_header"),
        (IP() / TCP(dataofs=9), None, "bad_header"),
        (IPv6(nh=0, plen=4) / Raw(b"\x11\0\0\0"), None, "bad_header"),
        (IPv6(nh=44, plen=4) / Raw(b"\x11\0\0\0"), None, "bad_header"),
        (ethernet(type=0x8847) / Raw(bytes(80)), 1, "not_ip"),
        (ppi(250, bytes(40)), 192, "unknown_link"),
        (ppi(192, bytes(40)), 192, "unknown_link"),
        (pktap(258, bytes(200)), 258, "unknown_link"),
        (nflog(b"\0\1\x08\0\6\4\0\1" + bytes(20), af=3), 239, "not_ip"),
        (nflog(bytes(40), af=7, header=b"\x08\6\1\0"), 239, "not_ip"),
        (bytes([2, 0, 0, 5]) + b"\3\0\1\0" + bytes(40), 239, "not_ip"),
        (bytes([2, 0, 0, 5]) + b"\4\0\2\0" * 40, 239, "not_ip"),
        (bytes([2, 0, 0, 5]) + b"\4\0\2\0" * 4, 239, "truncated"),
        (pflog(16) + bytes(v4()), 117, "not_ip"),
        (b"\0\2" + bytes(60), 117, "truncated"),
        (b"\x19\x03\xcc" + bytes(v4()), 107, "not_ip"),
        (b"\x18\x40\x02\x04\x05\x03\xcc" + bytes(v4()), 107, "not_ip"),
        (b"\0\1\x03\x08\0\x75" + bytes(20), 107, "not_ip"),
        (b"\x18\x41\x03\0\x80\0\x80\xc2\0\x0e" + bytes(40), 107, "not_ip"),
    ],
)
def test_what_is_not_decoded_says_why(packet: Packet | bytes, linktype: int | None, why: str) -> None:
    assert decode_bytes(bytes(packet), linktype) == why


def test_endless_tags_end() -> None:
    assert decode_bytes(MAC + b"\x81\0\0\1" * 1000, 1) == "too_deep"
