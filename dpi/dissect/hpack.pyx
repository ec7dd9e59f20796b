"""HPACK (RFC 7541): the authority, user agent and content type in the first header block of a connection.

A first block finds an empty dynamic table, so that all it needs is the static one, and of that the names of three
fields.  A field that names itself by what the block itself has put into the dynamic table is passed over.

Strings are in a Huffman code (Appendix B) which is canonical: codes of one length are consecutive and in the order of
their characters.  Those of up to 15 bits are all of ASCII that is printable but for "\\", so the code is three short
tables; a string that holds anything else is not the name of a host.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcmp, memset

from dpi.dissect.answer cimport Found, found_dict
from dpi.dissect.text cimport authority, put_text
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, take, u8


cdef enum:
    # places in the static table (Appendix A)
    STATIC_AUTHORITY = 1
    STATIC_CONTENT_TYPE = 31
    STATIC_HOST = 38
    STATIC_USER_AGENT = 58
    TEXT_MAX = 255
    CODE_MAX = 15           # bits
    FIELDS_MAX = 64


cdef extern from *:
    """
    /* Characters by the length of their code, in the order of their codes. */
    static const char DPI_CHARACTERS[] =
        "012aceiost" " %-./3456789=A_bdfghlmnpru" ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz" "&*,;XZ"
        "!\\"()?" "'+|" "#>" "\\0$@[]~" "^}" "<`{";
    static const unsigned char DPI_COUNTS[] = {0, 0, 0, 0, 0, 10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3};
    """
    const char *CHARACTERS "DPI_CHARACTERS"
    const uint8_t *COUNTS "DPI_COUNTS"


cdef uint32_t decode(const uint8_t *p, uint32_t n, char *out) noexcept nogil:
    """Characters of a string in the code (5.2), TEXT_MAX at the most; 0 where it holds one that has no short code."""
    cdef uint32_t written = 0
    cdef uint32_t i, code = 0, first = 0, place = 0
    cdef int bits = 0, k
    for i in range(n):
        for k in range(7, -1, -1):
            code = code << 1 | (p[i] >> k & 1)
            bits += 1
            first <<= 1
            if bits > CODE_MAX:
                return 0
            if code - first < COUNTS[bits]:
                if written == TEXT_MAX:
                    return written
                out[written] = CHARACTERS[place + code - first]
                written += 1
                code = first = place = 0
                bits = 0
            else:
                first += COUNTS[bits]
                place += COUNTS[bits]
    return written              # what is left over is padding


cdef uint32_t number(Cursor *c, uint8_t start, int prefix) noexcept nogil:
    """An integer (5.1) whose first byte was read; none that we need is larger than 2^21."""
    cdef uint32_t mask = (1 << prefix) - 1
    cdef uint32_t value = start & mask
    cdef uint8_t more
    cdef int shift
    if value < mask:
        return value
    for shift in range(0, 21, 7):
        more = u8(c)
        value += <uint32_t>(more & 0x7f) << shift
        if not more & 0x80:
            return value
    c.p = NULL
    return 0


cdef uint32_t string(Cursor *c, char *out) noexcept nogil:
    """A string literal (5.2): as much of it as TEXT_MAX allows."""
    cdef uint8_t start = u8(c)
    cdef uint32_t n = number(c, start, 7)
    cdef uint32_t i
    cdef const uint8_t *p = take(c, n)
    if p == NULL:
        return 0
    if start & 0x80:
        return decode(p, n, out)
    if n > TEXT_MAX:
        n = TEXT_MAX
    for i in range(n):
        out[i] = p[i]
    return n


cdef uint32_t place_of(const char *name, uint32_t n) noexcept nogil:
    """The static table's place for a name that is spelled out, of those that matter here."""
    if n == 10 and memcmp(name, b":authority", 10) == 0:
        return STATIC_AUTHORITY
    if n == 4 and memcmp(name, b"host", 4) == 0:
        return STATIC_HOST
    if n == 10 and memcmp(name, b"user-agent", 10) == 0:
        return STATIC_USER_AGENT
    if n == 12 and memcmp(name, b"content-type", 12) == 0:
        return STATIC_CONTENT_TYPE
    return 0


cdef bint hpack_request(const uint8_t *block, uint32_t n, Found *out) noexcept nogil:
    """Reads a connection's first header block, whole; what is set in `out` already stays.  False: it is none."""
    cdef Cursor c = over(block, n)
    cdef char text[TEXT_MAX]
    cdef uint8_t start
    cdef uint32_t place, length
    cdef int _
    for _ in range(FIELDS_MAX):
        if left(&c) <= 0:
            break
        start = u8(&c)
        if start & 0x80:                # 6.1: a field that the table has whole
            number(&c, start, 7)
            continue
        if start & 0xe0 == 0x20:        # 6.3: the table's size changes
            number(&c, start, 5)
            continue
        place = number(&c, start, 6 if start & 0x40 else 4)
        if place == 0:
            length = string(&c, text)
            place = place_of(text, length)
        length = string(&c, text)
        if not alive(&c):
            return False
        if (place == STATIC_AUTHORITY or place == STATIC_HOST) and out.host_len == 0:
            out.host_len = authority(<const uint8_t *>text, length, out.host)
        elif place == STATIC_USER_AGENT and out.agent[0] == 0:
            put_text(<const uint8_t *>text, length, out.agent, sizeof(out.agent))
        elif place == STATIC_CONTENT_TYPE and out.content_type[0] == 0:
            put_text(<const uint8_t *>text, length, out.content_type, sizeof(out.content_type))
    return alive(&c)


def request(bytes block) -> tuple:
    """(whether it is a header block, fields) of the first header block of a connection."""
    cdef Found out
    cdef uint8_t *copy = block_of(block)
    memset(&out, 0, sizeof(out))
    said = hpack_request(copy, len(block), &out)
    free(copy)
    return bool(said), found_dict(&out)


def huffman(bytes data) -> bytes:
    """The text behind a string in HPACK's code, up to 255 characters; b"" where it is none."""
    cdef char out[TEXT_MAX]
    cdef uint8_t *copy = block_of(data)
    n = decode(copy, len(data), out)
    free(copy)
    return out[:n]
