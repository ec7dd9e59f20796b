"""What SOCKS' clients want to be connected to; see socks.pyx."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer, Found
from dpi.dissect.inspector cimport Finding, Inspector
from dpi.flow.flow cimport Flow


cdef enum:
    SOCKS_CONNECT = 1       # the command, of either version


cdef uint32_t socks_login(const uint8_t *data, uint32_t n) noexcept nogil
cdef Answer socks_request(const uint8_t *data, uint32_t n, Found *out) noexcept nogil
cdef Answer find_request(Inspector *s, Flow *f, int side, const uint8_t *data, uint32_t n,
                         Finding *out) noexcept nogil
