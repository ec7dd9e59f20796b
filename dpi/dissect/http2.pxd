"""HTTP/2 without TLS; see http2.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer, Found


cdef Answer http2_request(const uint8_t *data, uint32_t n, Found *out) noexcept nogil
