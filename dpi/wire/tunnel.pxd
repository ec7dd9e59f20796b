"""Is there an IP packet inside of this packet?

A tunnel that IP announces (GRE, IP-in-IP) is one by its protocol number.  One inside of UDP is only known by its
port, which anybody may use; so its header must be exactly as its standard says, and the packet inside must fit.
Where the destination's port alone counts, the source's is a hash of the inner flow.

L2TP's version 3 is left closed: how long its cookie is, and whether a sublayer follows, only its two ends know.
"""
from libc.stdint cimport uint16_t, uint32_t

from dpi.wire.cursor cimport Cursor, be16, skip, u8, u16, u24, u32
from dpi.wire.ip cimport NEXT_ETHERIP, NEXT_ETHERNET, NEXT_GRE, NEXT_IPIP, NEXT_IPV6, NEXT_MPLS, claims
from dpi.wire.link cimport ETHER_PPP, ETHER_TEB, NOTHING, RAW_IP, by_next, ethernet, mpls, shims, wifi
from dpi.wire.packet cimport (
    IP_TCP, IP_UDP, TUNNEL_CAPWAP, TUNNEL_ERSPAN, TUNNEL_ETHERNET, TUNNEL_GENEVE, TUNNEL_GRE, TUNNEL_GTP, TUNNEL_IPIP,
    TUNNEL_L2TP, TUNNEL_MPLS, TUNNEL_NONE, TUNNEL_TZSP, TUNNEL_VXLAN, Packet, Tunnel,
)
from dpi.wire.view cimport FINE, View, on_wire, trim


cdef enum:
    PORT_L2TP = 1701
    PORT_GTP = 2152
    PORT_VXLAN = 4789
    PORT_VXLAN_GPE = 4790
    PORT_CAPWAP = 5247
    PORT_GENEVE = 6081
    PORT_MPLS = 6635
    PORT_VXLAN_LINUX = 8472     # the kernel's own default, from before there was a standard
    PORT_TZSP = 37008           # 0x9090, where MikroTik's sniffer sends what it sees
    HASHED_PORT_MIN = 49152     # of MPLS in UDP (RFC 7510, 3)
    GTP_EXTENSIONS_MAX = 8
    TZSP_TAGS_MAX = 32
    GRE_ERSPAN = 0x88be         # types I and II
    GRE_ERSPAN_III = 0x22eb


cdef inline uint32_t gre(Cursor *c) noexcept nogil:
    """RFC 2784 and 2890; version 1 is PPTP's (RFC 2637, 4.1)."""
    cdef uint32_t flags = u16(c)
    cdef uint32_t kind = u16(c)
    cdef uint32_t version = flags & 7
    if version > 1 or flags & 0x4000 or (version == 1) != (kind == ETHER_PPP):  # 0x4000: source routes, long gone
        return NOTHING
    if flags & 0x8000:      # checksum
        skip(c, 4)
    if flags & 0x2000:      # key
        skip(c, 4)
    if flags & 0x1000:      # sequence number
        skip(c, 4)
    if version == 1 and flags & 0x0080:     # acknowledgment number
        skip(c, 4)
    return kind


cdef inline uint32_t erspan(Cursor *c) noexcept nogil:
    """What a switch mirrors (draft-foschiano-erspan-03, 4): type I is the frame right behind GRE's header; II and III
    have a sequence number, and headers of 8 and 12 bytes, III's with 8 more where its last bit (O) says so."""
    cdef uint32_t flags = u16(c)
    cdef uint32_t kind = u16(c)
    cdef uint32_t version, last
    if kind == GRE_ERSPAN and flags == 0:
        return ETHER_TEB
    skip(c, 4)
    version = u16(c) >> 12
    if flags != 0x1000 or version != (1 if kind == GRE_ERSPAN else 2):
        return NOTHING
    skip(c, 6)              # session; index or time
    if kind == GRE_ERSPAN:
        return ETHER_TEB
    skip(c, 2)              # security group
    last = u16(c)
    if last & 1:
        skip(c, 8)
    if last >> 10 & 0x1f == 2:
        return RAW_IP
    return ETHER_TEB if last >> 10 & 0x1f == 0 else NOTHING


cdef inline uint32_t gtp(View *v) noexcept nogil:
    """A T-PDU of GTP-U (3GPP TS 29.281, 5.1 and 5.2)."""
    cdef uint32_t flags = u8(&v.c)
    cdef uint32_t message = u8(&v.c)
    cdef uint32_t length = u16(&v.c)
    cdef uint32_t extension = 0
    cdef int _i
    skip(&v.c, 4)           # tunnel endpoint identifier
    if flags & 0xf8 != 0x30 or message != 255 or length > on_wire(v):   # version 1, not GTP', spare bit 0
        return NOTHING
    trim(v, length)
    if flags & 7:           # any of the optional fields: all of them are there
        skip(&v.c, 3)
        extension = u8(&v.c)
        if not flags & 4:
            extension = 0
    for _i in range(GTP_EXTENSIONS_MAX):
        if extension == 0:
            return RAW_IP
        length = u8(&v.c) * 4
        if length == 0:
            return NOTHING
        skip(&v.c, <Py_ssize_t>length - 2)
        extension = u8(&v.c)
    return NOTHING


cdef inline uint32_t vxlan(Cursor *c) noexcept nogil:
    """RFC 7348, 5; draft-smith-vxlan-group-policy, 2.1, where the sender's group stands in the header."""
    cdef uint32_t flags = u32(c)
    cdef uint32_t network = u32(c)
    if flags >> 31:             # G: then D, A and the group
        flags &= 0x7fb70000
    return ETHER_TEB if flags == 0x08000000 and network & 0xff == 0 else NOTHING


cdef inline uint32_t vxlan_gpe(Cursor *c) noexcept nogil:
    """draft-ietf-nvo3-vxlan-gpe, 3: version 0, not OAM, of which instance (I) and what is inside (P)."""
    cdef uint32_t flags = u24(c)
    cdef uint32_t protocol = u8(c)
    cdef uint32_t network = u32(c)
    return by_next(protocol) if flags & 0xfdffff == 0x0c0000 and network & 0xff == 0 else <uint32_t>NOTHING


cdef inline uint32_t geneve(Cursor *c) noexcept nogil:
    """RFC 8926, 3.4: version 0, not control (O), options in words, what is inside as an EtherType."""
    cdef uint32_t flags = u16(c)
    cdef uint32_t kind = u16(c)
    cdef uint32_t network = u32(c)
    if flags & 0xc0bf or network & 0xff:
        return NOTHING
    skip(c, <Py_ssize_t>(flags >> 8) * 4)
    return kind


cdef inline uint32_t labels(View *v, bint whole) noexcept nogil:
    """RFC 4023, 3 and RFC 7510, 3: a stack of MPLS labels and nothing else, which is little to know it by; so an IP
    packet right behind has to be all of the rest (whole: of what is no fragment)."""
    cdef uint32_t kind = mpls(&v.c)
    if kind != RAW_IP or not whole:
        return kind
    return RAW_IP if claims(&v.c) == on_wire(v) else NOTHING


cdef inline uint32_t l2tp(Cursor *c) noexcept nogil:
    """A data message of version 2 (RFC 2661, 3.1), whose inside is PPP's."""
    cdef uint32_t flags = u16(c)
    if flags & 0xb4ff != 0x0002:    # T: control
        return NOTHING
    if flags & 0x4000:              # length
        skip(c, 2)
    skip(c, 4)                      # tunnel and session
    if flags & 0x0800:              # sequence numbers
        skip(c, 4)
    if flags & 0x0200:              # offset
        skip(c, <Py_ssize_t>u16(c))
    return ETHER_PPP


cdef inline uint32_t etherip(Cursor *c) noexcept nogil:
    """RFC 3378, 3: version 3 and zeros."""
    return ETHER_TEB if u16(c) == 0x3000 else NOTHING


cdef inline uint32_t capwap(Cursor *c) noexcept nogil:
    """The data channel in the clear (RFC 5415, 4.3): an 802.3 frame, or an 802.11 one where the T bit says so."""
    cdef uint32_t preamble = u8(c)
    cdef uint32_t word = u24(c)
    cdef uint32_t size = word >> 19
    cdef uint32_t binding = word >> 9 & 0x1f
    cdef uint32_t offset
    if preamble != 0 or size < 2:
        return NOTHING
    offset = u32(c) >> 3 & 0x1fff
    if word & 0x80 and offset:      # F: a fragment, and not the first
        return NOTHING
    skip(c, <Py_ssize_t>size * 4 - 8)
    if word & 0x100:                # T: the frame is as the binding has it
        return wifi(c) if binding == 1 else <uint32_t>NOTHING
    return ethernet(c)


cdef inline uint32_t tzsp(Cursor *c) noexcept nogil:
    """TaZmen Sniffer Protocol: version 1, a packet received (0) or to be sent (1), what it is; tags, each with its length
    but padding (0) and the end (1), which must be there."""
    cdef uint32_t head = u32(c)
    cdef uint32_t tag
    cdef int _i
    if head >> 17 != 0x80:
        return NOTHING
    for _i in range(TZSP_TAGS_MAX):
        tag = u8(c)
        if tag == 1:
            break
        if tag:
            skip(c, <Py_ssize_t>u8(c))
    else:
        return NOTHING
    if head & 0xffff == 1:
        return ETHER_TEB
    return wifi(c) if head & 0xffff == 18 else NOTHING


cdef inline bint by_port(const Packet *p, uint16_t port) noexcept nogil:
    return p.sport == port or p.dport == port


cdef inline bint near_ports(uint16_t port) noexcept nogil:
    """Whether it may be one of PORT_*: nearly all packets of UDP are let go by this alone."""
    return PORT_L2TP <= port <= PORT_VXLAN_LINUX or port == PORT_TZSP


cdef inline Tunnel announced(const Packet *p) noexcept nogil:
    if p.proto == IP_TCP:
        return TUNNEL_NONE
    if p.proto == IP_UDP:
        if not near_ports(p.dport) and not near_ports(p.sport):
            return TUNNEL_NONE
        if by_port(p, PORT_GTP):
            return TUNNEL_GTP
        if by_port(p, PORT_CAPWAP):
            return TUNNEL_CAPWAP
        if by_port(p, PORT_L2TP):
            return TUNNEL_L2TP
        if p.dport in (PORT_VXLAN, PORT_VXLAN_GPE, PORT_VXLAN_LINUX):
            return TUNNEL_VXLAN
        if p.dport == PORT_GENEVE:
            return TUNNEL_GENEVE
        if p.dport == PORT_TZSP:
            return TUNNEL_TZSP
        if p.dport == PORT_MPLS and p.sport >= HASHED_PORT_MIN:
            return TUNNEL_MPLS
    elif p.proto == NEXT_IPIP or p.proto == NEXT_IPV6:
        return TUNNEL_IPIP
    elif p.proto == NEXT_GRE:
        return TUNNEL_ERSPAN if p.n >= 4 and be16(p.payload + 2) in (GRE_ERSPAN, GRE_ERSPAN_III) else TUNNEL_GRE
    elif p.proto == NEXT_MPLS:
        return TUNNEL_MPLS
    elif p.proto == NEXT_ETHERIP or p.proto == NEXT_ETHERNET:
        return TUNNEL_ETHERNET
    return TUNNEL_NONE


cdef inline bint opened(View *v, const Packet *p, Tunnel tunnel, uint16_t *vlan) noexcept nogil:
    """From p's payload, which is the tunnel's, to the IP header inside of it, if there may be one."""
    cdef uint32_t kind = RAW_IP
    if tunnel == TUNNEL_GTP:
        kind = gtp(v)
    elif tunnel == TUNNEL_VXLAN:
        kind = vxlan_gpe(&v.c) if p.dport == PORT_VXLAN_GPE else vxlan(&v.c)
    elif tunnel == TUNNEL_CAPWAP:
        kind = capwap(&v.c)
    elif tunnel == TUNNEL_GRE:
        kind = gre(&v.c)
    elif tunnel == TUNNEL_ERSPAN:
        kind = erspan(&v.c)
    elif tunnel == TUNNEL_TZSP:
        kind = tzsp(&v.c)
    elif tunnel == TUNNEL_GENEVE:
        kind = geneve(&v.c)
    elif tunnel == TUNNEL_MPLS:
        kind = labels(v, p.fragment == 0)
    elif tunnel == TUNNEL_L2TP:
        kind = l2tp(&v.c)
    elif tunnel == TUNNEL_ETHERNET:     # RFC 8986, 10.1: the frame and nothing else
        kind = etherip(&v.c) if p.proto == NEXT_ETHERIP else <uint32_t>ETHER_TEB
    return shims(v, kind, vlan) == FINE
