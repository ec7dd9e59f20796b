"""The larger tools of probes; sight.pxd has the small ones."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memchr, memcmp

from dpi.dissect.answer cimport Found
from dpi.wire.cursor cimport Cursor, u8


cdef bint mentions(const Sight *s, const char *word, uint32_t n) noexcept nogil:
    """Whether the lower-case word occurs in the first line, in whatever case; the line must begin like text."""
    cdef uint32_t i, j
    cdef uint32_t end = s.n if s.n < 512 else 512
    if end and not is_print(s.data[0]):
        return False
    for i in range(end):
        if s.data[i] == c'\n':
            return False
        j = 0
        while j < n and i + j < end and lower(s.data[i + j]) == <uint8_t>word[j]:
            j += 1
        if j == n:
            return True
    return False


cdef bint says(const Sight *s, const char *text, uint32_t n) noexcept nogil:
    """Whether it begins with the lower-case text, in whatever case."""
    cdef uint32_t i = 0
    if n > s.n:
        return False
    while i < n and lower(s.data[i]) == <uint8_t>text[i]:
        i += 1
    return i == n


cdef bint contains(const Sight *s, const char *text, uint32_t n, uint32_t limit) noexcept nogil:
    """Whether the text stands anywhere in the first `limit` bytes."""
    cdef uint32_t end = s.n if s.n < limit else limit
    cdef uint32_t at = 0
    cdef const uint8_t *p
    while at + n <= end:
        p = <const uint8_t *>memchr(s.data + at, text[0], end - n + 1 - at)
        if p == NULL:
            return False
        if memcmp(p, text, n) == 0:
            return True
        at = <uint32_t>(p - s.data) + 1
    return False


cdef void set_host(Found *out, const uint8_t *text, uint32_t n) noexcept nogil:
    """A name in lower case without its last dot; whatever a name does not have ends it."""
    cdef uint32_t i = 0
    cdef uint8_t c
    while i < n and i < 255:
        c = lower(text[i])
        if not (c'a' <= c <= c'z' or is_digit(c) or c in (c'-', c'_', c'.', c':')):
            break
        out.host[i] = <char>c
        i += 1
    if i and out.host[i - 1] == c'.':
        i -= 1
    out.host[i] = 0
    out.host_len = <uint16_t>i


cdef bint set_authority(Found *out, const uint8_t *text, uint32_t n) noexcept nogil:
    """The host of what a URI has behind "//" (RFC 3986, 3.2), without a user and a port.  Whether its end is there."""
    cdef uint32_t start = 0
    cdef uint32_t end = 0
    cdef uint32_t colon
    while end < n and end < 512 and text[end] not in (c'/', c' ', c'?', c'#'):
        end += 1
        if text[end - 1] == c'@':
            start = end
    colon = start
    while colon < end and text[colon] != c':':
        colon += 1
    set_host(out, text + start, colon - start)
    return end < n


cdef void set_agent(Found *out, const uint8_t *text, uint32_t n) noexcept nogil:
    """One line of printable text."""
    cdef uint32_t i = 0
    while i < n and i < 127 and is_print(text[i]):
        out.agent[i] = <char>text[i]
        i += 1
    out.agent[i] = 0


cdef bint agreed(const Sight *s, uint32_t mark) noexcept nogil:
    """Whether either side has shown the same mark before; if none has shown anything, this one's is kept."""
    if s.mine == NULL:
        return False
    if s.mine[0] == mark or s.theirs[0] == mark:
        return True
    if s.mine[0] == 0:
        s.mine[0] = mark
    return False


cdef bint answered(const Sight *s, uint32_t said, uint32_t awaited) noexcept nogil:
    """Whether the other side has shown what this one's message belongs to, whichever came first; keeps what is said."""
    if s.mine == NULL:
        return False
    if s.theirs[0] == awaited:
        return True
    if s.mine[0] == 0:
        s.mine[0] = said
    return False


cdef bint printable(const Sight *s, uint32_t at, uint32_t n) noexcept nogil:
    """Whether n bytes are there, all of them text."""
    cdef uint32_t i
    if at > s.n or n > s.n - at:
        return False
    for i in range(at, at + n):
        if not is_print(s.data[i]):
            return False
    return True


cdef bint drawn(const Sight *s, uint32_t at, uint32_t n) noexcept nogil:
    """Whether n bytes are there that may have been drawn at random: few zeros, more are in one of 200,000 draws."""
    cdef uint32_t i
    cdef uint32_t zeros = 0
    if at > s.n or n > s.n - at:
        return False
    for i in range(at, at + n):
        zeros += s.data[i] == 0
    return zeros <= 2 + n // 16


cdef bint zeros(const Sight *s, uint32_t at, uint32_t n) noexcept nogil:
    """Whether n bytes are there, all of them 0."""
    cdef uint32_t i
    if at > s.n or n > s.n - at:
        return False
    for i in range(at, at + n):
        if s.data[i]:
            return False
    return True


cdef uint32_t ber_length(Cursor *c) noexcept nogil:
    """X.690, 8.1.3: a definite length; the cursor dies of any other."""
    cdef uint32_t n = u8(c)
    cdef uint32_t octets = n & 0x7F
    if n < 0x80:
        return n
    if octets == 4 and u8(c) == 0:      # as Windows writes whatever the length is
        octets = 3
    if not 1 <= octets <= 3:
        c.p = NULL
        return 0
    n = 0
    while octets:
        n = n << 8 | u8(c)
        octets -= 1
    return n
