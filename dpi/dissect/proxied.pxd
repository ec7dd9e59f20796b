"""What a proxy puts before a connection that it passes on; see proxied.pyx."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.flow.flow cimport Flow


cdef Answer proxy_headers(const uint8_t *data, uint32_t n, uint32_t *length) noexcept nogil
cdef bint proxy_begun(const uint8_t *data, uint32_t n) noexcept nogil
cdef void header_ends(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n,
                      const Finding *out) noexcept nogil
