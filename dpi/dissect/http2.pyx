"""HTTP/2 without TLS, as services speak it among themselves (gRPC, 5G cores): the first request's authority.

Behind the client's preface (RFC 9113, 3.4) come frames (4.1), of which the first of headers (6.2) names the host.  A
header block that goes on in CONTINUATION frames is read as far as its first frame goes.
"""
from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found, answer_name, found_dict
from dpi.dissect.hpack cimport hpack_request
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, slice, u8, u24, u32


cdef enum:
    PREFACE = 24            # bytes, which http.pyx has compared
    HEADERS = 1
    PADDED = 0x08
    PRIORITY = 0x20
    FRAMES_MAX = 16


cdef Answer http2_request(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """The contiguous start of what a client sends, which begins with the preface.

    YES: the first request was read into `out`.  NO: what follows the preface is not HTTP/2.  With MORE, unfinished says
    that a frame is cut, and what stands whole in its block of headers is in `out` already.
    """
    cdef Cursor c = over(data, n)
    cdef Cursor frame
    cdef uint32_t length
    cdef uint8_t kind, flags, padding
    cdef bint whole, read
    cdef int _
    skip(&c, PREFACE)
    for _ in range(FRAMES_MAX):
        out.unfinished = left(&c) > 0
        length = u24(&c)
        kind = u8(&c)
        flags = u8(&c)
        u32(&c)                         # stream
        if not alive(&c):
            return MORE
        whole = left(&c) >= length
        frame = slice(&c, length if whole else left(&c))
        if kind == HEADERS:
            padding = u8(&frame) if flags & PADDED else 0
            if flags & PRIORITY:
                skip(&frame, 5)
            if not whole:
                padding = 0
            if alive(&frame) and left(&frame) >= padding:
                read = hpack_request(frame.p, <uint32_t>left(&frame) - padding, out)
                if whole and read:
                    out.unfinished = 0
                    return YES
            return NO if whole else MORE
        if not whole:
            return MORE
    return NO


def request(bytes data) -> tuple:
    """("no" | "more" | "yes", fields) of the start of a client's stream, preface included."""
    cdef Found out
    cdef uint8_t *block = block_of(data)
    memset(&out, 0, sizeof(out))
    answer = http2_request(block, len(data), &out)
    free(block)
    return answer_name(answer), found_dict(&out)
