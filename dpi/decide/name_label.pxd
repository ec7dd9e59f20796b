"""The app of a name: see name_label.pyx."""

from libc.stdint cimport uint16_t, uint32_t

from dpi.decide.shard cimport Shard


cdef uint16_t name_label(const Shard *shard, const char *name, uint32_t n) noexcept nogil
