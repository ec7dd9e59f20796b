"""Frames through the whole engine; see engine.pyx."""
from libc.stdint cimport int64_t, uint8_t, uint32_t

from dpi.decide.shard cimport Shard


cdef enum:
    QUEUED = 0              # no link type of a capture's: an IP header comes first


cdef void frame(Shard *s, const uint8_t *data, uint32_t n, uint32_t wire, uint32_t link, int64_t time, uint8_t origin,
                bint hinted) noexcept nogil
cdef void engine(const uint8_t *data, uint32_t n) noexcept nogil
