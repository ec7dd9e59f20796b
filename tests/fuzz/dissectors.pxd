"""The targets of dissectors.pyx."""
from libc.stdint cimport uint8_t, uint32_t


cdef void fuzz_tls_client(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_tls_handshake(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_tls_server(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_tls_records(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_http_request(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_http2(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_http_response(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_dtls(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_certificate(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_dns(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_quic(const uint8_t *data, uint32_t n) noexcept nogil
