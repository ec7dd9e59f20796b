"""What the harness looks up: a target by its name."""
from libc.stdint cimport uint8_t, uint32_t


ctypedef void (*Target)(const uint8_t *data, uint32_t n) noexcept nogil


cdef Target find(const char *name) noexcept nogil
