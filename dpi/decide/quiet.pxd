"""When a decided flow may leave the queue; quiet.pyx says why not at once."""
from libc.stdint cimport uint16_t

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef bint quiet(Flow *f, const Packet *p, int side) noexcept nogil
cdef uint16_t waits(const Shard *s, const Flow *f) noexcept nogil
