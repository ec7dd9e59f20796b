"""TLS handshakes in clear; see tls.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer, Found, ServerFound
from dpi.wire.cursor cimport Cursor


cdef Answer tls_client_hello(const uint8_t *data, uint32_t n, Found *out) noexcept nogil
cdef Answer tls_handshake(const uint8_t *data, uint32_t n, Found *out, bint quic) noexcept nogil
cdef Answer tls_server_hello(const uint8_t *data, uint32_t n, ServerFound *out) noexcept nogil
cdef Answer tls_records(const uint8_t *data, uint32_t n) noexcept nogil

# A ClientHello's body, for DTLS; transport as in ja4.pxd.
cdef Answer client_hello(Cursor c, bint whole, Found *out, uint8_t transport) noexcept nogil
