"""What flows teach of others like them: see near.pyx."""

from libc.stdint cimport uint16_t

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow


cdef void near_learn(Shard *shard, const Flow *flow) noexcept nogil
cdef void near_find(Shard *shard, Flow *flow, uint16_t owner) noexcept nogil
