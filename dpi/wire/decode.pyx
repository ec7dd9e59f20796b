"""The packet decoder: takes off the link layer, opens tunnels, and names the fields of the innermost IP packet.

It believes no length and checks no checksum: packets that the kernel has put together (GRO) or will take apart
(GSO) are longer than any MTU, and their checksums are left to the card.  What was captured may be less than what
was on the wire; a packet whose ports were captured is decoded.

Tunnels are opened to a bounded depth.  One whose inside is not a packet is not a tunnel: then the packet is decoded
as what carries it.

The layers are inline functions in link.pxd, ip.pxd and tunnel.pxd, so that the compiler sees the whole way of a packet.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport alive, be32, left, skip, take, u8, u16
from dpi.wire.ip cimport IpHeader, copy_addresses, ip
from dpi.wire.link cimport LINK_ETHERNET, link
from dpi.wire.packet cimport (
    FRAGMENT_FIRST, FRAGMENT_LATER, FRAGMENT_NONE, IP_ICMP, IP_ICMPV6, IP_SCTP, IP_TCP, IP_UDP, SUM_AS_CAPTURED, TUNNEL_ERSPAN, TUNNEL_GRE,
    TUNNEL_IPIP, TUNNEL_NONE, Packet, Tunnel,
)
from dpi.wire.tunnel cimport announced, opened
from dpi.wire.view cimport (
    BAD_HEADER, FINE, LATER_FRAGMENT, TOO_DEEP, TRUNCATED, Fault, Faults, View, note, on_wire, trim, view_of,
)

from typing import NamedTuple


cdef extern from *:
    bint likely(bint condition) noexcept nogil      # Cython's: what opens tunnels takes no register of other packets'


cdef enum:
    DEPTH_MAX = 4           # IP headers
    MAC = 6                 # bytes
    FRAGMENTED_MAX = 0xffff     # what a datagram may have behind its first fragment


cdef inline Fault transport(View *v, Packet *p) noexcept nogil:
    """Reads the transport's header and leaves v at the payload, dead where that was not captured.

    The ports (ICMP: the type) suffice where a capture, or a first fragment, ends before the header does.
    """
    cdef View h = v[0]
    cdef uint32_t here = <uint32_t>left(&v.c)
    cdef uint32_t there
    cdef uint32_t needed = 4
    cdef uint32_t size, length
    cdef const uint8_t *q
    if p.proto == IP_TCP:               # RFC 9293, 3.1
        p.sport = u16(&h.c)
        p.dport = u16(&h.c)
        q = take(&h.c, 10)
        size = 20
        if q != NULL:
            p.seq = be32(q)
            p.ack = be32(q + 4)
            size = (q[8] >> 4) * 4
            p.tcp_flags = q[9]
            if size < 20:
                return BAD_HEADER
    elif p.proto == IP_UDP:             # RFC 768
        p.sport = u16(&h.c)
        p.dport = u16(&h.c)
        length = u16(&h.c)
        size = 8
        if length:                      # 0: too long for the field
            if length < 8 and here >= 6:
                return BAD_HEADER
            trim(v, length)
    elif p.proto == IP_SCTP:            # RFC 9260, 3.1
        p.sport = u16(&h.c)
        p.dport = u16(&h.c)
        size = 12
    elif p.proto == IP_ICMP or p.proto == IP_ICMPV6:
        p.icmp_type = u8(&h.c)
        needed = 1
        size = 8 if on_wire(v) >= 8 else 4      # some of ICMPv6's are just type, code and checksum
    else:
        needed = size = 0
    there = on_wire(v)
    if there < size and p.fragment == 0:
        return BAD_HEADER
    if here < needed:
        return TRUNCATED
    p.payload_len = there - size if there > size else 0
    skip(&v.c, size)
    p.payload = v.c.p
    p.n = <uint32_t>left(&v.c)
    return FINE


cdef inline Fault layer(View *v, Packet *p, bint by_port) noexcept nogil:
    """One IP header and the transport's; leaves v at the payload, dead where the capture ends before it.

    by_port: only a port said that this is an IP header, so it has to fit.
    """
    cdef IpHeader h
    cdef View start = v[0]
    cdef Fault fault = ip(v, &h)
    if fault != FINE:
        return fault
    if by_port and (h.claimed == 0 or h.claimed > on_wire(&start)):
        return BAD_HEADER
    copy_addresses(&h, p.src, p.dst)
    p.version = h.version
    p.proto = h.proto
    p.dscp = h.dscp
    p.ttl = h.ttl
    p.length = h.length
    p.sport = p.dport = 0
    p.seq = p.ack = 0
    p.tcp_flags = p.icmp_type = 0
    if not p.fragment:                  # else the outer one's: it has to be put together first
        p.ip = start.c.p
        p.ip_n = <uint32_t>(v.c.end - start.c.p)
        if h.fragmented:
            p.fragment = FRAGMENT_LATER if h.offset else FRAGMENT_FIRST
    if h.offset:
        p.fragment = FRAGMENT_LATER
        p.payload = v.c.p
        p.n = p.payload_len = 0
        return LATER_FRAGMENT
    return transport(v, p)


cdef inline bint layers(View *v, Packet *out, Faults *faults) noexcept nogil:
    """v is at an IP header; of `out` the link layer's part is known."""
    cdef Packet inner
    cdef Tunnel tunnel
    cdef Fault fault = layer(v, out, False)
    cdef int depth
    for depth in range(1, DEPTH_MAX + 1):
        if fault != FINE:
            note(faults, fault)
            return False
        tunnel = announced(out)
        if likely(tunnel == TUNNEL_NONE or not alive(&v.c)):
            return True
        if depth == DEPTH_MAX:
            break
        if out.fragment:
            v.beyond += FRAGMENTED_MAX
        inner = out[0]
        inner.tunnel = tunnel
        if not opened(v, out, tunnel, &inner.vlan):
            return True
        fault = layer(v, &inner, tunnel != TUNNEL_GRE and tunnel != TUNNEL_IPIP and tunnel != TUNNEL_ERSPAN)
        if fault != FINE and fault != LATER_FRAGMENT:
            return True
        out[0] = inner
    note(faults, TOO_DEEP)
    return True


cdef inline void clear(Packet *p) noexcept nogil:
    """Nothing is known but what the caller knows and we do not; layer() writes the rest."""
    p.vlan = 0
    p.sender = p.receiver = NULL
    p.tunnel = TUNNEL_NONE
    p.fragment = FRAGMENT_NONE
    p.hash = p.n = p.ip_n = p.payload_len = 0
    p.summed = SUM_AS_CAPTURED
    p.payload = p.ip = NULL


cdef bint decode(
    const uint8_t *data, uint32_t caplen, uint32_t wirelen, uint32_t linktype, Packet *out, Faults *faults
) noexcept nogil:
    cdef View v = view_of(data, caplen, wirelen)
    cdef Fault fault
    clear(out)
    if linktype == LINK_ETHERNET and caplen >= 2 * MAC:
        out.receiver = data
        out.sender = data + MAC
    fault = link(&v, linktype, &out.vlan)
    if fault != FINE:
        note(faults, fault)
        return False
    return layers(&v, out, faults)


cdef bint decode_ip(
    const uint8_t *data, uint32_t caplen, uint32_t wirelen, Packet *out, Faults *faults
) noexcept nogil:
    cdef View v = view_of(data, caplen, wirelen)
    clear(out)
    return layers(&v, out, faults)


FAULT_NAMES = (
    "fine", "unknown_link", "not_ip", "truncated", "bad_header", "later_fragment", "too_deep", "lost_fragment",
)

Decoded = NamedTuple("Decoded", [
    ("version", int), ("proto", int), ("src", bytes), ("dst", bytes), ("sport", int), ("dport", int),
    ("vlan", int), ("dscp", int), ("ttl", int), ("tcp_flags", int), ("icmp_type", int), ("seq", int), ("ack", int),
    ("tunnel", int), ("fragment", int), ("length", int), ("payload_len", int), ("payload", bytes),
    ("too_deep", bool),
])


cdef object as_tuple(const Packet *p, const Faults *faults):
    return Decoded(
        version=p.version, proto=p.proto, src=(<const char *>p.src)[:16], dst=(<const char *>p.dst)[:16],
        sport=p.sport, dport=p.dport, vlan=p.vlan, dscp=p.dscp, ttl=p.ttl, tcp_flags=p.tcp_flags,
        icmp_type=p.icmp_type, seq=p.seq, ack=p.ack, tunnel=p.tunnel, fragment=p.fragment, length=p.length,
        payload_len=p.payload_len, payload=(<const char *>p.payload)[:p.n] if p.n else b"",
        too_deep=faults.count[<int>TOO_DEEP] != 0,
    )


def decode_bytes(data: bytes, linktype: int | None = 1, wirelen: int = 0):
    """The packet as a Decoded, or the Fault's name.  linktype None: an IP header comes first."""
    cdef Packet p
    cdef Faults faults
    cdef uint8_t *block
    cdef uint32_t n = len(data)
    cdef bint found
    memset(&p, 0, sizeof(p))
    memset(&faults, 0, sizeof(faults))
    block = block_of(data)
    try:
        if linktype is None:
            found = decode_ip(block, n, wirelen or n, &p, &faults)
        else:
            found = decode(block, n, wirelen or n, linktype, &p, &faults)
        if found:
            return as_tuple(&p, &faults)
        return next(name for name, count in zip(FAULT_NAMES, faults.count, strict=True) if count)
    finally:
        free(block)
