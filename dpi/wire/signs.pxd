"""Signs that a packet's receiver may not take it, though it passes here: what decoys are made with.

A TTL too low to get there, a checksum that is wrong, a signature (RFC 2385) or a time (RFC 7323) that the other end refuses.
None is a proof: captures have checksums that the card was to fill in, and some servers do not look.  So what bears a sign
that its connection's SYN does not bear is in doubt, and no more.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

from dpi.wire.packet cimport FRAGMENT_NONE, IP_TCP, SUM_LEFT, SUM_OPEN, Packet, is_multicast
from dpi.wire.cursor cimport be16, be32


cdef enum Sign:
    SIGN_HOPS = 1
    SIGN_SUM = 2
    SIGN_SIGNED = 4

    HOPS_MIN = 32           # no way on the Internet is as long: what has that many left arrives
    FRAME_MAX = 1500        # longer packets are many that were put together, with the checksum of one


cdef struct Signs:
    uint8_t signs
    uint32_t stamp          # the sender's time; 0: it says none


cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>

    static inline uint16_t dpi_fold_sum(uint64_t sum) {
        while (sum >> 16)
            sum = (sum & 0xffff) + (sum >> 16);
        return (uint16_t)sum;
    }

    /* The Internet checksum (RFC 1071), in the machine's byte order: it does not matter. */
    static inline uint64_t dpi_sum(const uint8_t *p, uint32_t n) {
        uint64_t sum = 0;
        uint32_t word = 0;
        for (; n >= 4; n -= 4, p += 4) {
            memcpy(&word, p, 4);
            sum += word;
        }
        word = 0;
        memcpy(&word, p, n);
        return sum + word;
    }

    /* What pseudo headers add to it, of IP packets with a transport of n bytes. */
    static inline uint64_t dpi_pseudo(const uint8_t *addresses, uint32_t size, uint8_t proto, uint32_t n) {
        uint8_t rest[4] = {0, proto, (uint8_t)(n >> 8), (uint8_t)n};
        return dpi_sum(addresses, size) + dpi_sum(rest, 4);
    }
    """
    uint16_t fold "dpi_fold_sum"(uint64_t sum) noexcept nogil
    uint64_t sum_of "dpi_sum"(const uint8_t *p, uint32_t n) noexcept nogil
    uint64_t pseudo_sum "dpi_pseudo"(const uint8_t *addresses, uint32_t size, uint8_t proto, uint32_t n) noexcept nogil


cdef inline const uint8_t *transport_of(const Packet *p, uint32_t *n) noexcept nogil:
    """Its header, and how many bytes of it and what follows were captured; NULL where that is not told at once."""
    cdef uint32_t size
    if p.ip == NULL or p.fragment != FRAGMENT_NONE or p.ip_n < 20:
        return NULL
    if p.ip[0] >> 4 == 4:
        size = (p.ip[0] & 15) * 4
    else:
        size = 40
        if p.ip_n < 40 or p.ip[6] != p.proto:
            return NULL
    if p.ip_n < size + 8 or p.length < size:
        return NULL
    n[0] = min(p.ip_n, p.length) - size
    return p.ip + size


cdef inline bint wrong_sum(const Packet *p, const uint8_t *t, uint32_t n) noexcept nogil:
    """Whether a packet that is all there has another checksum.  In captures one that the card was to fill in is none."""
    cdef bint v4 = p.ip[0] >> 4 == 4
    cdef uint32_t at = 16 if p.proto == IP_TCP else 6
    cdef uint64_t pseudo
    if p.summed == SUM_LEFT or p.length > FRAME_MAX or p.ip_n < p.length or n < at + 2:
        return False
    if t[at] == 0 and t[at + 1] == 0 and p.proto != IP_TCP:
        return False                        # RFC 768: none
    pseudo = pseudo_sum(p.ip + (12 if v4 else 8), 8 if v4 else 32, p.proto, n)
    if fold(pseudo + sum_of(t, n)) == 0xffff:
        return False
    return p.summed == SUM_OPEN or fold(pseudo) != fold(sum_of(t + at, 2))


cdef inline void read_options(const uint8_t *t, uint32_t n, Signs *out) noexcept nogil:
    """RFC 9293, 3.1: kinds and lengths."""
    cdef uint32_t size = min((t[12] >> 4) * 4, n)
    cdef uint32_t at = 20
    while at + 1 < size and t[at]:
        if t[at] == 1:
            at += 1
            continue
        if t[at] == 19 or t[at] == 29:      # MD5, and TCP-AO (RFC 5925)
            out.signs |= SIGN_SIGNED
        elif t[at] == 8 and t[at + 1] == 10 and at + 10 <= size:
            out.stamp = be32(t + at + 2)
        if t[at + 1] < 2:
            return
        at += t[at + 1]


cdef inline Signs signs_of(const Packet *p) noexcept nogil:
    cdef Signs out
    cdef uint32_t n = 0
    cdef const uint8_t *t = transport_of(p, &n)
    out.signs = SIGN_HOPS if 0 < p.ttl < HOPS_MIN and not is_multicast(p.dst) else 0
    out.stamp = 0
    if t == NULL:
        return out
    if p.proto == IP_TCP and n >= 20:
        read_options(t, n, &out)
    if wrong_sum(p, t, n):
        out.signs |= SIGN_SUM
    return out


cdef inline uint16_t urgent_of(const Packet *p) noexcept nogil:
    """How many bytes of the payload there are up to the urgent one, and with it (RFC 6093, 3.1); 0: it is not told."""
    cdef uint32_t n = 0
    cdef const uint8_t *t = transport_of(p, &n)
    return be16(t + 18) if t != NULL and n >= 20 else 0
