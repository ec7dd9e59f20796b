"""Addresses as numbers, and entries as they are read; see addresses.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef extern from *:
    """
    static const unsigned char dpi_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    """
    const uint8_t *dpi_mapped


cdef struct Wide:           # an IPv6 address as a number
    uint64_t high
    uint64_t low


cdef struct Net:
    Wide first              # IPv4 in the lower 32 bits of low
    Wide last
    Wide mask               # where it is no prefix: the bits that count
    uint32_t entry
    uint16_t label
    uint8_t length          # of the prefix; of a mask: how many bits count
    uint8_t family          # 4 or 6
    uint8_t masked


cdef str parse(str text, Net *net)


cdef inline bint less(Wide a, Wide b) noexcept nogil:
    return a.high < b.high or (a.high == b.high and a.low < b.low)


cdef inline uint64_t be64(const uint8_t *p) noexcept nogil:
    cdef uint64_t v = 0
    cdef int i
    for i in range(8):
        v = v << 8 | p[i]
    return v
