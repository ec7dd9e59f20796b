"""The app of a name that DNS is asked for: see asked.pyx."""

from libc.stdint cimport uint16_t, uint32_t

from dpi.decide.shard cimport Shard


cdef uint16_t asked_label(const Shard *shard, const char *name, uint32_t n) noexcept nogil
