"""Names and texts off the wire, made fit to be kept; see text.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef uint16_t host_name(const uint8_t *p, uint32_t n, char *out) noexcept nogil
cdef uint16_t authority(const uint8_t *p, uint32_t n, char *out) noexcept nogil
cdef void put_text(const uint8_t *p, uint32_t n, char *out, uint32_t size) noexcept nogil


cdef inline uint8_t lower(uint8_t c) noexcept nogil:
    return c + 32 if 65 <= c <= 90 else c
