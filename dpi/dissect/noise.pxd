"""Bytes like noise where text is spoken; see noise.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef bint expects_text(uint16_t port) noexcept nogil
cdef bint noise(const uint8_t *data, uint32_t n) noexcept nogil
