"""HASSH: see hassh.pyx."""

from libc.stdint cimport uint8_t, uint32_t

from dpi.dissect.answer cimport Answer


cdef Answer hassh(const uint8_t *data, uint32_t n, bint server, char *out) noexcept nogil
