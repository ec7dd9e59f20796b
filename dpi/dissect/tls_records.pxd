"""TLS's records; see tls_records.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer


cdef enum:
    HANDSHAKE = 22                  # a record's type
    RECORD_HEADER = 5               # bytes, behind which the type of its first message stands
    CLIENT_HELLO = 1                # a handshake message's type (RFC 8446, 4)
    SERVER_HELLO = 2
    PLAINTEXT_MAX = 16384           # RFC 8446, 5.1
    HELLO_MAX = 16384               # what is put together or waited for; a longer hello is answered with what can be read of it


cdef struct Fragments:      # what the handshake records at the start of a stream carry
    const uint8_t *p
    uint32_t n
    bint over               # something else follows them


cdef Fragments joined_records(const uint8_t *data, uint32_t n, uint8_t *room, bint one) noexcept nogil
cdef Answer tls_records(const uint8_t *data, uint32_t n) noexcept nogil


cdef inline bint begins_hello(const uint8_t *data) noexcept nogil:
    """Whether a record, of which more is there than its header, begins with a hello."""
    return data[0] == HANDSHAKE and CLIENT_HELLO <= data[RECORD_HEADER] <= SERVER_HELLO
