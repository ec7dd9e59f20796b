"""A capture in memory; see replay.pyx."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from dpi.capture.reader cimport Record
from dpi.wire.prefetch cimport prefetch


cdef enum:
    AHEAD = 32              # packets that are decoded before the first of them is processed


cdef struct Held:
    uint64_t at             # in the block of bytes
    int64_t time
    uint32_t caplen
    uint32_t wirelen
    uint32_t linktype


cdef class Replay:
    cdef uint8_t *bytes
    cdef uint64_t size
    cdef uint64_t room
    cdef Held *held
    cdef uint64_t n
    cdef uint64_t room_held

    cdef int keep(self, const Record *r) except -1


cdef inline void look_ahead(Replay replay, uint64_t i) noexcept nogil:
    """Asks for the headers of the packet that comes so many behind number i."""
    if i + AHEAD < replay.n:
        prefetch(replay.bytes + replay.held[i + AHEAD].at)
        prefetch(replay.bytes + replay.held[i + AHEAD].at + 64)
