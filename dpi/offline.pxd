"""A capture's records through a shard; see offline.pyx."""
from libc.stdint cimport int64_t

from dpi.capture.reader cimport CaptureReader
from dpi.decide.shard cimport Shard
from dpi.match.prefix_table cimport PrefixTable
from dpi.wire.fragments cimport FragmentTable
from dpi.wire.view cimport Faults


cdef struct Context:
    Shard *shard
    FragmentTable *fragments
    const PrefixTable *local    # what is behind the LAN; NULL where nobody knows
    Faults *faults


cdef bint take_records(Context *c, CaptureReader *r, Py_ssize_t limit, int64_t until) noexcept nogil
