"""What comes behind a closed connection: see closed.pyx."""

from libc.stdint cimport uint8_t

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow


cdef void closed_learn(Shard *shard, const Flow *flow, uint8_t reason) noexcept nogil
cdef bint closed_before(const Shard *shard, const Flow *flow) noexcept nogil
