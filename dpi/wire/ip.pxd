"""IPv4 (RFC 791) and IPv6 with its extension headers (RFC 8200): one header struct for both.

Extension headers are walked as the kernel's ipv6_skip_exthdr() does, so that both sides of a queue agree on the
transport: an authentication header is walked over in IPv6, and is the transport in IPv4; mobility's, HIP's and Shim6's
are the transport.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcpy

from dpi.wire.cursor cimport Cursor, alive, be16, left, skip, take, u8, u16, u32
from dpi.wire.view cimport BAD_HEADER, FINE, NOT_IP, TOO_DEEP, TRUNCATED, Fault, View, on_wire, trim


cdef enum:
    EXTENSIONS_MAX = 8

    NEXT_HOP_BY_HOP = 0
    NEXT_IPIP = 4
    NEXT_IPV6 = 41
    NEXT_ROUTING = 43
    NEXT_FRAGMENT = 44
    NEXT_GRE = 47
    NEXT_AUTHENTICATION = 51
    NEXT_NONE = 59
    NEXT_OPTIONS = 60
    NEXT_ETHERIP = 97
    NEXT_MPLS = 137
    NEXT_ETHERNET = 143


cdef struct IpHeader:
    uint8_t version
    uint8_t proto           # of what follows the header and its extensions
    uint8_t dscp
    uint8_t ttl
    const uint8_t *addresses    # the source's, then the destination's, as they lie in the header
    uint32_t length         # of the packet on the wire, this header included
    uint32_t claimed        # the same as the header says it, 0 where it does not
    uint16_t unfragmented   # bytes of header that every fragment repeats
    uint16_t next_at        # where, among those, IPv6 says what comes next
    bint fragmented
    bint more               # fragments follow
    uint32_t offset         # of the fragment's data, in bytes
    uint32_t id


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    /* In words: bytes that are written one by one and then read as a word wait for each other. */
    static inline void dpi_map_v4(uint8_t *to, const uint8_t *v4) {
        uint64_t halves[2] = {0, 0};
        uint32_t address;
        memcpy(&address, v4, 4);
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        halves[1] = (uint64_t)address << 32 | 0xffff0000u;
    #else
        halves[1] = (uint64_t)0xffff << 32 | address;
    #endif
        memcpy(to, halves, 16);
    }
    """
    void map_v4 "dpi_map_v4"(uint8_t *to, const uint8_t *v4) noexcept nogil


cdef inline void copy_addresses(const IpHeader *h, uint8_t *src, uint8_t *dst) noexcept nogil:
    """16 bytes each; IPv4's are mapped (RFC 4291, 2.5.5.2)."""
    if h.version == 4:
        map_v4(src, h.addresses)
        map_v4(dst, h.addresses + 4)
    else:
        memcpy(src, h.addresses, 16)
        memcpy(dst, h.addresses + 16, 16)


cdef inline uint32_t claims(const Cursor *c) noexcept nogil:
    """The length that the IP header at c says it has with all behind it; 0 where there is none."""
    if left(c) < 20:
        return 0
    if c.p[0] >> 4 == 4:
        return be16(c.p + 2)
    return 40 + be16(c.p + 4) if c.p[0] >> 4 == 6 else 0


cdef inline Fault ipv4(View *v, IpHeader *h) noexcept nogil:
    cdef Cursor c = v.c
    cdef const uint8_t *q = take(&c, 20)
    cdef uint32_t size, total, flags
    if q == NULL:
        return TRUNCATED
    size = (q[0] & 0x0f) * 4
    total = be16(q + 2)
    flags = be16(q + 6)
    h.dscp = q[1] >> 2
    h.id = be16(q + 4)
    h.ttl = q[8]
    h.proto = q[9]
    h.addresses = q + 12    # behind the checksum, which offloading leaves to the card
    h.claimed = total
    if total == 0:          # left to the card too (TSO), or too large for the field (BIG TCP)
        total = on_wire(v)
    if size < 20 or total < size:
        return BAD_HEADER
    h.version = 4
    h.more = flags >> 13 & 1
    h.offset = (flags & 0x1fff) * 8
    h.fragmented = h.more or h.offset != 0
    h.unfragmented = size
    h.next_at = 9
    trim(v, total)
    h.length = on_wire(v)
    skip(&v.c, size)
    return FINE if alive(&v.c) else TRUNCATED


cdef inline Fault ipv6(View *v, IpHeader *h) noexcept nogil:
    cdef Py_ssize_t whole = left(&v.c)
    cdef uint32_t first = u32(&v.c)
    cdef uint32_t payload = u16(&v.c)
    cdef uint8_t kind = u8(&v.c)
    cdef uint32_t size
    cdef int _i
    h.ttl = u8(&v.c)
    h.addresses = take(&v.c, 32)
    if h.addresses == NULL:
        return TRUNCATED
    h.version = 6
    h.dscp = first >> 22 & 0x3f
    h.claimed = 40 + payload if payload or kind == NEXT_NONE else 0
    if h.claimed:           # else a jumbogram (RFC 2675), TSO or BIG TCP: what is there
        trim(v, payload)
    h.length = 40 + on_wire(v)
    h.next_at = 6
    h.unfragmented = 40
    h.fragmented = h.more = False
    h.offset = h.id = 0
    for _i in range(EXTENSIONS_MAX):
        if kind == NEXT_FRAGMENT and not h.fragmented:
            h.unfragmented = <uint16_t>(whole - left(&v.c))
            kind = u8(&v.c)
            skip(&v.c, 1)
            size = u16(&v.c)
            h.id = u32(&v.c)
            h.more = size & 1
            h.offset = size & 0xfff8
            h.fragmented = h.more or h.offset != 0      # neither: an atomic fragment, RFC 6946
            if h.offset:    # what follows is the middle of something
                break
        elif kind in (NEXT_HOP_BY_HOP, NEXT_ROUTING, NEXT_OPTIONS):
            if not h.fragmented:
                h.next_at = <uint16_t>(whole - left(&v.c))
            kind = u8(&v.c)
            size = u8(&v.c)
            skip(&v.c, size * 8 + 6)
        elif kind == NEXT_AUTHENTICATION:
            if not h.fragmented:
                h.next_at = <uint16_t>(whole - left(&v.c))
            kind = u8(&v.c)
            size = u8(&v.c)
            skip(&v.c, size * 4 + 6)
        else:
            break
    else:
        if alive(&v.c):
            return TOO_DEEP
    h.proto = kind
    return FINE if alive(&v.c) else (TRUNCATED if v.beyond else BAD_HEADER)


cdef inline Fault ip(View *v, IpHeader *h) noexcept nogil:
    """Reads the header at v and leaves v at what follows it, cut to the packet's own length."""
    cdef uint8_t version
    if left(&v.c) < 1:
        return TRUNCATED
    version = v.c.p[0] >> 4
    if version == 4:
        return ipv4(v, h)
    if version == 6:
        return ipv6(v, h)
    return NOT_IP
