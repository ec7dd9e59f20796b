"""Programs and scripts, by their first bytes or their media type; see program.pyx."""
from libc.stdint cimport uint8_t, uint32_t


cdef bint program_bytes(const uint8_t *data, uint32_t n) noexcept nogil
cdef bint names_program(const uint8_t *disposition, uint32_t n) noexcept nogil
cdef bint verifies(const char *agent) noexcept nogil
cdef uint32_t program_needs(const uint8_t *data, uint32_t n) noexcept nogil
cdef bint program_type(const char *media_type) noexcept nogil
