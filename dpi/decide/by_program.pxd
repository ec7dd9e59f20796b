"""The app whose program asks: see by_program.pyx."""

from dpi.decide.shard cimport Shard
from dpi.dissect.answer cimport Found
from dpi.flow.flow cimport Flow


cdef void by_program(Shard *shard, Flow *flow, const Found *found) noexcept nogil
