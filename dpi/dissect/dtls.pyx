"""DTLS: the ClientHello in datagrams (RFC 6347, 4.2; RFC 9147, 5), which differs from TLS's in what is around it.

Records and handshake messages carry numbers, since datagrams get lost, and a message may be cut into fragments, as a
hello with a post-quantum key share is.  A hello that one fragment holds is read where it lies; fragments are put
together in a stream, in any order, sent again or overlapping.

A server may ask for another hello (HelloVerifyRequest, HelloRetryRequest), which has a cookie and the next number: then
that one is read, and what is late of the one before is left.  Nothing else is asked of the numbers: whoever joins later
sees the second alone.  A hello of another length under the same number is of another connection on the same ports.

A hello whose rest never comes is answered with what there is of it, without fingerprint: once its client goes on to
another message, after DATAGRAMS_MAX datagrams, or at the flow's end.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memset

from dpi.dissect.answer cimport MORE, NO, YES, Answer, Found, answer_name, found_dict
from dpi.dissect.tls cimport DTLS_1_0, client_hello
from dpi.dissect.tls_records cimport CLIENT_HELLO, HANDSHAKE, HELLO_MAX
from dpi.flow.stream cimport STREAM_MAX, Pool, pool_init, stream_bytes, stream_free, stream_init, stream_put, stream_ready
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, slice, u8, u16, u24


cdef enum:
    HELLO_MIN = 42          # as TLS's, and an empty cookie
    DATAGRAMS_MAX = 24      # of both sides: 16 KiB of hello in the usual sizes, or a small one some times over
    FIRST_KIND = 20         # of records with the long header: change_cipher_spec …
    LAST_KIND = 26          # … to ACK (RFC 9147, 4)
    EARLY_DATA = 0x21       # a short header's first byte: 001, and at the end of epoch 1 (RFC 9147, 4 and 4.2.1)


cdef struct Fragment:
    Cursor bytes            # dead: it is no ClientHello's
    uint32_t offset
    uint32_t length         # of the whole message
    uint16_t number


cdef inline bint is_version(uint16_t version) noexcept nogil:
    """DTLS 1.0, 1.2 (and 1.3, which says 1.2 here), and what OpenSSL spoke before there was a standard."""
    return version == DTLS_1_0 or version == 0xfefd or version == 0x0100


cdef Cursor next_record(Cursor *c, bint *handshake) noexcept nogil:
    """What the next record with the long header holds; dead where there is none.  handshake: it is that, in clear."""
    cdef uint8_t kind = u8(c)
    cdef uint16_t version = u16(c)
    cdef uint16_t epoch = u16(c)
    u16(c)                              # sequence number
    u16(c)
    u16(c)
    handshake[0] = kind == HANDSHAKE and epoch == 0
    if not FIRST_KIND <= kind <= LAST_KIND or not is_version(version):
        return over(NULL, 0)
    return slice(c, u16(c))


cdef Fragment next_fragment(Cursor *record) noexcept nogil:
    cdef Fragment f
    cdef uint32_t n
    cdef uint8_t kind = u8(record)
    f.length = u24(record)
    f.number = u16(record)
    f.offset = u24(record)
    n = u24(record)
    f.bytes = slice(record, n)
    if kind != CLIENT_HELLO or f.length < HELLO_MIN or n > f.length or f.offset > f.length - n:
        f.bytes = over(NULL, 0)
    return f


cdef Answer dtls_client_hello(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """The ClientHello that a datagram begins with.  `out` must be cleared.

    NO where it begins with none.  MORE where other fragments have the rest, for dtls_datagram(); what could be read so
    far stands in `out` then.
    """
    cdef Cursor c = over(data, n)
    cdef bint handshake
    cdef Cursor record = next_record(&c, &handshake)
    cdef Fragment f = next_fragment(&record)
    cdef bint whole = alive(&f.bytes) and left(&f.bytes) == f.length
    if not handshake or not alive(&f.bytes):
        return NO
    if f.offset == 0 and client_hello(f.bytes, whole, out, c"d") == NO:
        return NO
    return YES if whole or f.length > HELLO_MAX else MORE


cdef Answer add(DtlsHello *h, const Fragment *f) noexcept nogil:
    """YES where the hello is whole, or there is no room for it."""
    if h.length and f.number < h.number or f.length > HELLO_MAX:
        return MORE
    if f.number != h.number or f.length != h.length:
        stream_free(&h.body)
        h.number = f.number
        h.length = f.length
    if not stream_put(&h.body, f.offset, f.bytes.p, <uint32_t>left(&f.bytes)) and h.body.block == NULL:
        return YES
    return YES if stream_ready(&h.body) == h.length else MORE


cdef Answer add_all(DtlsHello *h, const uint8_t *data, uint32_t n) noexcept nogil:
    """The fragments in the records of a datagram.  YES also where it holds what a client sends later."""
    cdef Cursor c = over(data, n)
    cdef Cursor record
    cdef Fragment f
    cdef bint handshake
    while left(&c) > 0:
        if c.p[0] & 0xe0 == 0x20:
            return MORE if c.p[0] & 0xe3 == EARLY_DATA else YES
        record = next_record(&c, &handshake)
        if not alive(&record):
            return MORE                 # STUN beside it, or damaged
        if not handshake:
            return YES
        while left(&record) > 0:
            if record.p[0] != CLIENT_HELLO:
                return YES
            f = next_fragment(&record)
            if not alive(&f.bytes):
                return MORE
            if add(h, &f) == YES:
                return YES
    return MORE


cdef Answer dtls_datagram(DtlsHello *h, int side, const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """A datagram of either side: the one that dtls_client_hello() wants more behind, and those that follow it.

    YES: nothing more is to be learnt, and `out` is as dtls_told() leaves it.
    """
    cdef Answer answer = MORE
    if h.datagrams == 0:
        h.side = <uint8_t>side
    h.datagrams += 1
    if h.side == side:
        answer = add_all(h, data, n)
    if answer == MORE and h.datagrams < DATAGRAMS_MAX:
        return MORE
    dtls_told(h, out)
    return YES


cdef void dtls_told(DtlsHello *h, Found *out) noexcept nogil:
    """What there is of the hello, which is given up with it; `out` stays where there is nothing of its start."""
    cdef uint32_t ready = stream_ready(&h.body)
    if ready:
        memset(out, 0, sizeof(Found))
        client_hello(over(stream_bytes(&h.body), ready), ready == h.length, out, c"d")
    stream_free(&h.body)
    h.length = 0


def client(datagrams: list[bytes], budget: int = 1 << 20) -> tuple:
    """("no" | "more" | "yes", fields, bytes held) of what a client sends, of which the first tells whether it is a hello.

    With "more", fields are what the start of the hello tells.
    """
    cdef Found out
    cdef Pool pool
    cdef DtlsHello h
    cdef Answer answer = NO
    cdef uint8_t *block
    cdef uint32_t n
    memset(&out, 0, sizeof(out))
    memset(&h, 0, sizeof(h))
    pool_init(&pool, budget, STREAM_MAX)
    stream_init(&h.body, &pool)
    for i, data in enumerate(datagrams):
        block = block_of(data)
        n = len(data)
        if i == 0:
            answer = dtls_client_hello(block, n, &out)
        if answer == MORE:
            answer = dtls_datagram(&h, 0, block, n, &out)
        free(block)
        if answer != MORE:
            break
    held = pool.used
    dtls_told(&h, &out)
    return answer_name(answer), found_dict(&out), held
