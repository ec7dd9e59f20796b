"""Server port → label, for the loop.  See ports.pyx."""
from libc.stdint cimport uint8_t, uint16_t


cdef struct PortTable:
    uint16_t *tcp           # [65536]
    uint16_t *udp
    uint16_t *sctp


cdef uint16_t port_match(const PortTable *t, uint8_t proto, uint16_t port) noexcept nogil


cdef class Ports:
    cdef PortTable table
    cdef readonly Py_ssize_t size
