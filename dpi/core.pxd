"""A shard with its Python face; see core.pyx."""
from libc.stdint cimport uint32_t, uint64_t

from dpi.decide.shard cimport Shard
from dpi.match.prefixes cimport Prefixes
from dpi.wire.fragments cimport FragmentTable
from dpi.wire.view cimport Faults


cdef class Core:
    cdef Shard *shard       # what a source of packets calls process() with
    cdef object signatures  # these own what the shard points to
    cdef object names
    cdef object rules
    cdef object routes
    cdef uint64_t records   # of captures, taken through
    cdef Faults faults      # packets that could not be decoded, by reason
    cdef FragmentTable *fragments
    cdef Prefixes local     # what is behind the LAN, for a source that does not tell; None where nobody knows
    cdef uint32_t number_of(self, key, int *side) except? 0xFFFFFFFE
