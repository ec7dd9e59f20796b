"""DTLS: the ClientHello in a datagram (RFC 6347, 4.2; RFC 9147, 5), which differs from TLS's in what is around it.

Records and handshake messages carry numbers, since datagrams get lost, and a message may be cut into fragments.
Fragments are joined as far as they follow each other in the one datagram; a hello that goes on in a next datagram is
answered with what this one shows of it, which leaves it without fingerprint.
"""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from dpi.dissect.answer cimport NO, YES, Answer, Found, answer_name, found_dict
from dpi.dissect.tls cimport DTLS_1_0, client_hello
from dpi.dissect.tls_records cimport CLIENT_HELLO, HANDSHAKE, HELLO_MAX
from dpi.wire.block cimport block_of
from dpi.wire.cursor cimport Cursor, alive, left, over, slice, u8, u16, u24


cdef enum:
    HELLO_MIN = 42          # as TLS's, and an empty cookie


cdef inline bint is_version(uint16_t version) noexcept nogil:
    """DTLS 1.0, 1.2 (and 1.3, which says 1.2 here), and what OpenSSL spoke before there was a standard."""
    return version == DTLS_1_0 or version == 0xfefd or version == 0x0100


cdef Cursor fragment(Cursor *c, uint32_t *offset, uint32_t *length) noexcept nogil:
    """The next record's first fragment of a ClientHello; dead where it holds something else."""
    cdef Cursor record, none
    cdef uint32_t n
    cdef uint8_t kind = u8(c)
    cdef uint16_t version = u16(c)
    cdef uint16_t epoch = u16(c)
    none = over(NULL, 0)
    u16(c)                              # sequence number
    u16(c)
    u16(c)
    record = slice(c, u16(c))
    if not alive(c) or kind != HANDSHAKE or not is_version(version) or epoch != 0:
        return none
    kind = u8(&record)
    length[0] = u24(&record)
    u16(&record)                        # message number
    offset[0] = u24(&record)
    n = u24(&record)
    if not alive(&record) or kind != CLIENT_HELLO or n > length[0] or offset[0] > length[0] - n:
        return none
    return slice(&record, n)


cdef Answer joined(const uint8_t *data, uint32_t n, uint32_t whole, Found *out) noexcept nogil:
    """A ClientHello of `whole` bytes in several fragments."""
    cdef uint8_t room[HELLO_MAX]
    cdef uint32_t have = 0
    cdef uint32_t offset = 0
    cdef uint32_t length = 0
    cdef Cursor c = over(data, n)
    cdef Cursor part
    while have < whole and left(&c) > 0:
        part = fragment(&c, &offset, &length)
        if not alive(&part) or length != whole or offset != have or left(&part) > HELLO_MAX - have:
            break
        memcpy(room + have, part.p, left(&part))
        have += <uint32_t>left(&part)
    return client_hello(over(room, have), have == whole, out, c"d")


cdef Answer dtls_client_hello(const uint8_t *data, uint32_t n, Found *out) noexcept nogil:
    """The ClientHello that a datagram begins with.  `out` must be cleared.

    NO where it begins with none.  YES also where the hello goes on in another datagram.
    """
    cdef uint32_t offset = 0
    cdef uint32_t length = 0
    cdef Cursor c = over(data, n)
    cdef Cursor part = fragment(&c, &offset, &length)
    cdef Answer answer
    if not alive(&part) or offset != 0 or length < HELLO_MIN:
        return NO
    if left(&part) == length:
        answer = client_hello(part, True, out, c"d")
    else:
        answer = joined(data, n, length, out)
    return NO if answer == NO else YES


def client(data: bytes) -> tuple:
    """("no" | "yes", fields) of a client's datagram."""
    cdef Found out
    cdef uint8_t *block = block_of(data)
    memset(&out, 0, sizeof(out))
    answer = dtls_client_hello(block, len(data), &out)
    free(block)
    return answer_name(answer), found_dict(&out)
