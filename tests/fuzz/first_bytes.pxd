"""The targets of first_bytes.pyx."""
from libc.stdint cimport uint8_t, uint32_t


cdef void fuzz_probes(const uint8_t *data, uint32_t n) noexcept nogil
cdef void fuzz_declared(const uint8_t *data, uint32_t n) noexcept nogil
