"""A TLS server's handshake in clear; see tls_server.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer, ServerFound


cdef Answer tls_server_hello(const uint8_t *data, uint32_t n, ServerFound *out) noexcept nogil
