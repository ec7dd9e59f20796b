"""A flow's labels: see labels.pyx."""

from libc.stdint cimport uint8_t, uint16_t

from dpi.decide.shard cimport Shard
from dpi.dissect.inspector cimport Finding
from dpi.flow.table cimport Flow, Label
from dpi.wire.packet cimport Packet


cdef inline bint improve(Label *label, uint16_t id, uint8_t method, uint8_t confidence) noexcept nogil:
    """Better evidence replaces what is there; equal evidence does not."""
    if id == 0 or confidence <= label.confidence:
        return False
    label.id = id
    label.method = method
    label.confidence = confidence
    return True


cdef uint16_t header_label(const Packet *packet) noexcept nogil
cdef void categorise(Shard *shard, Flow *flow) noexcept nogil
cdef void name_by_address(Shard *shard, Flow *flow) noexcept nogil
cdef void take_over(Shard *shard, Flow *flow, Finding *finding) noexcept nogil
cdef uint16_t service_at(Shard *shard, const uint8_t *address) noexcept nogil
cdef void name_at_end(Shard *shard, Flow *flow) noexcept nogil
cdef void name_late(Shard *shard, Flow *flow) noexcept nogil
cdef void forget(Shard *shard, Flow *flow) noexcept nogil
