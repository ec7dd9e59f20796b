"""The shape of a nameless flow: see shape.pyx."""

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef bint shape_begin(Shard *shard, Flow *flow) noexcept nogil
cdef bint shape_watch(Shard *shard, Flow *flow, const Packet *packet, int side) noexcept nogil
cdef void shape_end(Shard *shard, Flow *flow) noexcept nogil
