"""What becomes of a flow: see disposition.pyx."""

from libc.stdint cimport uint32_t

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow
from dpi.match.rule_table cimport Question


cdef void ask_host(const Shard *shard, Question *out, uint32_t host) noexcept nogil
cdef void question(Shard *shard, const Flow *flow, Question *out) noexcept nogil
cdef bint host_ruled(const Shard *shard, const Flow *flow) noexcept nogil
cdef void ask(Shard *shard, Flow *flow) noexcept nogil
