"""How traffic is over time; see timeline.pyx."""
from libc.stdint cimport int64_t, uint64_t


cdef enum:
    ROWS_MAX = 25           # a day by the hour, of which the first and the last are cut


cdef struct Row:
    uint64_t flows
    uint64_t packets
    uint64_t up             # bytes
    uint64_t down


cdef class Timeline:
    cdef Row rows[ROWS_MAX]     # number n at n % ROWS_MAX; those that are not used are 0
    cdef readonly uint64_t width
    cdef uint64_t ahead         # seconds that are added to a time: what local time is ahead, and DAY
    cdef uint64_t first         # numbers of rows; none where first > last
    cdef uint64_t last

    cdef int add(self, int64_t start, int64_t end, uint64_t packets, uint64_t up, uint64_t down) except -1
    cdef void reach(self, uint64_t first, uint64_t last) noexcept
