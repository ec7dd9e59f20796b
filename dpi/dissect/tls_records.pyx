"""TLS's records (RFC 8446, 5.1), and the handshake that those at the start of a stream carry.

A message may be cut into records of any size, as some clients do to get past middleboxes.  Within one record it is read
where it lies; fragments are put together on the caller's stack.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from dpi.dissect.answer cimport MORE, NO, YES, Answer, answer_name
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, skip, take, u8, u16, u24


cdef enum:
    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HEARTBEAT = 24
    CIPHERTEXT_MAX = 16384 + 2048   # RFC 5246, 6.2.3


cdef Fragments joined_records(const uint8_t *data, uint32_t n, uint8_t *room, bint one) noexcept nogil:
    """Joins the handshake records at the start: in place where there is one record, else in room[HELLO_MAX].

    With `one`, stops when the first message is complete.
    """
    cdef Fragments f
    cdef Cursor c = over(data, n)
    cdef Cursor peek
    cdef const uint8_t *p
    cdef uint32_t have, part
    cdef uint16_t version, length
    cdef uint8_t kind
    f.p = NULL
    f.n = 0
    f.over = False
    while left(&c) > 0:
        kind = u8(&c)
        version = u16(&c)
        length = u16(&c)
        if kind != HANDSHAKE or (alive(&c) and (version >> 8 != 3 or not 0 < length <= PLAINTEXT_MAX)):
            f.over = True
            break
        if not alive(&c):
            break
        have = length if length < left(&c) else <uint32_t>left(&c)
        p = take(&c, have)
        if f.p == NULL:
            f.p = p
            f.n = have
        else:
            if f.p != room:
                f.n = f.n if f.n < HELLO_MAX else HELLO_MAX
                memcpy(room, f.p, f.n)
                f.p = room
            part = have if have < HELLO_MAX - f.n else HELLO_MAX - f.n
            memcpy(room + f.n, p, part)
            f.n += part
        if have < length:
            break
        if one:
            peek = over(f.p, f.n)
            skip(&peek, 1)
            if f.n >= 4 and u24(&peek) <= f.n - 4:
                break
    return f


cdef Answer tls_records(const uint8_t *data, uint32_t n) noexcept nogil:
    """Whether bytes from the middle of a connection are TLS records, by nothing but their headers.

    YES needs a whole record that ends where the bytes end or another header follows; MORE means that the first
    record is longer than the bytes.  Only for flows whose start was not seen.
    """
    cdef Cursor c = over(data, n)
    cdef uint8_t kind
    cdef uint16_t version, length
    cdef int seen
    for seen in range(4):
        if left(&c) == 0:
            return YES if seen else MORE
        kind = u8(&c)
        version = u16(&c)
        length = u16(&c)
        if not CHANGE_CIPHER_SPEC <= kind <= HEARTBEAT:
            return NO
        if not alive(&c):
            return YES if seen and n > 5 and kind >= ALERT else MORE
        if not 0x0301 <= version <= 0x0303 and version != 0x0300:
            return NO
        if not 0 < length <= CIPHERTEXT_MAX or (kind == CHANGE_CIPHER_SPEC and length != 1):
            return NO
        if left(&c) < length:
            return YES if seen else MORE
        skip(&c, length)
    return YES


def records(data: bytes) -> str:
    """"no" | "more" | "yes": bytes from the middle of a connection are TLS records."""
    cdef uint8_t *block = block_of(data)
    answer = tls_records(block, len(data))
    free(block)
    return answer_name(answer)
