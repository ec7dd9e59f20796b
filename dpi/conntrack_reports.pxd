"""What the kernel reports of a flow; see conntrack_reports.pyx."""
from libc.stdint cimport int64_t, uint32_t

from dpi.decide.shard cimport Shard


cdef bint reported_end(Shard *s, uint32_t i, int side, packets_src, bytes_src, packets_dst, bytes_dst) except -1
cdef int reported_counters(Shard *s, uint32_t i, int side, packets_src, bytes_src, packets_dst, bytes_dst,
                           int64_t now) except -1
