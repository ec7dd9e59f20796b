"""Names and texts off the wire, made fit to be kept; see text.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport strlen


cdef uint16_t host_name(const uint8_t *p, uint32_t n, char *out) noexcept nogil
cdef uint32_t before_port(const uint8_t *p, uint32_t n) noexcept nogil
cdef uint16_t authority(const uint8_t *p, uint32_t n, char *out) noexcept nogil
cdef void put_text(const uint8_t *p, uint32_t n, char *out, uint32_t size) noexcept nogil


cdef inline uint8_t lower(uint8_t c) noexcept nogil:
    return c + 32 if 65 <= c <= 90 else c


cdef inline bint begins(const uint8_t *p, uint32_t n, const char *text) noexcept nogil:
    """Whether the bytes begin with a text, in any case; the text is in lower case."""
    cdef uint32_t i
    cdef uint32_t length = <uint32_t>strlen(text)
    if length > n:
        return False
    for i in range(length):
        if lower(p[i]) != <uint8_t>text[i]:
            return False
    return True
