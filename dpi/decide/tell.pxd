"""A shard's events: see tell.pyx."""

from libc.stdint cimport uint8_t

from dpi.decide.shard cimport Shard
from dpi.flow.events cimport Event
from dpi.flow.flow cimport Flow


cdef void write_event(Shard *shard, const Flow *flow, uint8_t kind, uint8_t reason, Event *event) noexcept nogil
cdef void emit(Shard *shard, const Flow *flow, uint8_t kind, uint8_t reason) noexcept nogil
