"""Counts over all flows of a shard; see flow_counts.pyx."""
from libc.stdint cimport uint32_t

from dpi.decide.shard cimport Shard


cdef list decided_by_rule(Shard *s, int rules)
cdef tuple one_way_flows(Shard *s, uint32_t examples)
