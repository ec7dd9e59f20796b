"""Flows that are silent for too long; see timers.pyx."""
from libc.stdint cimport int64_t, uint32_t

from dpi.flow.flow cimport Flow


cdef enum Timeout:          # TIMEOUT_NAMES has the same order
    TCP_OPENING
    TCP_OPEN
    TCP_CLOSING
    UDP_ONE_WAY
    UDP_TWO_WAY
    ICMP
    OTHER
    TIMEOUTS


cdef struct Wheel:
    Flow *flows             # the table's
    uint32_t *slots         # first flow of each tick's list
    int64_t tick            # the next to be swept
    int64_t timeout[TIMEOUTS]   # ns; 0 stands for ever


cdef bint wheel_init(Wheel *w, Flow *flows) noexcept nogil
cdef void wheel_free(Wheel *w) noexcept nogil
cdef int64_t timeout_of(const Wheel *w, const Flow *f) noexcept nogil
cdef void wheel_add(Wheel *w, uint32_t i, int64_t deadline) noexcept nogil
cdef void wheel_remove(Wheel *w, uint32_t i) noexcept nogil
cdef void wheel_rearm(Wheel *w, Flow *f, int64_t now) noexcept nogil
cdef uint32_t wheel_due(Wheel *w, int64_t now, int *budget) noexcept nogil
