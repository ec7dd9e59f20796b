"""What flows come to, counted as they end; see counts.pyx."""
from libc.stdint cimport int64_t, uint64_t

from dpi.flow.events cimport Event
from dpi.record.timeline cimport Timeline


cdef class Sums:
    cdef readonly uint64_t flows
    cdef readonly uint64_t packets
    cdef readonly uint64_t bytes_up
    cdef readonly uint64_t bytes_down

    cdef inline void add(self, uint64_t packets, uint64_t up, uint64_t down) noexcept:
        self.flows += 1
        self.packets += packets
        self.bytes_up += up
        self.bytes_down += down


cdef class Counts:
    cdef readonly Sums total
    cdef readonly Timeline times
    cdef readonly uint64_t named        # with an app or a protocol
    cdef readonly uint64_t guessed      # of these, by nothing but a port
    cdef readonly uint64_t apps
    cdef dict shared, clients, servers, devices
    cdef int64_t first                  # ns
    cdef int64_t last
    cdef Py_ssize_t names_max

    cdef int add(self, const Event *e, int up, str protocol, str app, str category, str method) except -1
    cdef Sums of(self, dict known, object key)
