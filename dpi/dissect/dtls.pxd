"""DTLS handshakes in clear; see dtls.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer, Found


cdef Answer dtls_client_hello(const uint8_t *data, uint32_t n, Found *out) noexcept nogil
