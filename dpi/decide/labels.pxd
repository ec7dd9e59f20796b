"""A flow's labels: see labels.pyx."""

from libc.stdint cimport uint8_t, uint16_t

from dpi.decide.shard cimport Shard
from dpi.dissect.inspector cimport Finding
from dpi.flow.flow cimport Flow
from dpi.wire.packet cimport Packet


cdef enum:
    BY_OTHERS = 15          # confidence that a name loses where it was another client's lookup


cdef uint16_t header_label(const Packet *packet) noexcept nogil
cdef void categorise(Shard *shard, Flow *flow) noexcept nogil
cdef void name_by_address(Shard *shard, Flow *flow) noexcept nogil
cdef bint is_servers(const Shard *shard, const Flow *flow) noexcept nogil
cdef bint unanswered(const Flow *flow) noexcept nogil
cdef void answered(Shard *shard, Flow *flow, int side) noexcept nogil
cdef void take_over(Shard *shard, Flow *flow, Finding *finding) noexcept nogil
cdef void take_answer(Shard *shard, Flow *flow, const Finding *finding) noexcept nogil
cdef uint16_t service_at(Shard *shard, const uint8_t *address) noexcept nogil
cdef bint may_lie(const Flow *flow) noexcept nogil
cdef void name_at_end(Shard *shard, Flow *flow) noexcept nogil
cdef void name_late(Shard *shard, Flow *flow) noexcept nogil
cdef void forget(Shard *shard, Flow *flow) noexcept nogil
