"""HTTP/1 requests and responses; see http.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer, Found, ServerFound


cdef bint http_begun(const uint8_t *data, uint32_t n) noexcept nogil
cdef Answer http_request(const uint8_t *data, uint32_t n, Found *out) noexcept nogil
cdef Answer http_response(const uint8_t *data, uint32_t n, ServerFound *out) noexcept nogil
