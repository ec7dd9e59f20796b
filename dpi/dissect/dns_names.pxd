"""Names asked of DNS that are not names; see dns_names.pyx."""
from libc.stdint cimport uint8_t, uint16_t, uint32_t


cdef enum:
    TUNNEL_WEIGHT = 3       # of a flow's questions together, from which on they are a tunnel's


cdef uint8_t tunnel_weight(const char *name, uint32_t n, uint16_t qtype) noexcept nogil
cdef bint made_up(const char *name, uint32_t n) noexcept nogil
