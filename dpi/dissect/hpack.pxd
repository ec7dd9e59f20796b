"""HPACK header blocks, as far as naming a request needs them; see hpack.pyx."""
from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Found


cdef bint hpack_request(const uint8_t *block, uint32_t n, Found *out) noexcept nogil
