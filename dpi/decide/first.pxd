"""The first packet: see first.pyx."""

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow


cdef void first_tell(Shard *shard, const Flow *flow) noexcept nogil
