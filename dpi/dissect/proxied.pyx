"""The PROXY protocol (haproxy, doc/proxy-protocol.txt): whom a proxy speaks for, before all else that it passes on.

What it says of addresses is anybody's claim, and names nothing: only where it ends is of use, since there the
connection begins that was passed on.  Proxies in a row may put one header behind another.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memchr, memcmp

from dpi.dissect.answer cimport MORE, NO, YES, Answer, answer_name
from dpi.dissect.inspector cimport Finding, Inspector, Work, work_of
from dpi.flow.flow cimport NONE, Flow
from dpi.flow.stream cimport stream_bytes, stream_drop, stream_put
from dpi.wire.block cimport block_of


cdef enum:
    MARK = 12               # bytes by which either version is known
    LINE_MAX = 107          # 2.1: version 1, with its CRLF
    FIXED = 16              # 2.2: version 2 without addresses and TLVs
    LF = 10


cdef const char *TCP_LINE = b"PROXY TCP"
cdef const char *UNKNOWN_LINE = b"PROXY UNKNOWN"
cdef const char *SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


cdef inline bint agrees(const uint8_t *data, uint32_t n, const char *text, uint32_t length) noexcept nogil:
    """Whether the text stands there, as far as there are bytes."""
    return memcmp(data, text, n if n < length else length) == 0


cdef bint is_address(const uint8_t *p, const uint8_t *end) noexcept nogil:
    """What may stand in version 1 behind its protocol: numbers, dots, colons, and spaces between."""
    while p < end:
        if not (c"0" <= p[0] <= c":" or p[0] == c"." or p[0] == c" " or c"a" <= p[0] | 0x20 <= c"f"):
            return False
        p += 1
    return True


cdef Answer line(const uint8_t *data, uint32_t n, uint32_t *length) noexcept nogil:
    """2.1: version 1, a line of text; behind UNKNOWN anything may stand."""
    cdef const uint8_t *end = <const uint8_t *>memchr(data, LF, n if n < LINE_MAX else LINE_MAX)
    cdef const uint8_t *text_end = end - 1 if end != NULL else data + n
    cdef bint tcp = agrees(data, n, TCP_LINE, 9) and (n < 10 or data[9] in (c"4", c"6")) and (n < 11 or data[10] == c" ")
    if not tcp and not agrees(data, n, UNKNOWN_LINE, 13):
        return NO
    if end == NULL and n >= LINE_MAX or end != NULL and text_end[0] != c"\r":
        return NO
    if tcp and n > 11 and end == NULL and (text_end - 1)[0] == c"\r":
        text_end -= 1
    if tcp and n > 11 and not is_address(data + 11, text_end):
        return NO
    if end == NULL:
        return MORE
    length[0] = <uint32_t>(end - data) + 1
    return YES


cdef Answer binary(const uint8_t *data, uint32_t n, uint32_t *length) noexcept nogil:
    """2.2: version 2, its length with the addresses and what comes with them; whoever reads 1 or another must refuse it."""
    if not agrees(data, n, SIGNATURE, MARK) or n > MARK and data[MARK] >> 4 != 2 or n > MARK and data[MARK] & 15 > 1:
        return NO
    if n < FIXED:
        return MORE
    length[0] = FIXED + (data[14] << 8 | data[15])
    return YES if length[0] <= n else MORE


cdef inline Answer header(const uint8_t *data, uint32_t n, uint32_t *length) noexcept nogil:
    """n: one at least."""
    return line(data, n, length) if data[0] == c"P" else binary(data, n, length)


cdef Answer proxy_headers(const uint8_t *data, uint32_t n, uint32_t *length) noexcept nogil:
    """The headers at the start of a stream; YES: the first is there, and `length` where the last that is ends."""
    cdef uint32_t next_one = 0
    length[0] = 0
    if n == 0:
        return MORE
    while length[0] < n and header(data + length[0], n - length[0], &next_one) == YES:
        length[0] += next_one
    return YES if length[0] else header(data, n, &next_one)


cdef bint proxy_begun(const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether a header's start is there, and not all of it."""
    cdef uint32_t length
    return n >= MARK and proxy_headers(data, n, &length) == MORE


cdef void header_ends(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n,
                      const Finding *out) noexcept nogil:
    """What a side has sent is seen from the headers' end on, as if it had begun there."""
    cdef Work *w = &s.works[f.work] if f.work != NONE else NULL
    cdef bint kept = w != NULL and data == stream_bytes(&w.streams[side])
    f.isn[side] += out.ends
    f.payloads[side] = 0
    if w != NULL:
        stream_drop(&w.streams[side], out.ends)
        w.shown[side] = 0
    if not kept and out.ends < n:
        w = work_of(s, f)
        if w != NULL:
            stream_put(&w.streams[side], 0, data + out.ends, n - out.ends)


def headers(bytes data) -> tuple:
    """("no" | "more" | "yes", where the headers at the start of a client's stream end)."""
    cdef uint32_t length = 0
    cdef uint8_t *block = block_of(data)
    answer = proxy_headers(block, <uint32_t>len(data), &length)
    free(block)
    return answer_name(answer), length
