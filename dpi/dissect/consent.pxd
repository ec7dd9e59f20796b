"""What a proxy answers before it passes on anything; see consent.pyx."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer


cdef Answer consent(const uint8_t *data, uint32_t n, uint32_t *length) noexcept nogil
