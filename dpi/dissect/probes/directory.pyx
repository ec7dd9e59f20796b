"""Who may do what: directories, tickets, access."""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.probes.index cimport BOTH, TCP, UDP, at_any, at_first, at_ports
from dpi.dissect.probes.sight cimport *
from dpi.dissect.protocols cimport *
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, u8, u16, u32


cdef bint ldap_operation(Cursor *c, uint8_t op, const Sight *s, uint32_t length) noexcept nogil:
    """RFC 4511: a bind (4.2), a search (4.5), an extended request (4.12), an unbind (4.3), a result (4.1.9)."""
    cdef uint32_t n = ber_length(c)
    if op == 0x42:
        return n == 0 and s.n == length + 2
    if op == 0x60:                          # the version, 2 or 3
        return u8(c) == 2 and u8(c) == 1 and u8(c) in (2, 3)
    if op == 0x77:                          # an OID as text, here of a private enterprise as most are
        return u8(c) == 0x80 and u8(c) >= 12 and left(c) >= 12 and memcmp(c.p, b"1.3.6.1.4.1.", 12) == 0
    if op in (0x61, 0x65, 0x78):            # a code, then names
        return u8(c) == 0x0A and u8(c) == 1 and u8(c) <= 123 and u8(c) == 4 and length >= 12
    return op == 0x63 and u8(c) == 4 and length + 2 <= s.n <= length + 6


cdef Answer ldap(const Sight *s, Found *out) noexcept nogil:
    """RFC 4511, 4.1.1: a sequence of a message id and an operation; away from LDAP's ports one that shows more."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint8_t n, op
    cdef uint32_t length
    skip(&c, 1)
    length = ber_length(&c)
    if u8(&c) != 2:
        return NO
    n = u8(&c)
    if not 1 <= n <= 4:
        return NO
    skip(&c, n)
    op = u8(&c)
    if not alive(&c):
        return MORE if to_or_from(s, 389) else NO
    if length < 5 or not (0x60 <= op <= 0x6F or op in (0x42, 0x4A, 0x50, 0x73, 0x77, 0x78, 0x79)):
        return NO
    if to_or_from(s, 389) or to_or_from(s, 3268):
        return YES
    return yes(ldap_operation(&c, op, s, length) and alive(&c))


cdef Answer kerberos_message(Cursor *c, uint32_t whole) noexcept nogil:
    """RFC 4120, 5.4 and 5.9: an application tag, a sequence, its first field is the version, 5."""
    cdef uint8_t tag = u8(c)
    cdef uint32_t n = ber_length(c)
    if tag & 0x1F not in (10, 11, 12, 13, 14, 15, 30) or tag >> 5 != 3 or n > whole:
        return NO
    if u8(c) != 0x30:
        return NO
    ber_length(c)
    tag = u8(c)
    return yes((tag == 0xA0 or tag == 0xA1) and u8(c) == 3 and u8(c) == 2 and u8(c) == 1 and u8(c) == 5)


cdef Answer kerberos(const Sight *s, Found *out) noexcept nogil:
    """RFC 4120, 7.2.1 and 7.2.2: as it is, or behind its length over TCP; RFC 3244, 2: a change of password."""
    cdef Cursor c = over(s.data, s.n)
    cdef uint32_t n = s.wire
    cdef uint32_t length
    if s.proto == TCP:
        n = u32(&c)
        if n >> 24:
            return NO
    if to_or_from(s, 464) and u16(&c) == (n & 0xFFFF) and u16(&c) in (1, 0xFF80):
        length = u16(&c)                        # of AP-REQ or AP-REP; 0: KRB-ERROR instead
        return yes(length + 6 <= n and (u8(&c) == 0x7E if length == 0 else u8(&c) & 0xFE == 0x6E) and alive(&c))
    c = over(s.data, s.n)
    if s.proto == TCP:
        skip(&c, 4)
    return kerberos_message(&c, n)


cdef bint fits_its_kind(const Sight *s, uint32_t kind, uint32_t n) noexcept nogil:
    """Whether RADIUS' first attribute is one that messages begin with, and has a length or a text as such have (5)."""
    if kind in (1, 30, 31, 32, 44, 87):                         # names of users, stations, sessions and ports
        return n > 2 and printable(s, 22, n - 2)
    if kind in (4, 5, 6, 7, 8, 9, 10, 12, 27, 28, 40, 41, 61, 64, 65):
        return n == 6                                           # a number or an address
    if kind == 2 or kind == 3 or kind == 80:                    # passwords; Message-Authenticator (RFC 3579, 3.2)
        return n == 18 or n == 19 and kind == 3 or n % 16 == 2 and kind == 2
    return kind in (18, 24, 25, 26, 33, 79, 89) and n > 2


cdef Answer radius(const Sight *s, Found *out) noexcept nogil:
    """RFC 2865, 3 and 5: a code, an id, the length, an authenticator, attributes that fill the rest exactly."""
    cdef Cursor c
    cdef uint8_t n
    if s.n < 20 or be16(s, 2) != s.wire or not 1 <= s.data[0] <= 52:
        return NO
    if to_or_from(s, 1700) and not 40 <= s.data[0] <= 45:       # where Cisco takes what RFC 5176 sends to 3799
        return NO
    if not (to_or_from(s, 1812) or to_or_from(s, 1813) or to_or_from(s, 1645) or to_or_from(s, 1646)
            or to_or_from(s, 3799) or to_or_from(s, 1700)):
        if s.n != s.wire or s.n < 26 or not (s.data[0] <= 5 or s.data[0] == 11 or 40 <= s.data[0] <= 45):
            return NO
        if not fits_its_kind(s, s.data[20], s.data[21]):
            return NO
    c = over(s.data + 20, s.n - 20)
    while left(&c) > 0:
        if u8(&c) == 0:
            return NO
        n = u8(&c)
        if n == 1 or n == 0 and alive(&c):
            return NO
        skip(&c, n - 2)
    return yes(alive(&c) or s.n < s.wire)


cdef Answer tacacs(const Sight *s, Found *out) noexcept nogil:
    """RFC 8907, 4.1: version 12.0 or 12.1, what for, the first of each side, flags, a session, the length of the rest."""
    return yes(s.n >= 12 and s.data[0] & 0xFE == 0xC0 and 1 <= s.data[1] <= 3 and s.data[2] == 2 - s.from_opener
               and s.data[3] & 0xFA == 0 and 5 <= be32(s, 8) <= 1 << 16 and be32(s, 8) + 12 >= s.n)


at_first(BOTH, P_LDAP, ldap, b"\x30")
at_first(TCP, P_KERBEROS, kerberos, b"\x00")
at_first(UDP, P_KERBEROS, kerberos, b"\x6a\x6b\x6c\x6d\x6e\x6f\x7e")
at_first(TCP, P_TACACS, tacacs, b"\xc0\xc1")
at_ports(UDP, P_RADIUS, radius, (1812, 1813, 1645, 1646, 1700, 3799))
at_ports(BOTH, P_KERBEROS, kerberos, (464,))
at_any(UDP, P_RADIUS, radius)
