"""What becomes of a flow: see disposition.pyx."""

from dpi.decide.shard cimport Shard
from dpi.flow.table cimport Flow


cdef bint ask(Shard *shard, Flow *flow) noexcept nogil
