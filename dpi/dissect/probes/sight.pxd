"""What a probe is shown, and the tools to look at it; see __init__.py for what a probe is.

Every look is bounded: beyond the end there are zeros, and has() finds nothing.  What is read is given as 32 bits, so
that sums do not overflow.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found
from dpi.dissect.text cimport lower
from dpi.wire.cursor cimport Cursor, over, skip, take, u8, u16, u32
from dpi.wire.packet cimport IP_UDP


cdef struct Sight:
    const uint8_t *data     # TCP: what this side sent, from its first byte on; else this packet's payload
    uint32_t n
    uint32_t wire           # … and how many there would be had the capture not cut the packet
    uint16_t sport          # of whoever sent it
    uint16_t dport
    uint8_t proto           # IP protocol
    uint8_t from_opener
    uint8_t turn            # how many payloads this side had sent before; 255 for that or more
    uint8_t pushed          # TCP: a program had written no more than this when it was sent (RFC 9293, 3.9.1)
    uint32_t *mine          # UDP: a word that a probe may keep for this side, 0 at first; NULL: there is none
    uint32_t *theirs        # the other side's


ctypedef Answer (*Probe)(const Sight *s, Found *out) noexcept nogil


cdef bint agreed(const Sight *s, uint32_t mark) noexcept nogil
cdef bint answered(const Sight *s, uint32_t said, uint32_t awaited) noexcept nogil
cdef bint mentions(const Sight *s, const char *word, uint32_t n) noexcept nogil
cdef bint says(const Sight *s, const char *text, uint32_t n) noexcept nogil
cdef bint printable(const Sight *s, uint32_t at, uint32_t n) noexcept nogil
cdef bint drawn(const Sight *s, uint32_t at, uint32_t n) noexcept nogil
cdef bint zeros(const Sight *s, uint32_t at, uint32_t n) noexcept nogil
cdef bint contains(const Sight *s, const char *text, uint32_t n, uint32_t limit) noexcept nogil
cdef uint32_t ber_length(Cursor *c) noexcept nogil
cdef void set_host(Found *out, const uint8_t *text, uint32_t n) noexcept nogil
cdef bint set_authority(Found *out, const uint8_t *text, uint32_t n) noexcept nogil
cdef void set_agent(Found *out, const uint8_t *text, uint32_t n) noexcept nogil


cdef inline Answer starts(const Sight *s, const char *text, uint32_t n) noexcept nogil:
    """YES where the data begins with the text, MORE where it is as yet too short to tell."""
    if s.n >= n:
        return YES if memcmp(s.data, text, n) == 0 else NO
    return MORE if memcmp(s.data, text, s.n) == 0 else NO


cdef inline bint has(const Sight *s, uint32_t at, const char *text, uint32_t n) noexcept nogil:
    """Whether the text stands there."""
    return at <= s.n and n <= s.n - at and memcmp(s.data + at, text, n) == 0


cdef inline Sight behind(const Sight *s, uint32_t at) noexcept nogil:
    """What is behind so many bytes, of which there are as many."""
    cdef Sight rest = s[0]
    rest.data += at
    rest.n -= at
    rest.wire -= at
    return rest


cdef inline Sight behind_line_ends(const Sight *s, uint32_t most) noexcept nogil:
    """What is behind empty lines of so many bytes at the most."""
    cdef uint32_t at = 0
    while at < s.n and at < most and s.data[at] in (c'\r', c'\n'):
        at += 1
    return behind(s, at)


cdef inline bint fills(const Sight *s, uint32_t end, uint32_t at, uint32_t n) noexcept nogil:
    """Whether a message ends where the data does, or a stream goes on with another that has the same n bytes at `at`."""
    if s.n <= end or s.proto == IP_UDP:
        return end == s.wire
    return at + n <= end and end + at + n <= s.n and memcmp(s.data + at, s.data + end + at, n) == 0


cdef inline uint32_t byte_at(const Sight *s, uint32_t at) noexcept nogil:
    return s.data[at] if at < s.n else 0


cdef inline uint32_t be16(const Sight *s, uint32_t at) noexcept nogil:
    cdef Cursor c = over(s.data, s.n)
    skip(&c, at)
    return u16(&c)


cdef inline uint32_t be32(const Sight *s, uint32_t at) noexcept nogil:
    cdef Cursor c = over(s.data, s.n)
    skip(&c, at)
    return u32(&c)


cdef inline uint32_t le16(const Sight *s, uint32_t at) noexcept nogil:
    cdef uint32_t v = be16(s, at)
    return v >> 8 | (v & 0xFF) << 8


cdef inline uint32_t le32(const Sight *s, uint32_t at) noexcept nogil:
    cdef uint32_t v = be32(s, at)
    return v >> 24 | v >> 8 & 0xFF00 | (v & 0xFF00) << 8 | v << 24


cdef inline bint to_or_from(const Sight *s, uint16_t port) noexcept nogil:
    return s.sport == port or s.dport == port


cdef inline bint is_digit(uint8_t c) noexcept nogil:
    return c'0' <= c <= c'9'


cdef inline bint is_print(uint8_t c) noexcept nogil:
    return 0x20 <= c < 0x7F


cdef inline Answer yes(bint is_it) noexcept nogil:
    return YES if is_it else NO
