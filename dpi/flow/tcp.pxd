"""What a TCP segment does to its flow; see tcp.pyx."""
from dpi.flow.table cimport Flow, Table
from dpi.wire.packet cimport Packet


cdef bint table_tcp(Table *t, Flow *f, const Packet *p, int side) noexcept nogil
