"""What is spoken over HTTP; see over_http.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t

from dpi.dissect.answer cimport Found


cdef uint16_t over_http(const uint8_t *request, uint32_t n, const Found *found) noexcept nogil
cdef uint16_t by_answer(const uint8_t *answer, uint32_t n, const char *media_type) noexcept nogil
cdef uint16_t by_body(const uint8_t *body, uint32_t n) noexcept nogil
cdef bint body_awaited(const uint8_t *request, uint32_t n, const Found *found) noexcept nogil
