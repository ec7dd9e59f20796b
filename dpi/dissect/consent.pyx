"""What a proxy answers its client before it passes on anything: that it does (HTTP, SOCKS4 and 5), and for SOCKS5 how to log in.

Several may come in a row: the answers of one proxy, or of one that is asked through another.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, ServerFound, answer_name
from dpi.dissect.http cimport http_response
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, u8


cdef enum:
    REDIRECTION = 300       # HTTP's status from which on a request is not granted (RFC 9110, 15)
    GRANTED = 0x5A          # SOCKS4


cdef Answer http_consent(const uint8_t *data, uint32_t n, uint32_t *length) noexcept nogil:
    """RFC 9110, 9.3.6: 2xx; its header is all of it."""
    cdef ServerFound said
    cdef Answer answer
    memset(&said, 0, sizeof(said))
    answer = http_response(data, n, &said)
    if answer == NO or said.status >= REDIRECTION:
        return NO
    length[0] = said.ends
    return YES if said.ends else MORE


cdef Answer socks5_consent(const uint8_t *data, uint32_t n, uint32_t *length) noexcept nogil:
    """The method chosen (RFC 1928, 3), or the reply (6): version 5 and a code in both, and behind that what is 0 in a reply
    alone.  At least one byte."""
    cdef Cursor c = over(data, n)
    cdef uint8_t code, kind
    skip(&c, 1)
    code = u8(&c)
    if left(&c) == 0 or not alive(&c):
        return MORE
    if u8(&c) != 0:
        length[0] = 2
        return YES
    if code:
        return NO
    kind = u8(&c)
    if kind == 3:
        skip(&c, u8(&c))
    elif kind == 1 or kind == 4:
        skip(&c, 4 if kind == 1 else 16)
    elif alive(&c):
        return NO
    skip(&c, 2)
    length[0] = <uint32_t>(c.p - data) if alive(&c) else 0
    return YES if alive(&c) else MORE


cdef Answer short_consent(const uint8_t *data, uint32_t n, uint8_t granted, uint32_t size, uint32_t *length) noexcept nogil:
    """One byte that is known, a code, and whatever fills the size."""
    if n > 1 and data[1] != granted:
        return NO
    length[0] = size
    return YES if n >= size else MORE


cdef Answer consent(const uint8_t *data, uint32_t n, uint32_t *length) noexcept nogil:
    """How long a proxy's answers at the start of its stream are; YES: something else stands behind, or there are none.

    MORE: nothing stands behind them yet.  NO: it refuses.
    """
    cdef Answer answer
    cdef uint32_t one = 0
    length[0] = 0
    while length[0] < n:
        if data[length[0]] == c"H":
            answer = http_consent(data + length[0], n - length[0], &one)
        elif data[length[0]] == 5:
            answer = socks5_consent(data + length[0], n - length[0], &one)
        elif data[length[0]] == 1:              # RFC 1929, 2: of the login
            answer = short_consent(data + length[0], n - length[0], 0, 2, &one)
        elif data[length[0]] == 0:              # SOCKS4, and 4A
            answer = short_consent(data + length[0], n - length[0], GRANTED, 8, &one)
        else:
            return YES
        if answer != YES:
            return answer
        length[0] += one
    return MORE


def granted(bytes data) -> tuple:
    """("no" | "more" | "yes", where a proxy's answers at the start of its stream end)."""
    cdef uint32_t length = 0
    cdef uint8_t *block = block_of(data)
    answer = consent(block, <uint32_t>len(data), &length)
    free(block)
    return answer_name(answer), length
