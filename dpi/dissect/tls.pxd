"""A TLS client's handshake in clear; see tls.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport Answer, Found
from dpi.wire.cursor cimport Cursor


cdef enum:                          # extensions that either side sends
    ALPN = 16
    SUPPORTED_VERSIONS = 43


cdef enum:
    TLS_1_2 = 0x0303
    TLS_1_3 = 0x0304
    DTLS_1_0 = 0xfeff               # DTLS counts downwards


cdef Answer tls_client_hello(const uint8_t *data, uint32_t n, Found *out) noexcept nogil
cdef Answer tls_handshake(const uint8_t *data, uint32_t n, Found *out, bint quic) noexcept nogil

# A ClientHello's body, for DTLS; transport as in ja4.pxd.
cdef Answer client_hello(Cursor c, bint whole, Found *out, uint8_t transport) noexcept nogil

cdef void put_alpn(const uint8_t *p, uint32_t n, char *out) noexcept nogil


cdef inline uint16_t plain_version(uint16_t version) noexcept nogil:
    """The version that is spoken: drafts of TLS 1.3 (0x7f.., Facebook's 0xfb..) count as it."""
    return TLS_1_3 if version >> 8 == 0x7f or version >> 8 == 0xfb else version
