"""Routers, switches and access points among themselves, and with their clouds."""

from libc.stdint cimport uint16_t, uint32_t

from dpi.dissect.answer cimport MORE, NO, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *


cdef Answer lisp(const Sight *s, Found *out) noexcept nogil:
    """RFC 9301, 5 (4342: control; RFC 8111, 6 and its draft on NAT: 6, 7), RFC 9300, 5.1 (4341: IP behind 8 bytes)."""
    if to_or_from(s, 4341):
        return yes(s.n >= 28 and (s.data[8] >> 4 == 4 and be16(s, 10) + 8 == s.wire or s.data[8] >> 4 == 6))
    return yes(s.n >= 12 and (1 <= s.data[0] >> 4 <= 7 or s.data[0] >> 4 == 8 and byte_at(s, 4) >> 4 in (4, 6)))


cdef Answer lisp_tcp(const Sight *s, Found *out) noexcept nogil:
    """LISP's reliable transport: a type, the length of the message, a mark at its end."""
    cdef uint32_t n = be16(s, 2)
    return yes(12 <= n <= s.n and be32(s, n - 4) == 0x9FACADE9U)


cdef Answer hsrp(const Sight *s, Found *out) noexcept nogil:
    """RFC 2281, 5: version 0, an opcode, a state; version 2 has it in a TLV of 40 bytes."""
    if s.n >= 20 and s.data[0] == 0:
        return yes(s.data[1] <= 3 and s.data[2] in (0, 1, 2, 4, 8, 16))
    return yes(s.n >= 20 and s.data[0] in (1, 2, 4) and byte_at(s, 1) + 2 <= s.wire and s.data[1] >= 4)


cdef Answer bfd(const Sight *s, Found *out) noexcept nogil:
    """RFC 5880, 4.1: version 1, the length, a detection multiplier and a discriminator that are not zero."""
    return yes(s.n >= 24 and s.data[0] >> 5 == 1 and s.data[3] >= 24 and s.data[3] <= s.wire and s.data[2]
               and be32(s, 4))


cdef Answer bgp(const Sight *s, Found *out) noexcept nogil:
    """RFC 4271, 4.1: 16 bytes of ones, the length, the type."""
    cdef uint32_t i
    for i in range(s.n if s.n < 16 else 16):
        if s.data[i] != 0xFF:
            return NO
    if s.n < 19:
        return MORE
    return yes(s.data[16] <= 16 and 1 <= s.data[18] <= 5)


cdef Answer ldp(const Sight *s, Found *out) noexcept nogil:
    """RFC 5036, 3.1 and 3.5: version 1, the length, an identifier of a router, label space 0, a message's type."""
    cdef uint16_t kind = be16(s, 10) & 0x7FFF
    return yes(s.n >= 18 and be16(s, 0) == 1 and be16(s, 2) + 4 <= s.wire and be16(s, 2) >= 14
               and (kind == 1 or 0x0100 <= kind <= 0x0404))


cdef Answer openflow(const Sight *s, Found *out) noexcept nogil:
    """OpenFlow 1.5, 7.1 and 7.5.1: HELLO: version, type 0, a length of exactly what is there."""
    if s.n < 8 or not 1 <= s.data[0] <= 6 or be16(s, 2) < 8 or be16(s, 2) > s.n:
        return NO
    if to_or_from(s, 6633) or to_or_from(s, 6653):
        return yes(s.data[1] <= 35)
    if has(s, 4, b"\x02\xf0\x80", 3):          # data of X.224 in a TPKT (RFC 1006, 6), whose version is 3
        return NO
    return yes(s.data[1] == 0 and (be16(s, 2) == 8 and s.n == 8 or be16(s, 2) == 16 and be32(s, 8) == 0x00010008))


cdef Answer dlep(const Sight *s, Found *out) noexcept nogil:
    """RFC 8175, 11: a signal begins with a prefix; 12: a message has a type of at most 16 and its length."""
    if s.proto == UDP:
        return yes(has(s, 0, b"DLEP", 4) and be16(s, 6) + 8 == s.wire)
    return yes(s.n >= 4 and 1 <= be16(s, 0) <= 16 and be16(s, 2) + 4 <= s.n)


cdef Answer capwap(const Sight *s, Found *out) noexcept nogil:
    """RFC 5415, 4.3 and 4.2: version 0, a header of 8 bytes or more, or DTLS behind four bytes."""
    if s.n < 8:
        return NO
    if s.data[0] == 1:
        return yes(be32(s, 0) == 0x01000000 and 20 <= s.data[4] <= 23 and s.data[5] == 0xFE)
    return yes(s.data[0] == 0 and s.data[1] >> 3 >= 1 and s.data[1] >> 3 <= 8)


cdef Answer ubiquiti(const Sight *s, Found *out) noexcept nogil:
    """Ubiquiti's discovery: version 1 or 2, a command, the length of the rest, then fields."""
    if s.n < 4 or not 1 <= s.data[0] <= 2 or s.data[1] > 11 or be16(s, 2) + 4 != s.wire:
        return NO
    return yes(s.wire == 4 or s.n >= 7 and be16(s, 5) + 7 <= s.wire)


cdef Answer meraki(const Sight *s, Found *out) noexcept nogil:
    """The magic of a device that talks to its cloud."""
    return yes(be32(s, 0) == 0xFEF72891U and s.n > 4)


cdef Answer check_point(const Sight *s, Found *out) noexcept nogil:
    """Check Point's cluster control: magic 0x1A90, a version, both ports 8116."""
    return yes(s.n > 20 and be16(s, 0) == 0x1A90 and s.sport == s.dport)


at_first(TCP, P_BGP, bgp, b"\xff")
at_first(TCP, P_OPENFLOW, openflow, b"\x01\x02\x03\x04\x05\x06")
at_first(UDP, P_MERAKICLOUD, meraki, b"\xfe")
at_ports(UDP, P_LISP, lisp, (4341, 4342))
at_ports(TCP, P_LISP, lisp_tcp, (4342,))
at_ports(UDP, P_HSRP, hsrp, (1985, 2029))
at_ports(UDP, P_BFD, bfd, (3784, 3785, 4784, 6784, 7784))
at_ports(BOTH, P_LDP, ldp, (646,))
at_ports(BOTH, P_DLEP, dlep, (854,))
at_ports(UDP, P_CAPWAP, capwap, (5246, 5247))
at_ports(UDP, P_UBNTAC2, ubiquiti, (10001,))
at_ports(UDP, P_CPHA, check_point, (8116,))
