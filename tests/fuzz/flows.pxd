from libc.stdint cimport uint8_t, uint32_t


cdef void flows(const uint8_t *data, uint32_t n) noexcept nogil
