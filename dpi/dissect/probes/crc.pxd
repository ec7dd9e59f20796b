"""Cyclic redundancy checks of 16 bits, by which messages of small devices end."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef inline uint16_t crc_reflected(const uint8_t *data, uint32_t n, uint16_t polynomial, uint16_t crc) noexcept nogil:
    """One that takes the lowest bit first, from a start."""
    cdef uint32_t i
    cdef int _
    for i in range(n):
        crc ^= data[i]
        for _ in range(8):
            crc = crc >> 1 ^ polynomial if crc & 1 else crc >> 1
    return crc


cdef inline uint16_t crc_ccitt(const uint8_t *data, uint32_t n, uint16_t crc) noexcept nogil:
    """That of ITU-T V.41 (x^16 + x^12 + x^5 + 1), the highest bit first, from a start."""
    cdef uint32_t i
    cdef int _
    for i in range(n):
        crc ^= <uint16_t>(data[i] << 8)
        for _ in range(8):
            crc = <uint16_t>(crc << 1) ^ 0x1021 if crc & 0x8000 else <uint16_t>(crc << 1)
    return crc
