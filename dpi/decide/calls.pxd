"""Calls: see calls.pyx."""

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow


cdef void call_learn(Shard *shard, const Flow *flow) noexcept nogil
cdef void call_again(Shard *shard, Flow *flow) noexcept nogil
cdef void call_settle(Shard *shard, Flow *flow) noexcept nogil
