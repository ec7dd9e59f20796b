"""What a flow's client looked up: see lookup.pyx."""

from dpi.decide.shard cimport Shard
from dpi.flow.flow cimport Flow
from dpi.match.name_table cimport NameHit


cdef bint lookup_find(Shard *shard, const Flow *flow, NameHit *out) noexcept nogil
