"""TLS's records; see tls_records.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer


cdef enum:
    HANDSHAKE = 22                  # a record's type
    PLAINTEXT_MAX = 16384           # RFC 8446, 5.1
    HELLO_MAX = 16384               # what is put together or waited for; a longer hello is answered with what can be read of it


cdef struct Fragments:      # what the handshake records at the start of a stream carry
    const uint8_t *p
    uint32_t n
    bint over               # something else follows them


cdef Fragments joined_records(const uint8_t *data, uint32_t n, uint8_t *room, bint one) noexcept nogil
cdef Answer tls_records(const uint8_t *data, uint32_t n) noexcept nogil
